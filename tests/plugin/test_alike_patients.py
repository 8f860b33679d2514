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


@pytest.mark.parametrize("answer", ["yes", "no", "later"])
def test_an_id_that_differs_in_leading_zeros_only_is_asked_about(dock, work, saved, qtbot, answer):
    question = dock.correct.question
    type_patient(dock, " 123")
    dock.correct.accept_button.click()
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=20_000)
    assert "the patient 123 and one in this dataset differ in leading zeros only" in question.text.text()
    assert len(keys(dock)) == 1
    getattr(question, answer).click()
    assert question.isHidden()
    if answer == "yes":
        qtbot.waitUntil(lambda: "Saved" in dock.correct.line.text(), timeout=20_000)
        assert len(set(keys(dock))) == len(keys(dock)) == 2
        dock.session.go_to(3)
        saved(dock)  # once said, it is known
        assert len(set(keys(dock))) == 2 and len(keys(dock)) == 3
    else:
        assert len(keys(dock)) == 1
        type_patient(dock, "000123")
        saved(dock)
        assert len(set(keys(dock))) == 1 and len(keys(dock)) == 2


def test_frames_that_would_be_moved_to_such_an_id_are_told_of_it(dock, work, saved, qtbot):
    saved(dock)
    type_patient(dock, "0123")
    qtbot.waitUntil(lambda: not dock.correct.question.isHidden(), timeout=20_000)
    asked = dock.correct.question.text.text()
    assert "Move it to 0123?" in asked and "in this dataset differs from it in leading zeros only" in asked
