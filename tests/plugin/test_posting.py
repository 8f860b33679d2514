"""A disk that refuses a decided frame: it waits on this computer, and is saved without anybody doing anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from qtpy.QtCore import Qt

from src_training import durable
from src_training.dataset.outbox import Outbox


class Refusing(durable.Disk):
    """No room below ``root`` while ``refusing``."""

    def __init__(self, root: Path) -> None:
        self.root, self.refusing = root, True

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        if self.refusing and self.root in path.parents:
            raise OSError(28, os.strerror(28))
        return super().open(path, flags, mode)


@pytest.fixture
def work(viewer, dock, segment, frames, new_workspace, tmp_path):
    """A segmented cine and an open workspace."""
    viewer.add_image(frames, name="IM5")
    segment(dock)
    return new_workspace(dock, tmp_path / "ws")


def test_a_refused_frame_waits_and_is_saved_when_there_is_room(dock, work, saved, qtbot, monkeypatch):
    disk = Refusing(work.dataset.folder)
    monkeypatch.setattr(durable, "disk", disk)
    dock.session.go_to(2)
    line = saved(dock)
    assert "Frame 2 waits on this computer" in line and "Free some space" in line
    state = dock.session.state
    assert state.marks[2].status == "accepted" and "waits here" in dock.correct.frames.words(2)
    assert not state.edited(2) and len(Outbox(work.dataset)) == 1
    disk.refusing = False
    dock.session.go_to(3)
    assert saved(dock).startswith("Saved · frame 3")
    qtbot.waitUntil(lambda: len(Outbox(work.dataset)) == 0 and not dock.postman.busy, timeout=20_000)
    qtbot.waitUntil(lambda: "rev 1" in dock.correct.frames.words(2), timeout=10_000)
    assert len(list(work.dataset.cases())) == 2


def test_what_waited_is_saved_when_the_workspace_is_opened_again(dock, work, saved, qtbot, monkeypatch):
    disk = Refusing(work.dataset.folder)
    monkeypatch.setattr(durable, "disk", disk)
    dock.session.go_to(2)
    saved(dock)
    disk.refusing = False
    dock.header.open_workspace(work.path)
    qtbot.waitUntil(lambda: "waited on this computer" in dock.correct.line.text(), timeout=20_000)
    assert len(list(work.dataset.cases())) == 1


def test_frames_of_a_workspace_that_has_moved_are_saved_once_a_person_agrees(
    dock, work, saved, qtbot, monkeypatch, tmp_path
):
    disk = Refusing(work.dataset.folder)
    monkeypatch.setattr(durable, "disk", disk)
    dock.session.go_to(2)
    saved(dock)
    disk.refusing = False
    former = work.path
    former.rename(tmp_path / "moved")
    dock.header.open_workspace(tmp_path / "moved")
    bar = dock.moved_bar
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=20_000)
    assert f"1 frame waits on this computer for this workspace as it was at {former}" in bar.text.text()
    now = dock.session.workspace
    assert list(now.dataset.cases()) == [] and len(Outbox(now.dataset)) == 1
    qtbot.mouseClick(bar.yes, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(Outbox(now.dataset)) == 0 and not dock.postman.busy, timeout=20_000)
    assert len(list(now.dataset.cases())) == 1 and bar.isHidden()
