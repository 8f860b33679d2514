"""Promises about models that others decided on: none serves unasked, none goes for another, colleagues are believed."""

from __future__ import annotations

import json
import shutil

import pytest
from deciders import live_id, won
from durable_disks import RefusingDisk
from model_folders import stage_tiny, told, worked_in

from src_training import ModelStore, Workspace, durable
from src_training.cli import main
from src_training.dataset import keyring
from src_training.errors import ModelError, Overtaken, Refused
from src_training.ledger import Ledger
from src_training.models import card as card_module
from src_training.models.library import builtin_ids
from src_training.models.loading import open_model


@pytest.fixture
def promoted(store, tmp_path):
    """The ids of two models: the first was live before the second."""
    ids = [store.add(stage_tiny(tmp_path / name, name)).id for name in ("first", "second")]
    for model_id in ids:
        store.promote(model_id, won(model_id, live_id(store)))
    return ids


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """From now on another user, who has no key and knows no dataset."""

    def move():
        monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "another user"))

    return move


def record_of(store, number):
    return store.folder / "decisions" / f"{number:08d}" / "decision.json"


def changed(store, number, change):
    record = json.loads(record_of(store, number).read_text())
    change(record)
    record_of(store, number).write_text(json.dumps(record))


def test_a_model_that_came_with_a_workspace_serves_once_a_person_agrees(store, promoted, elsewhere):
    elsewhere()
    second = promoted[1]
    assert store.current() is None and store.unjudged().id == second and store.previous() is None
    assert f"{second} came with this workspace, not judged here: small is used" in store.warning()
    with pytest.raises(Overtaken, match="came with this workspace"):
        store.agree(promoted[0])
    assert store.agree(second, by="reader-9").id == second
    assert store.current().id == second and store.warning() is None and store.unjudged() is None
    agreed = store.history()[-1]
    assert (agreed["action"], agreed["by"], agreed["before"]) == ("agreed", "reader-9", "small")
    with pytest.raises(ModelError, match="waits for anybody's word"):
        store.agree(second)
    assert store.rollback().id == "small"  # what is told of the line before it was judged by nobody here


def test_a_colleague_with_the_site_key_is_asked_nothing(workspace, store, promoted, elsewhere):
    key = workspace.dataset.site_key()
    elsewhere()
    keyring.remember(key)
    assert store.current().id == promoted[1] and store.warning() is None
    assert store.rollback().id == promoted[0]


def test_who_promotes_over_a_received_model_does_so_against_the_shipped_one(store, promoted, elsewhere):
    elsewhere()
    first = promoted[0]
    store.promote(first, won(first, "small"))
    assert store.current().id == first and store.rollback().id == "small" and store.previous() is None


@pytest.mark.parametrize("shipped", sorted(set(builtin_ids()) - {"small"}))
def test_a_shipped_model_that_somebody_else_chose_serves_once_a_person_agrees(store, elsewhere, shipped):
    """Nobody's files are run, but another network finds other vessels, such as the large ones only."""
    store.promote(shipped, won(shipped, live_id(store)))
    assert store.current().id == shipped and store.unjudged() is None
    elsewhere()
    assert store.current() is None and store.unjudged().id == shipped and "not judged here" in store.warning()
    assert store.agree(shipped).id == shipped and store.current().id == shipped


def test_the_default_needs_nobodys_word(store, promoted, elsewhere):
    first = promoted[0]
    store.promote("small", won("small", live_id(store)))
    elsewhere()
    assert store.unjudged() is None and store.warning() is None and live_id(store) == "small"
    store.promote(first, won(first, "small"))
    assert store.rollback().id == "small"


def forged_line(record):
    record["state"]["earlier"] = ["small-syntax"]


def forged_reason(record):
    record["comparison"]["current"] = "small"


@pytest.mark.parametrize("forge", [forged_line, forged_reason])
def test_a_changed_decision_is_not_one_that_was_made_here(store, promoted, forge):
    changed(store, 2, forge)
    assert store.current() is None and "not judged here" in store.warning() and store.previous() is None


def test_a_seal_of_half_letters_is_none(store, promoted):
    changed(store, 2, lambda record: record.update(seals=["\ud800", "é", 3, None]))
    assert store.current() is None and "not judged here" in store.warning()


