"""Promises of the journal of unaccepted edits: what is kept is there after a crash, and nobody else's is offered."""

from __future__ import annotations

import json
import stat
import sys
from dataclasses import replace

import numpy as np
import pytest

from src_training import durable
from src_training.errors import LightVesselError
from src_training.journal import Journal, JournalFacts, left_behind
from src_training.runs.process import Identity

FACTS = JournalFacts("IM5.dcm", "/somewhere/IM5.dcm", (4, 20, 30), "abc")


def labels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, FACTS.shape[1:]).astype(np.uint8)


@pytest.fixture
def journal(tmp_path):
    return Journal.begin(tmp_path / "unaccepted", FACTS)


def died(journal: Journal) -> Journal:
    """As if the process of this journal had been killed."""
    path = journal.folder / "journal.json"
    record = json.loads(path.read_bytes())
    record["owner"]["started"] -= 1e6
    path.write_text(json.dumps(record))
    return journal


def test_what_is_kept_comes_back_and_what_is_dropped_does_not(journal):
    for t in (3, 0):
        journal.keep(t, labels(t))
    journal.keep(3, labels(9))
    journal.drop(0)
    journal.drop(1)
    again = Journal.open(journal.folder)
    assert again.frames() == [3] and np.array_equal(again.labels(3), labels(9))
    assert replace(again.facts, begun_utc="") == FACTS and again.facts.begun.tzinfo is not None


def test_only_what_a_dead_process_left_is_offered(journal, tmp_path):
    root = tmp_path / "unaccepted"
    journal.keep(1, labels(1))
    assert left_behind(root) == [] and left_behind(tmp_path / "nowhere") == []
    died(journal)
    (found,) = left_behind(root)
    assert found.frames() == [1]
    found.take_over()
    assert left_behind(root) == [] and Journal.open(journal.folder).owner == Identity.of()


def test_another_computers_is_left_alone(journal, tmp_path):
    journal.keep(1, labels(1))
    died(journal)
    path = journal.folder / "journal.json"
    record = json.loads(path.read_bytes())
    record["owner"] |= {"host": "another", "machine": "another", "boot": "another"}
    path.write_text(json.dumps(record))
    assert left_behind(tmp_path / "unaccepted") == [] and path.is_file()


def test_an_empty_one_is_cleared_away(journal, tmp_path):
    died(journal)
    assert left_behind(tmp_path / "unaccepted") == [] and not journal.folder.exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"owner": 3}', '{"owner": {}, "shape": [1, 2]}'])
def test_a_damaged_journal_is_passed_over_and_stays(journal, tmp_path, text):
    journal.keep(1, labels(1))
    (journal.folder / "journal.json").write_text(text)
    with pytest.raises(LightVesselError, match="cannot be read"):
        Journal.open(journal.folder)
    assert left_behind(tmp_path / "unaccepted") == [] and journal.frames() == [1]


def test_a_damaged_frame_is_a_line(journal):
    journal.keep(1, labels(1))
    path = journal.folder / "t00001.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(LightVesselError, match="frame 1 cannot be recovered"):
        journal.labels(1)
    journal.keep(2, labels(2)[:5])
    with pytest.raises(LightVesselError, match="another size"):
        journal.labels(2)
    (journal.folder / "t00044.png").write_bytes(b"")
    assert journal.frames() == [1, 2]  # the cine has four frames


def test_a_frame_that_cannot_be_written_leaves_the_earlier_one(journal, monkeypatch):
    journal.keep(1, labels(1))

    class Full(durable.Disk):
        def sync(self, fd: int) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "disk", Full())
    with pytest.raises(OSError, match="No space"):
        journal.keep(1, labels(2))
    with pytest.raises(OSError, match="No space"):
        journal.take_over()
    assert np.array_equal(journal.labels(1), labels(1))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_only_the_user_can_look_into_it(journal):
    assert stat.S_IMODE(journal.folder.stat().st_mode) == 0o700


def test_discarding_leaves_nothing(journal):
    journal.keep(1, labels(1))
    journal.discard()
    assert not journal.folder.exists()
