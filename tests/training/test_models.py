"""Promises of the model store: damaged models never load, adding is whole, promoting and rolling back are one step."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from durable_disks import LoggingDisk, StepDisk
from model_folders import read_weights, rehash, told, worked_in, write_weights
from safetensors.numpy import load_file, save_file

from src_training import ModelStore, Workspace, builtin_models, confined, default_model, durable, load_model
from src_training.cli import main
from src_training.errors import ModelError, Refused
from src_training.models import contest
from src_training.models.decisions import decision_text
from src_training.models.gate import decide
from src_training.models.loading import open_model

SHIPPED = builtin_models()[0]


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped default's folder, to be damaged."""
    return shutil.copytree(SHIPPED.folder, tmp_path / "copy")


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "workspace")


def renamed(copy, name):
    """A staged model of another name; its id differs."""
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(card | {"name": name}))
    return copy


def flip_a_byte(copy):
    path = copy / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-7] ^= 1
    path.write_bytes(data)


def with_tensor(name, change):
    def damage(copy):
        path = copy / "weights.safetensors"
        tensors = load_file(path)
        change(tensors, name)
        save_file(tensors, path)
        rehash(copy)

    return damage


def truncated(copy):
    path = copy / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    rehash(copy)


def endless_header(copy):
    (copy / "weights.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    rehash(copy)


def card_with(**changes):
    def damage(copy):
        card = json.loads((copy / "card.json").read_text())
        (copy / "card.json").write_text(json.dumps(card | changes))

    return damage


def with_header(change):
    def damage(copy):
        header, data = read_weights(copy)
        change(header)
        write_weights(copy, json.dumps(header), data)
        rehash(copy)

    return damage


def shared_data(copy):
    """Two weights whose extents are the same."""
    header, data = read_weights(copy)
    first, second = (name for name in header if name.endswith("norm3.bias") and "encoder.0" in name)
    header[first]["data_offsets"] = header[second]["data_offsets"]
    write_weights(copy, json.dumps(header), data)
    rehash(copy)


def twin(copy):
    """One name twice: readers would not agree which one counts."""
    header, data = read_weights(copy)
    text = json.dumps(header)
    write_weights(copy, text[:-1] + f', "{HEAD}": {json.dumps(header[HEAD])}}}', data)
    rehash(copy)


def with_surplus(copy):
    header, data = read_weights(copy)
    write_weights(copy, json.dumps(header), data + bytes(8))
    rehash(copy)


HEAD = "head.bias"
DAMAGES = [
    (flip_a_byte, "differs from its card"),
    (with_tensor("surplus", lambda t, n: t.update({n: np.zeros(3, np.float32)})), "surplus"),
    (with_tensor(HEAD, lambda t, n: t.pop(n)), "head.bias"),
    (with_tensor(HEAD, lambda t, n: t.update({n: np.zeros(5, np.float32)})), "head.bias"),
    (with_tensor(HEAD, lambda t, n: t.update({n: np.full(4, np.nan, np.float32)})), "non-finite"),
    (with_tensor(HEAD, lambda t, n: t.update({n: np.zeros(4, np.int64)})), "header is damaged"),
    (truncated, "safetensors|header"),
    (with_header(lambda h: h[HEAD].update(shape=[2.0, 2])), "header is damaged .first at head.bias"),
    (with_header(lambda h: h[HEAD].update(shape=4)), "header is damaged .first at head.bias"),
    (with_header(lambda h: h[HEAD].update(shape=[2**62, 4])), "header is damaged .first at head.bias"),
    (with_header(lambda h: h[HEAD].update(dtype=["F32"])), "header is damaged .first at head.bias"),
    (with_header(lambda h: h[HEAD].update(data_offsets=[1e400, 0])), "header is damaged"),
    (with_header(lambda h: h.update({HEAD: "weights"})), "header is damaged"),
    (shared_data, "header is damaged .first at"),
    (twin, "header is damaged"),
    (with_surplus, "8 bytes belong to no weight"),
    (card_with(name="../../elsewhere"), "name: "),
    (card_with(name="two\nlines"), "name: "),
    (endless_header, "not a safetensors file"),
    (lambda c: (c / "weights.safetensors").unlink(), "missing"),
    (lambda c: (c / "card.json").unlink(), "no card.json"),
    (lambda c: (c / "card.json").write_text("{"), "card.json"),
    (lambda c: (c / "card.json").write_bytes(b"\xff\xfe\x00"), "card.json"),
    (lambda c: (c / "card.json").write_text("[" * 100_000), "card.json"),
    (card_with(threshold=7), "threshold"),
    (card_with(architecture={"family": "unknown"}), "unknown"),
    (card_with(files={}), "names no weights"),
    (card_with(files={"../../etc/passwd": "0"}), "not a file of this folder"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_a_damaged_model_is_refused_in_one_line(copy, damage, message):
    damage(copy)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(copy)
    assert "\n" not in str(caught.value)


def test_the_shipped_models_are_sound_and_the_default_comes_first():
    assert next(m.id for m in builtin_models()) == "small"
    assert {m.id for m in builtin_models()} >= {"small", "small-syntax"}
    protocols = {m.id: m.card.label_protocol for m in builtin_models()}
    assert protocols["small"] == "full-tree" and protocols["small-syntax"] == "syntax"
    assert all("not for diagnosis" in m.card.intended_use for m in builtin_models())


def test_a_missing_openvino_network_is_rebuilt(copy):
    from src_training import Predictor

    frame = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    expected = Predictor.load(SHIPPED).probability(frame)
    for path in copy.glob("openvino.*"):
        path.unlink()
    assert np.abs(Predictor.load(copy).probability(frame) - expected).max() < 2e-3


def test_adding_a_model_copies_it_whole_and_again_changes_nothing(copy, workspace):
    model = workspace.models.add(copy)
    assert workspace.models.ids() == [model.id]
    assert workspace.models.add(copy).id == model.id
    assert open_model(model.folder).id == model.id
    assert [p.name for p in workspace.models.folder.iterdir()] == [model.id]


def test_a_damaged_staged_model_leaves_nothing_behind(copy, workspace):
    flip_a_byte(copy)
    with pytest.raises(ModelError):
        workspace.models.add(copy)
    assert list(workspace.models.folder.iterdir()) == []


def test_promote_and_roll_back(copy, workspace):
    store = workspace.models
    first, second = store.add(copy), store.add(renamed(copy, "second"))
    assert default_model(workspace).id == "small" and store.current() is None
    store.keep_comparison(told(first.id, patients=12))
    store.promote(first.id)
    assert default_model(workspace).id == first.id
    store.keep_comparison(told(second.id, current=first.id, patients=12))
    store.promote(second.id)
    assert store.rollback().id == first.id
    assert default_model(workspace).id == first.id
    assert [r["action"] for r in store.history()] == ["promoted", "promoted", "rolled back"]
    assert json.loads((store.folder / "current.json").read_text())["seq"] == 3


def test_rolling_back_goes_on_back_and_never_forth_again(copy, workspace):
    store = workspace.models
    first, second = store.add(copy), store.add(renamed(copy, "second"))
    store.keep_comparison(told(first.id, patients=12))
    store.promote(first.id)
    store.keep_comparison(told(second.id, current=first.id, patients=12))
    store.promote(second.id)
    assert store.previous().id == first.id
    assert [store.rollback().id, store.rollback().id] == [first.id, "small"]
    assert store.previous() is None
    with pytest.raises(ModelError, match="nothing to roll back"):
        store.rollback()
    store.promote(first.id)  # its comparison with small holds again
    assert store.rollback().id == "small"


def test_rolling_back_steps_over_a_damaged_model(copy, workspace):
    store = workspace.models
    first, second = store.add(copy), store.add(renamed(copy, "second"))
    store.keep_comparison(told(first.id, patients=12))
    store.promote(first.id)
    store.keep_comparison(told(second.id, current=first.id, patients=12))
    store.promote(second.id)
    flip_a_byte(first.folder)
    assert store.rollback().id == "small"


def test_a_shipped_model_can_be_promoted_too(copy, workspace):
    model = workspace.models.add(copy)
    workspace.models.keep_comparison(told(model.id, patients=12))
    workspace.models.promote(model.id)
    workspace.models.keep_comparison(told("small-syntax", current=model.id, patients=12))
    assert workspace.models.promote("small-syntax").builtin


def test_a_record_of_an_older_version_can_be_rolled_back(copy, workspace):
    model = workspace.models.add(copy)
    worked_in(workspace)
    record = {"model": model.id, "card_sha256": "", "previous": "small", "seq": 1}
    (workspace.models.folder / "current.json").write_text(json.dumps(record))
    assert workspace.models.rollback().id == "small"


def test_the_first_promotion_rolls_back_to_the_shipped_model(copy, workspace):
    model = workspace.models.add(copy)
    workspace.models.keep_comparison(told(model.id, patients=12))
    workspace.models.promote(model.id)
    assert workspace.models.rollback().id == "small"
    assert default_model(workspace).builtin


@pytest.mark.parametrize(
    ("comparison", "override", "message"),
    [
        (None, None, "was not compared"),
        (lambda m: told(m), None, "at least 10"),
        (lambda m: told(m, current="other", patients=12), None, "compared with other"),
        (lambda m: told(m, home=0.7), "I insist", "reference set"),
    ],
)
def test_what_has_not_earned_it_does_not_go_live(copy, workspace, comparison, override, message):
    model = workspace.models.add(copy)
    if comparison:
        workspace.models.keep_comparison(comparison(model.id))
    with pytest.raises(Refused, match=message):
        workspace.models.promote(model.id, override=override, by="reader-1")
    assert default_model(workspace).id == "small"
    (refused,) = workspace.models.history()
    assert (refused["action"], refused["by"], refused["override"]) == ("refused", "reader-1", override)
    assert re.search(message, decision_text(refused))


def test_an_override_is_recorded_with_its_reason(copy, workspace):
    model = workspace.models.add(copy)
    workspace.models.keep_comparison(told(model.id))
    workspace.models.promote(model.id, override="three patients, looked at every frame")
    assert workspace.models.history()[-1]["override"] == "three patients, looked at every frame"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model": 7, "previous": null}', b"\xff\xff"])
def test_a_damaged_current_record_falls_back_with_a_warning(workspace, content):
    (workspace.models.folder / "current.json").write_bytes(content)
    assert default_model(workspace).id == "small"
    assert "damaged" in workspace.models.warning()


def test_a_live_model_that_was_tampered_with_is_not_used(copy, workspace):
    model = workspace.models.add(copy)
    workspace.models.keep_comparison(told(model.id, patients=12))
    workspace.models.promote(model.id)
    flip_a_byte(model.folder)
    assert ModelStore(workspace.models.folder).current() is None
    assert model.id in workspace.models.warning()


def test_nothing_to_roll_back_is_said(workspace):
    with pytest.raises(ModelError, match="nothing to roll back"):
        workspace.models.rollback()


def test_models_from_the_shell(copy, workspace, capsys):
    model = workspace.models.add(copy)
    place = str(workspace.path)
    assert main(["models", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0]) == {
        "model": "small",
        "live": True,
        "builtin": True,
    }
    assert main(["models", "promote", place, model.id]) == 3
    assert main(["models", "compare", place, model.id, "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["home_delta_dice"] == 0 and record["decision"]["verdict"] == "cannot_tell"
    assert main(["models", "promote", place, model.id]) == 3
    assert "Give a reason" in capsys.readouterr().err
    assert main(["models", "promote", place, model.id, "--override", "same weights"]) == 0
    assert main(["models", "rollback", place, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"live": "small"}
    assert main(["models", "show", place, model.id]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "small"
    assert main(["models", "describe", "small-syntax"]) == 0
    assert "syntax" in capsys.readouterr().out
    assert main(["models", "show", "nothing-like-it"]) == 2


class Died(BaseException):
    """Stands for the end of the process."""


class DeadBefore(StepDisk):
    """Dies where a finished file or folder is about to get its name."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def at(self, step, name, *arguments):
        if name == self.name:
            raise Died


def test_a_promotion_that_dies_before_its_name_has_not_happened_and_after_it_has(
    copy, workspace, monkeypatch
):
    store, model = workspace.models, workspace.models.add(copy)
    for name, live, actions in (("rename_dir", None, []), ("rename", model.id, ["promoted"])):
        with monkeypatch.context() as dying:
            dying.setattr(durable, "disk", DeadBefore(name))
            with pytest.raises(Died):
                store.promote(model.id, decide(told(model.id, patients=12)))
        assert getattr(store.current(), "id", None) == live
        assert [r["action"] for r in store.history()] == actions
    assert not (store.folder / "current.json").exists() and store.rollback().id == "small"
    assert json.loads((store.folder / "current.json").read_text())["seq"] == 2


def of_older_version(store, *decisions, current=None):
    """The files of a store as versions without numbered decisions left them, for a user who worked there."""
    worked_in(Workspace.open(store.folder.parent))
    lines = [
        {"utc": "2026-01-01T00:00:00+00:00", "action": action, "model": model, "before": "small", "seq": seq}
        for action, model, seq in decisions
    ]
    (store.folder / "decisions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if current is not None:
        (store.folder / "current.json").write_text(json.dumps(current))


def test_a_decision_whose_switch_never_came_in_an_older_version_is_told_as_cut_short(copy, workspace):
    store, model = workspace.models, workspace.models.add(copy)
    of_older_version(store, ("promoted", model.id, 1))
    assert store.current() is None
    assert [r["action"] for r in store.history()] == ["promoted, cut short"]
    store.promote(model.id, decide(told(model.id, patients=12)))
    store.rollback()
    assert [r["action"] for r in store.history()] == ["promoted, cut short", "promoted", "rolled back"]


def test_history_and_live_model_of_an_older_version_go_on(copy, workspace):
    store = workspace.models
    first, second = store.add(copy), store.add(renamed(copy, "second"))
    live = {
        "model": second.id,
        "card_sha256": "",
        "previous": first.id,
        "earlier": ["small", first.id],
        "seq": 2,
    }
    of_older_version(store, ("promoted", first.id, 1), ("promoted", second.id, 2), current=live)
    assert store.current().id == second.id
    store.keep(first.id)
    assert [store.rollback().id, store.rollback().id] == [first.id, "small"]
    actions = ["promoted", "promoted", "kept", "rolled back", "rolled back"]
    assert [r["action"] for r in store.history()] == actions and store.history_warning() is None
    shown = json.loads((store.folder / "current.json").read_text())
    assert (shown["model"], shown["seq"], shown["number"], shown["previous"]) == ("small", 4, 3, None)


def test_no_older_state_wins(copy, workspace):
    store = workspace.models
    first, second = store.add(copy), store.add(renamed(copy, "second"))
    store.promote(first.id, decide(told(first.id, patients=12)))
    before = (store.folder / "current.json").read_bytes()
    store.promote(second.id, decide(told(second.id, first.id, patients=12)))
    after = (store.folder / "current.json").read_bytes()
    (store.folder / "current.json").write_bytes(before)  # by a writer that was held up
    assert store.current().id == second.id
    (store.folder / "current.json").write_bytes(after)
    shutil.rmtree(store.folder / "decisions" / "00000002")  # a copy that is not complete
    assert store.current() is None and "2 to 2 are missing" in store.warning()
    store.promote(first.id, decide(told(first.id, patients=12)))
    assert store.current().id == first.id and store.warning() is None
    (store.folder / "decisions" / "00000003" / "decision.json").write_text("{")
    assert store.current() is None and "00000003 is damaged" in store.warning()


def test_what_an_older_version_decides_later_on_its_own_is_told(copy, workspace):
    store = workspace.models
    first, second = store.add(copy), store.add(renamed(copy, "second"))
    store.promote(first.id, decide(told(first.id, patients=12)))
    live = {"model": second.id, "card_sha256": "", "previous": first.id, "earlier": [first.id], "seq": 2}
    (store.folder / "current.json").write_text(json.dumps(live))
    assert store.current().id == first.id
    assert "an older version" in store.history_warning() and second.id in store.history_warning()


def test_a_decision_is_on_the_disk_before_its_model_goes_live(copy, workspace, monkeypatch):
    model, disk = workspace.models.add(copy), LoggingDisk()
    monkeypatch.setattr(durable, "disk", disk)
    workspace.models.promote(model.id, decide(told(model.id, patients=12)))
    made, claimed, shown = disk.log[:2], disk.log[2:9], disk.log[9:]
    assert made == ["mkdir", "sync_dir"]
    assert claimed == ["mkdir", "open", "write", "sync", "sync_dir", "rename_dir", "sync_dir"]
    assert shown == ["open", "write", "sync", "rename", "sync_dir"]  # for older versions


def test_the_history_survives_the_loss_of_the_live_record(copy, workspace):
    store, model = workspace.models, workspace.models.add(copy)
    store.promote(model.id, decide(told(model.id, patients=12)))
    store.rollback()
    (store.folder / "current.json").write_bytes(b"{")
    store.promote(model.id, decide(told(model.id, patients=12)))
    assert [r["action"] for r in store.history()] == ["promoted", "rolled back", "promoted"]
    assert json.loads((store.folder / "current.json").read_text())["seq"] == 3


def test_a_folder_that_cannot_be_read_takes_no_others_place(store, model_id, monkeypatch):
    store.promote(model_id, override="mine")
    (store.folder / "closed-1").mkdir()
    status = confined.status

    def closed(path):
        if "closed-1" in path.parts or path.name in shut:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return status(path)

    shut = []
    monkeypatch.setattr(confined, "status", closed)
    assert store.ids() == [model_id] and store.current().id == model_id
    shut.append("card.json")
    assert store.current() is None and "damaged or missing" in store.warning()
    shut += ["current.json", "decisions.jsonl"]
    assert store.current() is None and "Permission denied" in store.warning()
    assert "Permission denied" in store.history_warning() and len(store.history()) == 1


def test_ancestors_in_a_circle_are_each_asked_once(monkeypatch):
    asked = []

    def model(name):
        asked.append(name)
        assert len(asked) < 10
        card = SimpleNamespace(run=f"run-{name}", parent={"a": "b", "b": "a"}[name])
        return SimpleNamespace(id=name, card=card)

    frames = SimpleNamespace(load_snapshot=lambda run: SimpleNamespace(revisions=[]))
    models = SimpleNamespace(get=model, has=lambda name: True)
    workspace = SimpleNamespace(dataset=frames, models=models)
    assert contest._learnt(workspace, model("a")) == set() and asked == ["a", "b", "a"]
