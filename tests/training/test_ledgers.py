"""Promises of numbered records that came from elsewhere: no number makes work, and none is a dead end."""

from __future__ import annotations

import json
import shutil

import pytest

from src_training import durable
from src_training.cli import main
from src_training.errors import ModelError, RunError
from src_training.ledger import Ledger
from src_training.models.records import parsed
from src_training.runs.store import starting
from src_training.turns import turn

HIGHEST = 99_999_999


@pytest.fixture
def reads(monkeypatch):
    """Every record that is read; more than there can be in so small a store is work without end."""
    seen = []

    def read(ledger, number, usual=Ledger.read):
        seen.append(number)
        assert len(seen) < 1000
        return usual(ledger, number)

    monkeypatch.setattr(Ledger, "read", read)
    return seen


@pytest.mark.parametrize("number", [HIGHEST, HIGHEST - 1, 5_000_000, 40])
def test_a_decision_of_a_number_far_away_takes_no_more_work_than_what_is_there(
    store, model_id, reads, number
):
    store.keep(model_id)
    (store.folder / "decisions" / f"{number:08d}").mkdir()
    assert store.current() is None and f"{number:08d} is damaged" in store.warning()
    assert [record["action"] for record in store.history()] == ["kept"]
    assert store.history_warning() == (
        f"models/decisions: {number - 1} damaged or missing, the first is 00000002."
    )


@pytest.mark.parametrize("number", [HIGHEST - 1, 5_000_000, 40])
def test_on_it_can_be_decided(store, model_id, reads, number):
    (store.folder / "decisions" / f"{number:08d}").mkdir(parents=True)
    store.promote(model_id, override="mine")
    assert store.current().id == model_id and store.warning() is None
    assert [record["action"] for record in store.history()] == ["promoted"]


def test_the_last_number_there_can_be_is_named_with_its_cure(store, model_id, tmp_path):
    last = store.folder / "decisions" / str(HIGHEST)
    last.mkdir(parents=True)
    with pytest.raises(ModelError, match=f"decisions/{HIGHEST} is the last number.*move it out") as caught:
        store.keep(model_id)
    assert "Check the disk" not in str(caught.value)
    shutil.move(last, tmp_path / "away")
    store.keep(model_id)


def test_so_is_that_of_a_turn(workspace):
    run = workspace.runs._make("finetune", {}, 1)
    (workspace.path / "runs" / "starts" / "finetune" / str(HIGHEST)).mkdir(parents=True)
    last = pytest.raises(RunError, match=f"finetune/{HIGHEST} is the last number.*move it out")
    with last, starting(run, "finetune"):
        pass


@pytest.mark.parametrize("number", [HIGHEST, 5_000_000])
def test_what_nobody_promised_is_damage_and_no_dead_end(store, model_id, number):
    (store.folder / "current.json").write_text(json.dumps({"model": None, "number": number}))
    assert "current.json is damaged" in store.warning()
    store.promote(model_id, override="mine")
    assert store.current().id == model_id and store.warning() is None
    assert parsed((store.folder / "current.json").read_text())["number"] == 1


def test_a_turn_begins_where_what_is_left_of_an_earlier_one_is_nested_deeply(tmp_path, deep):
    deep(tmp_path / "turns" / "00000001", 3000)
    with turn(tmp_path / "turns", "this"):
        pass
    assert (tmp_path / "turns" / "00000002" / "over.json").is_file()


def test_none_of_it_hangs_a_command(workspace, capsys):
    (workspace.path / "models" / "decisions" / str(HIGHEST)).mkdir(parents=True)
    assert main(["models", "list", str(workspace.path)]) == 0
    assert main(["models", "history", str(workspace.path)]) == 0
    assert f"{HIGHEST} damaged or missing" in capsys.readouterr().err


def test_a_reason_of_the_system_is_not_taken_for_ours():
    error = OSError(75, "Value too large for defined data type")
    assert "Check the disk" in durable.cure_for(error)
