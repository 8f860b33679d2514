"""An answer is about what stands and is in view when it is given, not about what was when the question came up."""

from __future__ import annotations

import numpy as np
import pytest

UPRIGHT = [[20, 20], [20, 49], [49, 49], [49, 20]]


@pytest.fixture
def work(viewer, work):
    """The same, with a rectangle on the frame."""
    viewer.add_shapes([UPRIGHT], shape_type="rectangle", name="reviewed")
    return work


def settled(dock, qtbot):
    qtbot.waitUntil(lambda: not (dock.accepter.busy or dock.correct.take_back.busy), timeout=30_000)


def heads(dock):
    return [head for head in dock.session.workspace.dataset.heads() if head.status != "rejected"]


def test_the_whole_is_asked_about_while_its_region_is_still_being_saved(dock, work, qtbot):
    dock.correct.accept_drawn_region()
    assert dock.accepter.busy
    dock.accepter.accept()
    assert "accepted inside a region only" in dock.correct.question.text.text()
    settled(dock, qtbot)
    assert (heads(dock)[0].mask() == 255).any()


def test_what_is_painted_while_the_question_stands_is_saved_with_it(dock, work, qtbot):
    dock.correct.accept_drawn_region()
    settled(dock, qtbot)
    dock.accepter.accept()
    work.mask.layer.paint((2, 5, 5), 1)  # what was missing outside
    dock.correct.question.yes.click()
    settled(dock, qtbot)
    (head,) = heads(dock)
    np.testing.assert_array_equal(head.mask(), work.labels(2))
    assert head.mask()[5, 5] == 1


def test_a_question_about_the_whole_is_past_once_the_region_is_accepted_again(dock, work, qtbot):
    dock.correct.accept_drawn_region()
    settled(dock, qtbot)
    dock.accepter.accept()
    assert not dock.correct.question.isHidden()
    dock.correct.accept_drawn_region()
    settled(dock, qtbot)
    assert dock.correct.question.isHidden()


def test_frames_that_were_withdrawn_meanwhile_are_not_moved(dock, work, saved, qtbot):
    saved(dock)
    dock.correct.patient.setText("heart-17")
    dock.correct.patient.editingFinished.emit()
    question = dock.correct.question
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=20_000)
    dock.correct.take_back.withdraw()
    settled(dock, qtbot)
    assert heads(dock) == []
    question.yes.click()
    settled(dock, qtbot)
    assert heads(dock) == [] and "Nothing was moved" in dock.correct.line.text()


def test_an_id_that_was_moved_away_is_asked_about_again(dock, work, saved, qtbot):
    for t, patient in ((2, "0777"), (3, "777")):
        dock.session.go_to(t)
        dock.correct.patient.setText(patient)
        dock.correct.patient.editingFinished.emit()
        if t == 3:  # the first was a slip
            qtbot.waitUntil(lambda: not dock.correct.question.isHidden(), timeout=20_000)
            dock.correct.question.yes.click()
            settled(dock, qtbot)
        else:
            saved(dock)
    dock.correct.patient.setText("0777")
    dock.correct.patient.editingFinished.emit()
    dock.accepter.accept()
    settled(dock, qtbot)
    assert {head.patient_key for head in heads(dock)} == {dock.session.workspace.dataset.key_of("777")}


def test_masks_that_were_begun_as_dark_are_not_said_to_be_bright(viewer, dock, frames, qtbot, monkeypatch):
    from napari_lightvessel import _segmenting
    from src_training import Polarity

    segmenter = dock.segment.segmenter
    viewer.add_image(frames, name="IM5")
    state = dock.session.state
    qtbot.waitUntil(lambda: state.polarity is not None, timeout=20_000)
    monkeypatch.setattr(_segmenting, "polarity_of", lambda cine: Polarity(True, "detected"))
    monkeypatch.setattr(segmenter, "_on", state)
    segmenter._look_at_polarity(state, state.cine)
    qtbot.waitUntil(lambda: state.polarity.bright, timeout=20_000)
    assert not state.inverted
