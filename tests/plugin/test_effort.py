"""Annotation effort stands in the record as an independent count has it: seconds, strokes, pixels."""

from __future__ import annotations

import numpy as np
import pytest
from canvas_mouse import show, stroke
from stalled_disk import left_by_the_dead

from napari_lightvessel import _effort


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def tick(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(_effort, "now", made)
    return made


@pytest.fixture
def work(viewer, clock, dock, segment, frames, tmp_path, new_workspace, qtbot):
    """A segmented cine with frame 2 in view, and an open workspace; nothing was done on that frame yet."""
    viewer.add_image(frames, name="IM5")
    state = segment(dock)
    new_workspace(dock, tmp_path / "w")
    show(viewer, qtbot)
    state.mask.layer.brush_size = 3
    dock.session.go_to(2)
    dock.correct.tools["paint"].click()
    return state


def last_effort(dock):
    heads = sorted(
        (head for case in dock.session.workspace.dataset.cases()
         for head in dock.session.workspace.dataset.revisions(case)),
        key=lambda head: head.record["created_utc"],
    )  # fmt: skip
    return heads[-1].record["effort"]


def changed(before, after):
    was, is_now = before == 1, after == 1
    return {"pixels_added": int((is_now & ~was).sum()), "pixels_removed": int((was & ~is_now).sum())}


def test_a_first_visit_with_strokes_counts_its_time_strokes_and_pixels(viewer, dock, work, saved, clock):
    proposal = work.labels(2).copy()
    clock.tick(4)
    stroke(viewer, (10, 70), (10, 80))
    clock.tick(5)
    dock.correct.tools["erase"].click()
    stroke(viewer, (40, 30), (60, 60))
    clock.tick(2.5)
    saved(dock)
    told = changed(proposal, work.labels(2))
    assert told["pixels_added"] > 10
    assert last_effort(dock) == {"seconds": 11.5, "strokes": 2, **told}


def test_several_visits_add_up_and_other_frames_take_nothing(viewer, dock, work, saved, clock):
    clock.tick(4)
    stroke(viewer, (10, 70), (10, 80))
    dock.session.go_to(3)
    clock.tick(20)
    stroke(viewer, (12, 70), (12, 80))
    clock.tick(1)
    dock.session.go_to(2)
    clock.tick(6)
    saved(dock)
    assert (last_effort(dock)["seconds"], last_effort(dock)["strokes"]) == (10.0, 1)
    dock.session.go_to(3)
    saved(dock)
    assert (last_effort(dock)["seconds"], last_effort(dock)["strokes"]) == (21.0, 1)


def test_each_revision_holds_the_effort_since_the_one_before(viewer, dock, work, saved, clock):
    clock.tick(4)
    stroke(viewer, (10, 70), (10, 80))
    saved(dock)
    first = work.labels(2).copy()
    clock.tick(7)
    stroke(viewer, (15, 70), (15, 80))
    stroke(viewer, (20, 70), (20, 80))
    clock.tick(1)
    assert "rev 2" in saved(dock)
    assert last_effort(dock) == {"seconds": 8.0, "strokes": 2, **changed(first, work.labels(2))}


def test_a_pause_counts_half_a_minute_at_most(viewer, dock, work, saved, clock):
    clock.tick(3)
    stroke(viewer, (10, 70), (10, 80))
    clock.tick(3600)
    stroke(viewer, (15, 70), (15, 80))
    clock.tick(2)
    saved(dock)
    assert last_effort(dock)["seconds"] == 3 + 30 + 2


def test_time_on_another_cine_is_that_ones(viewer, dock, work, saved, clock, frames):
    clock.tick(4)
    stroke(viewer, (10, 70), (10, 80))
    viewer.add_image(frames[:, ::-1].copy(), name="other")
    clock.tick(9)
    viewer.layers.selection.active = work.mask.layer
    clock.tick(1)
    dock.session.go_to(2)
    saved(dock)
    assert last_effort(dock)["seconds"] == 5.0


def test_no_vessel_is_no_stroke_and_removes_the_proposal(viewer, dock, work, saved, clock):
    proposal = work.labels(2).copy()
    clock.tick(2)
    saved(dock, "no_vessel_button")
    assert last_effort(dock) == {
        "seconds": 2.0, "strokes": 0, "pixels_added": 0, "pixels_removed": int((proposal == 1).sum()),
    }  # fmt: skip


def test_fill_is_one_stroke(viewer, dock, work, saved, clock):
    work.mask.layer.data[2, 5:9, 70:90] = 1
    work.mask.refresh()
    dock.correct.tools["fill"].click()
    stroke(viewer, (6, 80), (7, 80))
    clock.tick(2)
    saved(dock)
    assert last_effort(dock)["strokes"] == 1


def crash(viewer, dock, state, qtbot):
    """What a killed process left, offered to a window that opens the cine again."""
    dock.journalist.look()
    assert dock.journalist.writer.wait(10)
    journal = state.journal.journal
    edits = {t: journal.labels(t) for t in journal.frames()}
    left = left_by_the_dead(journal.facts, edits, {t: journal.story(t) for t in edits})
    dock.session.edits_let_go.emit()
    for t in edits:
        state.mask.put(t, np.zeros_like(edits[t]))
        state.marks[t].baseline = None
    viewer.layers.clear()
    return left


def recover(dock, left, qtbot):
    dock.recoverer._found([left])
    dock.recovery_bar.ask.yes.click()
    qtbot.waitUntil(lambda: not dock.recoverer.busy and not dock.recoverer.waiting, timeout=20_000)


def test_a_recovered_frame_keeps_its_effort_and_counts_from_the_true_proposal(
    viewer, dock, work, saved, clock, frames, qtbot
):
    proposal = work.labels(2).copy()
    clock.tick(4)
    stroke(viewer, (10, 70), (10, 80))
    clock.tick(3)
    left = crash(viewer, dock, work, qtbot)
    clock.tick(500)
    viewer.add_image(frames, name="IM5")
    qtbot.waitUntil(lambda: bool(dock.session.state.fingerprint), timeout=10_000)
    recover(dock, left, qtbot)
    clock.tick(2)
    saved(dock)
    told = last_effort(dock)
    assert told == {
        "seconds": told["seconds"],
        "strokes": 1,
        **changed(proposal, dock.session.state.labels(2)),
    }
    assert 0 < told["pixels_added"] < 100 and 7.0 + 2 <= told["seconds"] <= 7.0 + 30 + 2


def test_a_recovered_correction_of_a_saved_frame_counts_from_what_was_saved_and_asks_nothing(
    viewer, dock, work, saved, clock, frames, qtbot
):
    saved(dock)
    first = work.labels(2).copy()
    stroke(viewer, (10, 70), (10, 80))
    left = crash(viewer, dock, work, qtbot)
    dock.recaller.hold = True
    viewer.add_image(frames, name="IM5")
    dock.session.state.fingerprint = left.facts.fingerprint
    recover(dock, left, qtbot)
    assert "rev 2" in saved(dock)
    told = last_effort(dock)
    assert told["strokes"] == 1 and {**told, **changed(first, dock.session.state.labels(2))} == told


def test_a_decided_frame_whose_edits_are_recovered_is_decided_whichever_is_found_first(
    viewer, dock, work, saved, frames, qtbot
):
    saved(dock, "no_vessel_button")
    stroke(viewer, (10, 70), (10, 80))
    left = crash(viewer, dock, work, qtbot)
    dock.recaller.hold = True
    viewer.add_image(frames, name="IM5")
    dock.session.state.fingerprint = left.facts.fingerprint
    recover(dock, left, qtbot)
    dock.recaller.hold = False
    dock.recaller.look()
    qtbot.waitUntil(lambda: not dock.recaller.busy, timeout=20_000)
    assert dock.correct.frames.words(2) == "no vessel edited"


def test_edits_of_an_older_journal_state_no_pixels_rather_than_wrong_ones(
    viewer, dock, work, saved, frames, qtbot
):
    stroke(viewer, (10, 70), (10, 80))
    left = crash(viewer, dock, work, qtbot)
    for story in left.folder.glob("t*.json"):
        story.unlink()
    viewer.add_image(frames, name="IM5")
    qtbot.waitUntil(lambda: bool(dock.session.state.fingerprint), timeout=10_000)
    recover(dock, left, qtbot)
    saved(dock)
    assert set(last_effort(dock)) == {"seconds", "strokes"}