@pytest.fixture
def counted(monkeypatch):
    """Reading ever more of the decisions fails."""
    read, reads = Ledger.read, []

    def counting(ledger, number):
        reads.append(number)
        assert len(reads) < 1000
        return read(ledger, number)

    monkeypatch.setattr(Ledger, "read", counting)


def test_a_number_that_nobody_can_have_reached_is_told_at_once(store, promoted, counted):
    (store.folder / "decisions" / "99999999").mkdir()
    assert store.current() is None and "decisions/99999999 is damaged" in store.warning()
    assert [record["number"] for record in store.history()] == [1, 2]
    assert "99999997 damaged or missing, the first is 00000003" in store.history_warning()
    with pytest.raises(
        ModelError, match=r"decisions/99999999 is the last number that there can be\. .*move it out"
    ):
        store.promote(promoted[0], won(promoted[0], "small"))
    (store.folder / "decisions" / "99999999").rmdir()
    assert store.current().id == promoted[1] and store.history_warning() is None


def test_a_decision_counts_in_its_place_and_its_workspace_only(workspace, store, promoted, tmp_path):
    again = store.folder / "decisions" / "00000003"
    shutil.copytree(record_of(store, 1).parent, again)
    for action in ("promoted", "kept"):
        changed(store, 3, lambda record, action=action: record.update(action=action))
        assert store.current() is None and store.unjudged().id == promoted[0]
    shutil.rmtree(again)
    assert store.current().id == promoted[1]
    other = Workspace.create(tmp_path / "other")  # of the same user
    shutil.copytree(store.folder, other.path / "models", dirs_exist_ok=True)
    assert other.models.current() is None and "not judged here" in other.models.warning()


def test_a_later_record_makes_nothing_active_by_the_seal_of_an_earlier_one(store, promoted):
    first, second = promoted
    store.keep(first, "seen")
    assert store.current().id == second
    changed(store, 3, lambda record: record["state"].update(model=first, card_sha256=""))
    assert store.current() is None and store.unjudged().id == first and store.previous() is None


def test_what_somebody_keeps_vouches_for_nothing(store, promoted):
    first, second = promoted
    changed(store, 2, forged_line)
    store.keep(first)  # sealed, on a state that was not
    assert store.current() is None and store.previous() is None
    assert store.unjudged().id == second


def test_figures_of_elsewhere_are_not_judged_by(workspace, store, model_id, elsewhere, capsys):
    store.keep_comparison(told(model_id, patients=12))
    elsewhere()
    with pytest.raises(Refused, match="was compared elsewhere, and its figures are not believed"):
        store.promote(model_id, override="they look good")
    assert store.current() is None and store.history()[-1]["action"] == "refused"
    store.keep_comparison(told(model_id, patients=12))
    assert store.promote(model_id).id == model_id


def test_figures_of_an_older_version_are_believed_by_who_worked_there(workspace, store, model_id):
    shutil.rmtree(store.folder / "comparisons" / model_id)
    path = store.folder / "comparisons" / f"{model_id}.json"
    path.write_text(json.dumps(told(model_id, patients=12).as_dict()))
    with pytest.raises(Refused, match="was compared elsewhere"):
        store.promote(model_id)
    worked_in(workspace)
    assert store.promote(model_id).id == model_id


def test_a_card_other_than_the_one_that_was_promoted_does_not_serve(store, promoted, tmp_path, monkeypatch):
    second = promoted[1]
    shutil.rmtree(store.folder / second)
    shutil.copytree(stage_tiny(tmp_path / "forged", "forged"), store.folder / second)
    monkeypatch.setattr(card_module.ModelCard, "is_id", lambda card, model_id: True)  # a collision
    assert store.current() is None and live_id(store) == "small"
    assert "its card is not that of the model which was made active" in store.warning()


def test_who_cannot_write_into_the_workspace_agrees_for_himself(store, promoted, elsewhere, monkeypatch):
    elsewhere()
    monkeypatch.setattr(durable, "disk", RefusingDisk(store.folder, 30))
    assert store.agree(promoted[1]).id == promoted[1] == store.current().id
    assert len(store.history()) == 2
    elsewhere_again = ModelStore(store.folder)
    assert elsewhere_again.current().id == promoted[1] and elsewhere_again.previous() is None


