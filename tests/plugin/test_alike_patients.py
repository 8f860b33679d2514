"""A patient whose id looks like that of another one in the dataset is asked about before the two are split."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def work(viewer, dock, segment, frames, tmp_path, new_workspace, saved):
    """A cine of which frame 2 was accepted for 000123, and another cine with nobody's name on the table."""
    viewer.add_image(frames, name="first")
    segment(dock)
    new_workspace(dock, tmp_path / "hospital")
    dock.session.go_to(2)
    type_patient(dock, "000123")
    saved(dock)
    viewer.add_image(np.ascontiguousarray(frames[:, ::-1]), name="second")
    state = segment(dock)
    dock.session.go_to(1)
    return state


def type_patient(dock, name):
    dock.correct.patient.setText(name)
    dock.correct.patient.editingFinished.emit()


def keys(dock):
    return [head.patient_key for head in dock.session.workspace.dataset.heads() if head.status != "rejected"]


def accept_for(dock, qtbot, patient):
    """Accept under an id that looks like the one that is there; the question that it raises."""
    type_patient(dock, patient)
    dock.correct.accept_button.click()
    qtbot.waitUntil(lambda: not dock.correct.question.isHidden(), timeout=20_000)
    return dock.correct.question


def settled(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.accepter.busy, timeout=20_000)


@pytest.mark.parametrize(("answer", "patients", "cases"), [("yes", 1, 2), ("no", 2, 2), ("later", 1, 1)])
def test_an_id_that_differs_in_leading_zeros_only_is_asked_about(
    dock, work, saved, qtbot, answer, patients, cases
):
    question = accept_for(dock, qtbot, " 123")
    asked = "the patient 123 and 000123, who is in this dataset, differ in leading zeros only"
    assert asked in question.text.text() and len(keys(dock)) == 1
    getattr(question, answer).click()
    settled(dock, qtbot)
    assert question.isHidden() and (len(set(keys(dock))), len(keys(dock))) == (patients, cases)
    if answer != "later":
        assert dock.correct.patient.text() == {"yes": "000123", "no": "123"}[answer]
        dock.session.go_to(3)
        saved(dock)  # once said, it is known
        assert (len(set(keys(dock))), len(keys(dock))) == (patients, cases + 1)


def test_a_question_about_a_frame_that_was_decided_anew_is_past(dock, work, saved, qtbot):
    question = accept_for(dock, qtbot, "123")
    type_patient(dock, "000123")  # as it had to be, without answering
    saved(dock)
    assert question.isHidden() and len(set(keys(dock))) == 1 and len(keys(dock)) == 2


def test_one_answer_is_for_all_frames_of_the_patient_that_wait(dock, work, qtbot):
    for t in (0, 3):
        work.mask.layer.paint((t, 30, 30), 1)
    type_patient(dock, "123")
    dock.accepter.accept_edits(work)
    settled(dock, qtbot)
    question = dock.correct.question
    question.no.click()
    settled(dock, qtbot)
    assert question.isHidden() and len(keys(dock)) == 3 and len(set(keys(dock))) == 2, question.text.text()


def test_an_answer_after_another_workspace_was_opened_goes_nowhere(
    dock, work, qtbot, new_workspace, tmp_path
):
    question = accept_for(dock, qtbot, "123")
    new_workspace(dock, tmp_path / "another")
    qtbot.waitUntil(lambda: dock.session.workspace.path.name == "another", timeout=20_000)
    assert question.isHidden() and keys(dock) == [], question.text.text()


def test_frames_that_would_be_moved_to_such_an_id_are_told_of_it(dock, work, saved, qtbot):
    saved(dock)
    type_patient(dock, "0123")
    qtbot.waitUntil(lambda: not dock.correct.question.isHidden(), timeout=20_000)
    asked = dock.correct.question.text.text()
    assert "Move it to 0123?" in asked and "in this dataset differs from it in leading zeros only" in asked
