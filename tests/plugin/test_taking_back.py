"""A decision can be taken back in the dock, and a frame given to its patient: with clicks, as new revisions."""

from __future__ import annotations

import numpy as np
import pytest

from napari_lightvessel import _preferences
from napari_lightvessel._marks import ACCEPTED, PROPOSED
from src_training.dataset.sources import Sources


def type_patient(dock, name):
    dock.correct.patient.setText(name)
    dock.correct.patient.editingFinished.emit()


def standing(dock):
    return [head for head in dock.session.workspace.dataset.heads() if head.status != "rejected"]


def press_withdraw(dock, qtbot):
    qtbot.waitUntil(dock.correct.withdraw_button.isEnabled, timeout=20_000)
    dock.correct.withdraw_button.click()
    qtbot.waitUntil(lambda: not dock.correct.take_back.busy, timeout=20_000)


def test_an_accepted_frame_is_withdrawn_with_one_press(dock, work, saved, qtbot):
    assert not dock.correct.withdraw_button.isEnabled()
    saved(dock)
    mine = work.labels(2).copy()
    assert dock.correct.withdraw_button.isEnabled()
    press_withdraw(dock, qtbot)
    assert standing(dock) == [] and work.marks[2].status == PROPOSED
    assert dock.correct.line.text().startswith(
        "Withdrawn · frame 2"
    ) and "withdrawn" in dock.correct.frames.words(2)
    np.testing.assert_array_equal(work.labels(2), mine)
    (case,) = dock.session.workspace.dataset.cases()
    assert [one.status for one in dock.session.workspace.dataset.revisions(case)] == ["accepted", "rejected"]
    assert not dock.correct.withdraw_button.isEnabled()
    assert "rev 3" in saved(dock) and len(standing(dock)) == 1


def test_a_frame_of_last_time_can_be_withdrawn(viewer, dock, work, saved, frames, qtbot):
    saved(dock)
    viewer.layers.clear()
    viewer.add_image(frames, name="IM5")
    state = dock.session.state
    qtbot.waitUntil(lambda: state.marks[2].status == ACCEPTED, timeout=20_000)
    dock.session.go_to(2)
    press_withdraw(dock, qtbot)
    assert standing(dock) == []


def test_a_patient_typed_after_accept_offers_to_move_what_was_saved_without(dock, work, saved, qtbot):
    saved(dock)
    dock.session.go_to(3)
    saved(dock)
    type_patient(dock, "heart-17")
    question = dock.correct.question
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=20_000)
    assert (
        question.text.text() == "2 frames of IM5 were saved before without a patient. Move them to heart-17?"
    )
    question.yes.click()
    qtbot.waitUntil(lambda: "Moved" in dock.correct.line.text(), timeout=20_000)
    assert len(standing(dock)) == 2 and all(head.patient_key for head in standing(dock))
    assert question.isHidden() and "heart-17" in dock.correct.line.text()
    assert work.marks[2].head.status == "accepted" and dock.correct.withdraw_button.isEnabled()
    known = Sources(dock.session.workspace.dataset).read()
    assert {known[head.case].patient for head in standing(dock)} == {"heart-17"}


def test_leaving_them_moves_nothing_and_the_next_accept_asks_again(dock, work, saved, qtbot):
    saved(dock)
    first = standing(dock)
    type_patient(dock, "heart-17")
    question = dock.correct.question
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=20_000)
    question.no.click()
    assert question.isHidden() and standing(dock) == first
    dock.correct.accept_button.click()
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=20_000)
    assert question.text.text().startswith(
        "IM5, frame 2: this picture was saved before without a patient (case "
    )
    assert "IM5" in question.text.text() and standing(dock) == first


@pytest.mark.parametrize("answer", ["yes", "no", "later"])
def test_accepting_for_a_patient_what_is_there_without_one_asks_before_it_saves(
    viewer, dock, work, saved, frames, qtbot, answer
):
    saved(dock)
    (nameless,) = standing(dock)
    dock.recaller.hold = True  # as in a window that does not know of it
    viewer.layers.clear()
    viewer.add_image(frames, name="IM5")
    type_patient(dock, "heart-17")
    dock.correct.tools["paint"].click()
    dock.session.go_to(2)
    state = dock.session.state
    state.mask.layer.paint((2, 60, 60), 1)
    dock.correct.accept_button.click()
    question = dock.correct.question
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=20_000)
    assert standing(dock) == [nameless] and not state.marks[2].saving
    getattr(question, answer).click()
    qtbot.waitUntil(lambda: not dock.accepter.busy, timeout=20_000)
    cases = {head.case for head in standing(dock)}
    assert (nameless.case in cases, len(cases)) == {"yes": (False, 1), "no": (True, 2), "later": (True, 1)}[
        answer
    ]
    if answer == "yes":
        (head,) = standing(dock)
        assert head.seq == 2 and head.patient_key and head.mask()[60, 60] == 1
        assert dock.session.workspace.dataset.conflicts() == []


