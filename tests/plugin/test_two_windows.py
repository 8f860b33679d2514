"""Two windows on one workspace: each sees the other's work, and neither overwrites it unasked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_lightvessel._dock import LightVesselWidget
from napari_lightvessel._marks import ACCEPTED, PROPOSED

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import sys, numpy as np
from src_training import Dataset, Frame, Origin
dataset = Dataset.open(sys.argv[1])
pixels = np.load(sys.argv[2])
mask = np.zeros(pixels.shape, np.uint8)
mask[10:20, 10:20] = 1
print(dataset.append(Frame(pixels, frame_index=2), mask, Origin(annotator="reader-2")).name)
"""


@pytest.fixture
def windows(make_napari_viewer, segment, frames, tmp_path, qtbot):
    """Two viewers with their docks, the same segmented cine in both, frame 2 in view, and one workspace."""
    docks = []
    for number in range(2):
        viewer = make_napari_viewer()
        dock = LightVesselWidget(viewer)
        viewer.window.add_dock_widget(dock, name="LightVessel", area="right")
        viewer.add_image(frames, name=f"IM5 of {number}")
        segment(dock)
        if number == 0:
            dock.header.create_workspace(tmp_path / "w")
        elif dock.session.workspace is None:
            dock.header.open_workspace(tmp_path / "w")
        qtbot.waitUntil(lambda dock=dock: dock.session.workspace is not None, timeout=20_000)
        qtbot.waitUntil(lambda dock=dock: not dock.recaller.busy and bool(dock.session.state.marks[5].case))
        dock.follower._timer.stop()  # the test looks when it wants to
        dock.session.go_to(2)
        docks.append(dock)
    yield docks
    for dock in docks:
        qtbot.waitUntil(lambda dock=dock: not dock.accepter.busy, timeout=30_000)
        dock.close_session()


def look(dock, qtbot):
    dock.follower.look()
    qtbot.waitUntil(lambda: not dock.follower.busy, timeout=20_000)


def paint(dock, at=(30, 30)):
    dock.session.state.mask.layer.paint((2, *at), 1)


def dataset(dock):
    return dock.session.workspace.dataset


def test_the_other_windows_list_follows_what_is_saved(windows, saved, qtbot):
    mine, other = windows
    paint(mine)
    saved(mine)
    look(other, qtbot)
    state = other.session.state
    assert state.marks[2].status == ACCEPTED and "accepted" in other.correct.frames.words(2)
    assert "rev 1" in other.correct.frames.words(2)
    np.testing.assert_array_equal(state.labels(2), mine.session.state.labels(2))
    assert not state.edited(2)


def test_the_list_follows_without_anybody_doing_anything(windows, saved, qtbot):
    mine, other = windows
    other.follower._timer.setInterval(100)
    other.follower._timer.start()
    paint(mine)
    saved(mine)
    qtbot.waitUntil(lambda: "rev 1" in other.correct.frames.words(2), timeout=20_000)


def test_a_raw_proposal_never_replaces_the_others_work_unasked(windows, saved, qtbot):
    mine, other = windows
    paint(mine)
    saved(mine)
    other.correct.accept_button.click()
    question = other.correct.question
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=20_000)
    assert question.text.text().startswith(
        "IM5 of 1, frame 2 was saved meanwhile: revision 1 by somebody unnamed (accepted)"
    )
    (head,) = dataset(mine).heads()
    assert head.seq == 1 and other.session.state.marks[2].status == PROPOSED
    question.later.click()
    assert dataset(mine).heads() == [head] and dataset(mine).conflicts() == []


