"""Promises of a run whose disk is full: it is told truly how it ended, and it can be stopped."""

from __future__ import annotations

import errno
import io
import sys

import pytest
from durable_disks import RefusingDisk, SmallDisk

from src_training import Workspace, durable
from src_training.runs import RunContext, child, recording, reserve
from src_training.training import pausing

PROGRESS = {"event": "progress", "step": 3, "steps": 5, "loss": 0.5}
VALIDATED = {"event": "validated", "step": 3, "metrics": {"dice": 0.5}}
PAUSED = {"event": "log", "message": "paused at step 3: the disk is full"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that has put by what it needs, and does not wait long between its looks."""
    monkeypatch.setattr(recording, "_LOOK_S", 0.01)
    monkeypatch.setattr(pausing, "_LOOK_S", 0.01)
    monkeypatch.setattr(child, "step_back", lambda: None)
    monkeypatch.setattr(child, "_listen", lambda context: None)
    run = Workspace.create(tmp_path / "place").runs._make("selftest", {"steps": 3, "seconds": 0.0}, 1)
    reserve.put_by(run.folder)
    return run


def fill(run, monkeypatch, left=0):
    monkeypatch.setattr(durable, "disk", SmallDisk({run.folder: left}))


def told(run):
    return [event["event"] for event in run.events()[0]]


def test_what_must_last_waits_for_space_and_is_written_in_its_order(run, monkeypatch):
    reserve.release(run.folder)
    context, disk = RunContext(run.folder), RefusingDisk(run.folder, errno.EDQUOT)
    monkeypatch.setattr(durable, "disk", disk)
    for event in (PROGRESS, VALIDATED, PAUSED, {"event": "checkpoint", "step": 3}, PROGRESS):
        context.emit(event)
    assert told(run) == []
    disk.refusing = False
    context.emit(PROGRESS)
    assert told(run) == ["validated", "checkpoint", "progress"]


def test_a_last_word_waits_for_space_rather_than_be_lost(run, monkeypatch):
    class FullForFiveLooks(RefusingDisk):
        looks = 0

        def open(self, path, flags, mode=0o666):
            self.looks += 1
            self.refusing = self.looks <= 5
            return super().open(path, flags, mode)

    monkeypatch.setattr(durable, "disk", FullForFiveLooks(run.folder, errno.ENOSPC))
    context = RunContext(run.folder)
    context.emit({"event": "checkpoint", "step": 3})
    context.emit({"event": "finished", "model_id": None})
    assert told(run) == ["checkpoint", "finished"]


def test_out_of_its_reserve_a_run_tells_that_it_waits_and_how_it_ended(run, monkeypatch):
    fill(run, monkeypatch)
    context = RunContext(run.folder)
    for event in (PROGRESS, PAUSED, VALIDATED, {"event": "cancelled", "message": "stopped"}):
        context.emit(event)
    assert told(run) == ["log", "validated", "cancelled"]
    assert (run.status().status, run.status().message) == ("cancelled", "stopped")


def test_however_long_a_run_has_waited_there_is_space_for_its_last_word(run, monkeypatch):
    fill(run, monkeypatch)
    context = RunContext(run.folder)
    for _hour in range(1000):
        context.emit(PAUSED)
    assert 100 < len(told(run)) < 1000  # the reserve is not spent on these
    for event in (VALIDATED, {"event": "compared", "figures": "x" * 2000}, {"event": "finished"}):
        context.emit(event)
    assert told(run)[-3:] == ["validated", "compared", "finished"]


@pytest.mark.parametrize("asked_by", ["nobody", "a file", "a signal"])
def test_a_run_whose_disk_fills_ends_as_it_ended(run, monkeypatch, asked_by):
    monkeypatch.setattr(child, "_listen", lambda context: asked_by == "a signal" and context.stop.set())
    fill(run, monkeypatch)
    if asked_by == "a file":
        run.cancel()
    assert child.main(run.folder) == (0 if asked_by == "nobody" else 130)
    assert run.status().status == ("finished" if asked_by == "nobody" else "cancelled")
    assert told(run)[0] == "started"
    assert not list(run.folder.glob("reserve"))


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_log_does_not_cost_a_run_its_last_word(run, monkeypatch):
    def broken(settings, context):
        raise ValueError("what nobody foresaw")

    monkeypatch.setattr(child.selftest, "count", broken)
    with io.TextIOWrapper(open("/dev/full", "wb", buffering=0), write_through=True) as log:
        monkeypatch.setattr(sys, "stdout", log)
        monkeypatch.setattr(sys, "stderr", log)
        assert child.main(run.folder) == 1
    assert run.status().status == "failed" and "unexpected ValueError" in run.status().message


def test_a_full_disk_takes_a_cancel_request_from_elsewhere(run, monkeypatch):
    monkeypatch.setattr(durable, "disk", RefusingDisk(run.folder, errno.ENOSPC))
    run.cancel()
    run.cancel()
    assert RunContext(run.folder).cancelled()


def test_a_run_of_an_older_version_can_be_cancelled(run):
    reserve.release(run.folder)
    reserve.ask_to_stop(run.folder)
    assert RunContext(run.folder).cancelled()


def test_a_resumed_run_goes_on_and_can_be_cancelled_again(tmp_path):
    run = Workspace.create(tmp_path / "place").runs.launch("selftest", {"steps": 10_000, "seconds": 1_000})
    run.cancel()
    assert run.wait(timeout=60).status == "cancelled"
    run.resume()
    assert run.status().status in ("queued", "running")
    run.cancel()
    assert run.wait(timeout=60).status == "cancelled"