@pytest.mark.parametrize("answer", ["yes", "no", "later"])
def test_a_frame_that_is_accepted_meanwhile_is_asked_about_before_those_to_be_moved(
    dock, work, saved, qtbot, answer
):
    saved(dock)
    dock.session.go_to(3)
    saved(dock)
    type_patient(dock, "heart-17")
    question = dock.correct.question
    qtbot.waitUntil(lambda: question.text.text().startswith("2 frames of IM5"), timeout=20_000)
    dock.correct.accept_button.click()
    qtbot.waitUntil(lambda: question.text.text().startswith("IM5, frame 3"), timeout=20_000)
    getattr(question, answer).click()
    left = 2 if answer == "later" else 1
    assert question.text.text().startswith(f"{left} frame") and not question.isHidden()
    qtbot.waitUntil(lambda: not dock.accepter.busy, timeout=20_000)
    question.yes.click()
    qtbot.waitUntil(lambda: "Moved" in dock.correct.line.text(), timeout=20_000)
    assert dock.session.workspace.dataset.conflicts() == [] and question.isHidden()


def test_saved_says_what_was_saved(dock, work, saved, viewer, qtbot):
    assert (
        saved(dock).startswith("Saved · frame 2 · case ")
        and dock.correct.line.text().count("· accepted") == 1
    )
    dock.session.go_to(3)
    assert "· no vessel" in saved(dock, "no_vessel_button")
    dock.session.go_to(4)
    assert "· not evaluable" in saved(dock, "not_evaluable_button")
    dock.session.go_to(1)
    lines = []
    dock.accepter.saved.connect(lines.append)
    viewer.add_shapes([[[20, 20], [20, 49], [49, 49], [49, 20]]], shape_type="rectangle")
    dock.correct.accept_drawn_region()
    qtbot.waitUntil(lambda: bool(lines), timeout=20_000)
    assert "· accepted (region)" in lines[0]


def test_a_name_is_asked_for_once_and_stands_in_every_revision_from_then_on(dock, work, saved, qtbot):
    assert dock.correct.who_button.text() == "unnamed" and dock.correct.name_bar.isHidden()
    saved(dock)
    bar = dock.correct.name_bar
    assert not bar.isHidden()
    bar.reason.setText("somebody@example.org")
    bar.yes.click()
    assert "short pseudonym" in bar.text.text() and not bar.isHidden()
    bar.reason.setText(" reader-3 ")
    bar.yes.click()
    assert bar.isHidden() and dock.correct.who_button.text() == "reader-3"
    dock.session.go_to(3)
    saved(dock)
    assert bar.isHidden()
    names = {head.frame_index: head.annotator for head in standing(dock)}
    assert names == {2: "", 3: "reader-3"}
    press_withdraw(dock, qtbot)
    assert {head.annotator for head in dock.session.workspace.dataset.heads(status="rejected")} == {
        "reader-3"
    }


def test_who_stays_unnamed_is_not_asked_again_and_can_still_choose(dock, work, saved):
    saved(dock)
    dock.correct.name_bar.no.click()
    dock.session.go_to(3)
    saved(dock)
    assert dock.correct.name_bar.isHidden() and _preferences.annotator() == ""
    dock.correct.who_button.click()
    assert not dock.correct.name_bar.isHidden()


def test_a_question_below_the_fold_scrolls_into_sight(viewer, dock, work, saved, qtbot):
    window = viewer.window._qt_window
    window.resize(1366, 560)
    with qtbot.waitExposed(window):
        window.show()
    saved(dock)
    bar = dock.correct.name_bar
    qtbot.waitUntil(lambda: not bar.visibleRegion().isEmpty(), timeout=5_000)
    qtbot.waitUntil(lambda: bar.visibleRegion().boundingRect().height() >= bar.height() - 1, timeout=5_000)


def test_a_mask_that_covers_the_frame_is_not_saved_before_it_was_asked(dock, work, saved, qtbot):
    right = work.labels(2).copy()
    work.mask.replace(2, np.ones_like(right))
    question = dock.correct.question
    for answer in (question.no, question.yes):
        dock.correct.accept_button.click()
        qtbot.waitUntil(lambda: not question.isHidden(), timeout=20_000)
        assert "vessel on 100% of the field. Save it all the same?" in question.text.text()
        assert standing(dock) == [] and not work.marks[2].saving
        answer.click()
    qtbot.waitUntil(lambda: dock.correct.line.text().startswith("Saved · frame 2"), timeout=20_000)
    assert len(standing(dock)) == 1
    work.mask.replace(2, right)
    assert "rev 2" in saved(dock) and "look at its mask again" not in dock.correct.line.text()


def test_a_turned_mask_is_not_saved_in_silence(dock, work, saved):
    work.mask.replace(2, np.ascontiguousarray(np.rot90(work.labels(2))))
    assert "look at its mask again: the picture under it is as beside it" in saved(dock)
