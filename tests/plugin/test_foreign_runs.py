"""Runs of another computer, in a received or a shared workspace: what they are is told, and a person can end them."""

from __future__ import annotations

import json
import os
import time

import pytest
from qtpy.QtCore import Qt

from src_training import Workspace
from src_training.runs.process import Identity

NAMES = {"now": "20260101T000000Z-finetune-abcdef", "in the future": "20460101T000000Z-finetune-abcdef"}
ELSEWHERE = Identity("ward-7", "boot", 4, 1.0, machine="another machine", space="x")


def started(folder, name: str):
    """A run that was begun on another computer, and says something this moment."""
    run = Workspace.create(folder).path / "runs" / name
    run.mkdir(parents=True)
    (run / "config.json").write_text('{"kind":"finetune","settings":{}}')
    (run / "process.json").write_text(json.dumps(ELSEWHERE.to_json()))
    events = [{"event": "started", "steps": 200}, {"event": "progress", "step": 17, "steps": 200}]
    (run / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return run


@pytest.mark.parametrize("dated", NAMES)
def test_the_second_cancel_ends_a_run_of_another_computer(dock, tmp_path, qtbot, dated):
    run = started(tmp_path / "shared", NAMES[dated])
    dock.header.open_workspace(tmp_path / "shared")
    cancel, line = dock.train.cancel_button, dock.train.line
    qtbot.waitUntil(lambda: dock.train.run_text.text().startswith("step 17/200"), timeout=20_000)
    qtbot.mouseClick(cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "cancel it once more: then it is ended here" in line.text(), timeout=20_000)
    assert "asked to stop; it is on another computer, ward-7" in line.text()
    assert not dock.trainer.view.over and not cancel.isHidden()  # asked, and no more than that
    assert "cancelled" not in (run / "events.jsonl").read_text()

    qtbot.mouseClick(cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.trainer.view.over, timeout=20_000)
    assert dock.trainer.view.state.status == "cancelled" and cancel.isHidden()
    assert "ended by a person: no sign of life" in dock.train.verdict.text()  # it may go on over there
    assert json.loads((run / "events.jsonl").read_text().splitlines()[-1])["event"] == "cancelled"
    assert not dock.train.resume_button.isHidden() and dock.train.line.text() == ""


def test_signs_of_life_in_the_future_are_none(dock, tmp_path, qtbot):
    run = started(tmp_path / "shared", NAMES["now"])
    ahead = time.time() + 5 * 365 * 86_400
    os.utime(run / "events.jsonl", (ahead, ahead))
    dock.header.open_workspace(tmp_path / "shared")
    qtbot.waitUntil(lambda: "a date in the future" in dock.train.verdict.text(), timeout=20_000)
    assert dock.train.run_text.text().startswith("interrupted") and not dock.train.resume_button.isHidden()


@pytest.mark.parametrize("what", ["a link", "a pipe"])
def test_a_run_whose_events_are_none_is_not_said_to_be_killed(dock, tmp_path, qtbot, what):
    run = started(tmp_path / "received", NAMES["now"])
    (run / "process.json").unlink()
    events = run / "events.jsonl"
    events.unlink()
    if what == "a link":
        (tmp_path / "mine").write_text("{}")
        events.symlink_to(tmp_path / "mine")
    elif hasattr(os, "mkfifo"):
        os.mkfifo(events)
    else:
        pytest.skip("no pipes here")
    dock.header.open_workspace(tmp_path / "received")
    qtbot.waitUntil(
        lambda: "events.jsonl is damaged. Start a new run." in dock.train.verdict.text(), timeout=20_000
    )