def test_looking_at_the_others_mask_shows_it_and_undo_brings_mine_back(windows, saved, qtbot):
    mine, other = windows
    paint(mine)
    saved(mine)
    paint(other, (70, 70))
    painted = other.session.state.labels(2).copy()
    other.correct.accept_button.click()
    qtbot.waitUntil(lambda: not other.correct.question.isHidden(), timeout=20_000)
    other.correct.question.no.click()
    np.testing.assert_array_equal(other.session.state.labels(2), mine.session.state.labels(2))
    assert other.session.state.marks[2].status == ACCEPTED and not other.session.state.edited(2)
    other.session.state.mask.layer.undo()
    np.testing.assert_array_equal(other.session.state.labels(2), painted)
    assert "rev 2" in saved(other), "it was seen, so that it is a correction now"
    assert dataset(mine).conflicts() == []


def test_mine_is_saved_as_a_correction_once_it_was_asked(windows, saved, qtbot):
    mine, other = windows
    paint(mine)
    saved(mine)
    paint(other, (70, 70))
    other.correct.accept_button.click()
    qtbot.waitUntil(lambda: not other.correct.question.isHidden(), timeout=20_000)
    other.correct.question.yes.click()
    qtbot.waitUntil(lambda: "rev 2" in other.correct.line.text(), timeout=20_000)
    (head,) = dataset(mine).heads()
    assert head.mask()[70, 70] == 1 and head.seq == 2 and dataset(mine).conflicts() == []
    assert [one.seq for one in dataset(mine).revisions(head.case)] == [1, 2]


def test_the_same_mask_in_both_is_no_question(windows, saved, qtbot):
    mine, other = windows
    saved(mine)
    assert "rev 1" in saved(other) and other.correct.question.isHidden()


def test_edits_here_stay_when_the_other_saves_and_the_dock_says_so(windows, saved, qtbot):
    mine, other = windows
    paint(other, (70, 70))
    painted = other.session.state.labels(2).copy()
    paint(mine)
    saved(mine)
    look(other, qtbot)
    np.testing.assert_array_equal(other.session.state.labels(2), painted)
    assert other.correct.line.text().startswith(
        "Frame 2 was saved meanwhile by somebody unnamed as revision 1"
    )


def test_a_withdrawal_in_one_window_is_seen_in_the_other(windows, saved, qtbot):
    mine, other = windows
    saved(mine)
    look(other, qtbot)
    mine.correct.withdraw_button.click()
    qtbot.waitUntil(lambda: not mine.correct.take_back.busy, timeout=20_000)
    look(other, qtbot)
    assert other.session.state.marks[2].status == PROPOSED and "withdrawn" in other.correct.frames.words(2)


def test_what_another_process_saves_is_seen_and_asked_about(windows, frames, tmp_path, saved, qtbot):
    mine, other = windows
    np.save(tmp_path / "frame.npy", frames[2])
    words = [sys.executable, "-c", CHILD, str(dataset(mine).folder), str(tmp_path / "frame.npy")]
    done = subprocess.run(
        words,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mine.correct.accept_button.click()
    qtbot.waitUntil(lambda: not mine.correct.question.isHidden(), timeout=20_000)
    assert "revision 1 by reader-2 (accepted)" in mine.correct.question.text.text()
    look(other, qtbot)
    assert (
        other.session.state.labels(2)[10:20, 10:20].all() and other.session.state.marks[2].status == ACCEPTED
    )


def test_what_is_saved_between_the_look_and_the_commit_stands_beside_it(windows, saved, qtbot, monkeypatch):
    """Nobody can be asked any more: a visible conflict, and not a silent correction."""
    mine, other = windows
    paint(mine)
    paint(other, (70, 70))
    data = dataset(mine)
    heads = type(data).case_heads
    asked = []

    def case_heads(self, case):
        found = heads(self, case)
        if self is data and not asked and case == mine.session.state.marks[2].case:
            asked.append(case)
            saved(other)
        return found

    monkeypatch.setattr(type(data), "case_heads", case_heads)
    from napari_lightvessel._appending import append

    save = mine.accepter._prepare(mine.session.state, 2, ACCEPTED, None)
    append(save)(lambda: False)
    monkeypatch.undo()
    (conflict,) = data.conflicts()
    assert len(conflict) == 2
