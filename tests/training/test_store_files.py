"""Promises of the model store about its own small files: whatever they hold ends in a line, and nothing hangs."""

from __future__ import annotations

import json
import os

import pytest
from model_folders import told

from src_training.cli import main
from src_training.errors import LightVesselError, ModelError
from src_training.evaluation import Comparison
from src_training.models.gate import decide

DEEP = b"[" * 100_000
DEEP_BUT_CLOSED = (
    b'{"model": "m", "previous": null, "utc": "", "action": "x", "decision": {"x": '
    + b"[" * 900
    + b"]" * 900
    + b"}}"
)
HOSTILE = {
    "deep": DEEP,
    "deep but closed": DEEP_BUT_CLOSED,
    "too large a number": b'{"model": 1e999, "previous": null, "seq": 1e999, "utc": 1e999, "action": 1e999}',
    "lists for text": b'{"model": ["x"], "previous": ["x"], "utc": [], "action": []}',
    "no text": b"\xff\xfe\x00",
    "a path": b'{"model": "../..", "previous": null, "utc": "", "action": "x\\ny", "by": 7}',
    "a long name": b'{"model": "' + b"x" * 5000 + b'", "previous": null}',
    "half a letter": b'{"model": "\\ud800", "previous": "\\ud800"}',
    "more digits than Python reads": b'{"seq": ' + b"9" * 5000 + b"}",
    "too large": b'{"x": "' + b" " * 2**20 + b'"}',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_record_of_the_live_model_is_told_in_a_line(workspace, store, content, capsys):
    (store.folder / "current.json").write_bytes(content)
    assert store.current() is None and store.previous() is None
    assert "\n" not in store.warning()
    assert main(["models", "list", str(workspace.path)]) == 0
    assert main(["models", "rollback", str(workspace.path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_decision_is_left_out_and_that_is_said(workspace, store, model_id, content, capsys):
    (store.folder / "decisions.jsonl").write_bytes(content + b"\n")
    store.promote(model_id, override="mine", by="reader-1")
    for form in ([], ["--json"]):
        assert main(["models", "history", str(workspace.path), *form]) == 0
        said = capsys.readouterr()
        assert len(said.out.splitlines()) == 1 and "reader-1" in said.out
        assert said.err == "lightvessel: models/decisions.jsonl: 1 damaged line(s) left out.\n"


def newest_comparison(store, model_id):
    return max((store.folder / "comparisons" / model_id).glob("*/comparison.json"))


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_numbered_decision_is_told_in_a_line(workspace, store, model_id, content, capsys):
    store.promote(model_id, override="mine", by="reader-1")
    (store.folder / "decisions" / "00000001" / "decision.json").write_bytes(content)
    assert store.current() is None and store.previous() is None and store.history() == []
    assert "\n" not in store.warning() and "00000001" in store.history_warning()
    assert main(["models", "list", str(workspace.path)]) == 0
    assert main(["models", "rollback", str(workspace.path)]) == 2
    assert "Traceback" not in capsys.readouterr().err
    store.promote(model_id, override="mine again")
    assert store.current().id == model_id and store.history()[-1]["seq"] == 2


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_comparison_is_refused_in_a_line(workspace, store, model_id, content, capsys):
    (newest_comparison(store, model_id)).write_bytes(content)
    assert main(["models", "promote", str(workspace.path), model_id]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "damaged" in line
    store.keep(model_id)
    assert store.history()[-1]["decision"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"patients": "ten"},
        {"patients": True},
        {"patients": 12.0},
        {"patients": 10**400},
        {"patients": -1},
        {"candidate": ["x"]},
        {"current": "small\nlive"},
        {"dice_interval": None},
        {"dice_interval": [0.1]},
        {"dice_interval": [1e999, 1e999]},
        {"dice_interval": "ab"},
        {"cldice_interval": [float("nan")] * 2},
        {"delta_dice": []},
        {"worst_patient": 1e999},
        {"home_dice_current": "0.7"},
        {"losing_frames": [["a", "b"]]},
        {"losing_frames": 7},
        {"snapshot": 7},
    ],
    ids=str,
)
def test_a_comparison_with_a_field_of_another_type_is_damaged(changes):
    record = json.loads(json.dumps(told("new", patients=12).as_dict()))
    assert Comparison.from_dict(record) == told("new", patients=12)
    with pytest.raises(ModelError, match="is damaged") as caught:
        Comparison.from_dict(record | changes)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are POSIX")
@pytest.mark.timeout(30)
def test_a_pipe_in_the_place_of_a_file_hangs_nothing(workspace, store, model_id):
    for path in (
        store.folder / "current.json",
        store.folder / "decisions.jsonl",
        newest_comparison(store, model_id),
    ):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    assert "damaged" in store.warning()
    assert "not a readable file" in store.history_warning() and store.history() == []
    with pytest.raises(ModelError, match="damaged"):
        store.promote(model_id, override="mine")
    os.mkfifo(store.folder / "decisions")
    assert "decisions cannot be read" in store.warning()
    with pytest.raises(ModelError, match="cannot be written"):
        store.promote(model_id, decide(told(model_id, patients=12)))


@pytest.mark.parametrize("name", ["x" * 5000, "\ud800", "a/b", "", "..", "a\nb"])
def test_what_is_no_name_of_a_model_is_said_in_a_line(store, name):
    assert not store.has(name)
    with pytest.raises(LightVesselError, match="no such model"):
        store.promote(name)
