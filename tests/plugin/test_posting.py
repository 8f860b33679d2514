"""A disk that refuses a decided frame: it waits on this computer, and is saved without anybody doing anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from gates import Gate
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


@pytest.fixture
def waits(dock, work, saved, monkeypatch):
    """A workspace for which a frame waits on this computer; its disk takes frames again."""
    disk = Refusing(work.dataset.folder)
    monkeypatch.setattr(durable, "disk", disk)
    dock.session.go_to(2)
    saved(dock)
    disk.refusing = False
    return work


@pytest.fixture
def moved(waits, tmp_path):
    """That workspace's folder, now that it was moved."""
    return waits.path.rename(tmp_path / "moved")


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


def test_what_waited_is_saved_when_the_workspace_is_opened_again(dock, waits, qtbot):
    dock.header.open_workspace(waits.path)
    qtbot.waitUntil(lambda: "waited on this computer" in dock.correct.line.text(), timeout=20_000)
    assert len(list(waits.dataset.cases())) == 1


def test_frames_of_a_workspace_that_has_moved_are_saved_once_a_person_agrees(dock, work, moved, qtbot):
    former = work.path
    dock.header.open_workspace(moved)
    bar = dock.moved_bar
    qtbot.waitUntil(lambda: not bar.isHidden(), timeout=20_000)
    assert f"1 frame waits on this computer for this workspace as it was at {former}" in bar.text.text()
    now = dock.session.workspace
    assert list(now.dataset.cases()) == [] and len(Outbox(now.dataset)) == 1
    qtbot.mouseClick(bar.yes, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(Outbox(now.dataset)) == 0 and not dock.postman.busy, timeout=20_000)
    assert len(list(now.dataset.cases())) == 1 and bar.isHidden()


def asked(dock, folder, qtbot):
    """Open it, and wait until the question is there."""
    dock.header.open_workspace(folder)
    qtbot.waitUntil(lambda: not dock.moved_bar.isHidden(), timeout=20_000)
    qtbot.waitUntil(lambda: not dock.postman.busy, timeout=20_000)
    return dock.moved_bar


def test_a_question_that_was_not_answered_is_asked_when_its_workspace_is_open_again(
    dock, moved, qtbot, tmp_path
):
    bar = asked(dock, moved, qtbot)
    dock.header.create_workspace(tmp_path / "other")
    qtbot.waitUntil(lambda: dock.session.workspace.path == tmp_path / "other", timeout=20_000)
    assert bar.isHidden()
    asked(dock, moved, qtbot)
    qtbot.mouseClick(bar.no, Qt.MouseButton.LeftButton)
    dock.postman.try_now()
    qtbot.waitUntil(lambda: not dock.postman.busy, timeout=20_000)
    assert (
        bar.isHidden() and len(Outbox(dock.session.workspace.dataset)) == 1
    )  # who leaves them is left alone


def test_an_answer_while_frames_are_handed_over_is_not_lost(dock, moved, qtbot, monkeypatch):
    gate, bar = Gate(), asked(dock, moved, qtbot)
    gate.hold(monkeypatch, Outbox, "publish", moved, lambda box, **_: box.dataset.folder)
    dock.postman.try_now()
    qtbot.waitUntil(gate.waiting.is_set, timeout=20_000)
    qtbot.mouseClick(bar.yes, Qt.MouseButton.LeftButton)
    gate.open()
    box = Outbox(dock.session.workspace.dataset)
    qtbot.waitUntil(lambda: len(box) == 0 and not dock.postman.busy, timeout=20_000)
    assert len(list(dock.session.workspace.dataset.cases())) == 1 and bar.isHidden()


def test_a_frame_that_a_former_workspace_refuses_is_not_said_to_be_saved(
    dock, work, qtbot, monkeypatch, tmp_path
):
    disk, gate, lines = Refusing(work.dataset.folder), Gate(), []
    gate.hold(monkeypatch, Refusing, "open", work.dataset.folder, lambda _disk, path, *_: path)
    monkeypatch.setattr(durable, "disk", disk)
    dock.accepter.failed.connect(lines.append)
    dock.accepter.saved.connect(lines.append)
    dock.session.go_to(2)
    dock.correct.accept_button.click()
    qtbot.waitUntil(gate.waiting.is_set, timeout=20_000)
    dock.session.create_workspace(tmp_path / "other")
    qtbot.waitUntil(lambda: dock.session.workspace.path == tmp_path / "other", timeout=20_000)
    gate.open()
    qtbot.waitUntil(lambda: bool(lines) and not dock.accepter.busy, timeout=30_000)
    assert lines[0].startswith("Frame 2 waits on this computer and is saved in ws, which was open then")
    assert len(Outbox(work.dataset)) == 1