@pytest.mark.parametrize("known", [True, False])
def test_what_an_older_version_made_live_serves_who_worked_there(workspace, store, promoted, known):
    shutil.rmtree(store.folder / "decisions")
    record = json.loads((store.folder / "current.json").read_text())
    record = {name: record[name] for name in ("model", "card_sha256", "previous", "earlier", "seq")}
    (store.folder / "current.json").write_text(json.dumps(record))
    if known:
        worked_in(workspace)
        assert store.current().id == promoted[1] and store.previous().id == promoted[0]
    else:
        assert store.current() is None and store.unjudged().id == promoted[1] and store.previous() is None


def test_an_id_holds_128_bits_and_one_of_an_older_version_still_opens(store, tmp_path):
    staged = stage_tiny(tmp_path / "staged")
    model = open_model(staged)
    assert len(model.id) == len("tiny-") + 32 and model.card.old_id() == model.id[: len("tiny-") + 10]
    old = model.card.old_id()
    shutil.copytree(staged, store.folder / old)
    assert store.get(old).id == old and [one.id for one in store.list()] == [old]
    assert store.add(staged).id == old and store.ids() == [old]  # it is the one that is there
    store.promote(old, won(old, "small"))
    assert store.current().id == old
    other = stage_tiny(tmp_path / "other", "other")
    shutil.rmtree(store.folder / old)
    shutil.copytree(other, store.folder / old)
    with pytest.raises(ModelError, match="its card was changed"):
        store.get(old)


@pytest.mark.parametrize("digits", ["_ID_DIGITS", "_OLD_ID_DIGITS"])
def test_a_model_whose_id_another_one_has_never_goes_for_it(store, tmp_path, monkeypatch, digits):
    monkeypatch.setattr(card_module, digits, 0)  # so that all of one name collide
    first = stage_tiny(tmp_path / "first")
    second = shutil.copytree(first, tmp_path / "second")
    card = json.loads((second / "card.json").read_text())
    (second / "card.json").write_text(json.dumps(card | {"threshold": 0.25}))
    stored = store.add(first)
    if digits == "_ID_DIGITS":
        with pytest.raises(ModelError, match="another model has this id here"):
            store.add(second)
        assert store.ids() == [stored.id] and store.get(stored.id).card.threshold == 0.5
        return
    shutil.move(store.folder / stored.id, store.folder / stored.card.old_id())
    assert store.add(second).card.threshold == 0.25 and len(store.ids()) == 2


def test_the_shell_says_what_came_with_a_workspace(workspace, store, promoted, elsewhere, capsys):
    elsewhere()
    second, place = promoted[1], str(workspace.path)
    line = f"{second} came with this workspace, not judged here: small is used."
    for command in (["list", place], ["show", place, second], ["show", place]):
        assert main(["models", *command]) == 0
        said = capsys.readouterr()
        assert line in said.err
        assert command[0] == "show" or any(shown.startswith(f"? {second}") for shown in said.out.splitlines())
    assert main(["models", "list", place, "--json"]) == 0
    listed = [json.loads(told) for told in capsys.readouterr().out.splitlines()]
    assert [one["model"] for one in listed if one.get("unjudged")] == [second]
    assert main(["doctor", place]) == 0
    assert f"! live       {line[:-1]}" in capsys.readouterr().out
    assert main(["models", "agree", place, promoted[0]]) == 2
    assert main(["models", "agree", place, second, "--by", "reader-9"]) == 0
    assert main(["models", "list", place]) == 0
    assert any(told.startswith(f"* {second}") for told in capsys.readouterr().out.splitlines())
    assert main(["models", "history", place]) == 0
    assert f"agreed {second}, active then: small; by reader-9" in capsys.readouterr().out


def test_segmenting_with_such_a_workspace_says_which_model_serves(
    workspace, store, promoted, elsewhere, capsys, tmp_path
):
    from src_training.samples import sample_frames

    elsewhere()
    frame = str(sample_frames()[0])
    assert main(["segment", frame, "-o", str(tmp_path / "out"), "--workspace", str(workspace.path)]) == 0
    assert "not judged here: small is used" in capsys.readouterr().err
