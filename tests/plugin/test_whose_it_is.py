"""A text, an answer, a mask and a decision belong to the cine, frame and workspace that they were meant for."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from canvas_mouse import show
from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from stalled_disk import left_by_the_dead

from napari_lightvessel import _preferences
from napari_lightvessel._dock import LightVesselWidget
from napari_lightvessel._marks import ACCEPTED, DECIDED
from napari_lightvessel._menu import open_dock
from napari_lightvessel._recalling import fingerprint_of, standing
from src_training import array_cine, read_cine
from src_training.journal import JournalFacts


@pytest.fixture
def other_pictures(frames):
    return frames[:4, ::-1, ::-1].copy()


def heads(dock):
    return [head for head in dock.session.workspace.dataset.heads() if head.status != "rejected"]


def type_text(field, text):
    """Keys, without Return and with the cursor still in the field."""
    field.clear()
    QTest.keyClicks(field, text)


# -- the patient -------------------------------------------------------------------------------------------


def test_a_patient_can_be_typed_while_frames_are_segmented(dock, work):
    type_text(dock.correct.patient, "heart-17")
    dock.session.marks_changed.emit(work)
    assert dock.correct.patient.text() == "heart-17"


def test_a_patient_that_is_still_being_typed_counts_when_the_frame_is_accepted(dock, work, saved):
    type_text(dock.correct.patient, "heart-17")
    dock.correct.accept_button.clicked.emit()  # as where a button takes no focus
    saved(dock)
    dataset = dock.session.workspace.dataset
    assert {head.patient_key for head in heads(dock)} == {dataset.key_of("heart-17")}


def test_a_patient_that_is_typed_stays_with_its_cine_when_another_opens(viewer, dock, work, other_pictures):
    type_text(dock.correct.patient, "heart-17")
    viewer.add_image(other_pictures, name="IM6")
    assert dock.session.state.patient == "" and dock.correct.patient.text() == ""
    dock.correct.patient.editingFinished.emit()
    assert dock.session.state.patient == "" and work.patient == "heart-17"


def test_cines_that_begin_alike_are_not_one_patients(viewer, dock, work, frames, other_pictures, qtbot):
    both = [pictures[:4].copy() for pictures in (frames, other_pictures)]
    for pictures in both:
        pictures[0] = 0  # blank, as many recordings begin
    viewer.add_image(both[0], name="IM7")
    qtbot.waitUntil(lambda: bool(dock.session.state.fingerprint), timeout=20_000)
    dock.correct.patient.setText("heart-17")
    dock.correct.patient.editingFinished.emit()
    viewer.add_image(both[1], name="IM8")
    qtbot.waitUntil(lambda: bool(dock.session.state.fingerprint), timeout=20_000)
    assert dock.session.state.patient == ""


def test_a_cine_without_a_picture_is_nobodys(viewer, dock, work, qtbot):
    viewer.add_image(np.zeros((4, 32, 32), np.uint8), name="IM7")
    first = dock.session.state
    dock.correct.patient.setText("heart-17")
    dock.correct.patient.editingFinished.emit()
    viewer.add_image(np.zeros((4, 32, 32), np.uint8), name="IM8")
    state = dock.session.state
    assert fingerprint_of(state.cine) == "" and first.patient == "heart-17"
    assert not _preferences.get("patients", {}) and state.patient == ""


def test_a_files_own_patient_comes_before_a_remembered_name(viewer, dock, work, frames, saved, qtbot):
    qtbot.waitUntil(lambda: bool(work.fingerprint), timeout=20_000)
    dock.correct.patient.setText("heart-17")
    dock.correct.patient.editingFinished.emit()
    cine = array_cine(frames, name="IM9", patient_id="000123")
    viewer.add_image(frames, name="IM9", metadata={"lightvessel_cine": cine})
    state = dock.session.state
    qtbot.waitUntil(lambda: bool(state.fingerprint), timeout=20_000)
    assert dock.correct.patient_row.isHidden() and state.patient == ""


# -- answers -----------------------------------------------------------------------------------------------


def test_replace_replaces_the_frame_that_was_asked_about(viewer, dock, work, qtbot):
    work.mask.layer.paint((4, 70, 70), 1)
    mine = work.labels(4).copy()
    dock.segment.frame_button.click()
    assert "Frame 2" in dock.segment.ask.text.text()
    dock.session.go_to(4)
    dock.segment.ask.yes.click()
    qtbot.waitUntil(lambda: not dock.segmenter.busy, timeout=60_000)
    np.testing.assert_array_equal(work.labels(4), mine)


def test_a_question_about_another_cine_names_it_and_looking_again_goes_there(
    viewer, dock, work, other_pictures, qtbot
):
    work.mask.replace(2, np.ones_like(work.labels(2)))
    dock.correct.accept_button.click()
    viewer.add_image(other_pictures, name="IM6")
    question = dock.correct.question
    qtbot.waitUntil(lambda: not question.isHidden(), timeout=20_000)
    assert "IM5" in question.text.text()
    question.no.click()
    assert dock.session.state is work and dock.session.frame == 2


def test_what_was_saved_of_another_cine_is_told_with_its_name(viewer, dock, work, other_pictures, qtbot):
    lines = []
    dock.accepter.saved.connect(lines.append)
    dock.correct.accept_button.click()
    viewer.add_image(other_pictures, name="IM6")
    qtbot.waitUntil(lambda: bool(lines), timeout=20_000)
    assert "IM5" in dock.correct.line.text()


# -- masks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"translate": (0, 5, 9)},
        {"translate": (1, 0, 0)},
        {"scale": (1, 2, 2)},
        {"rotate": 10.0},
        {"affine": 2},
    ],
)
def test_a_mask_cannot_be_moved_off_its_picture(dock, work, change):
    ((name, value),) = change.items()
    if name == "affine":
        value = np.eye(4)
        value[1, 3] = 7
    setattr(work.mask.layer, name, value)
    point = (2.0, 40.0, 50.0)
    np.testing.assert_allclose(work.mask.layer.data_to_world(point), work.image.data_to_world(point))


def test_a_mask_that_is_not_seen_is_not_accepted(viewer, dock, work, qtbot):
    work.mask.layer.visible = False
    assert not dock.correct.accept_button.isEnabled()
    assert "IM5 vessels is hidden" in dock.correct.accept_button.toolTip()
    dock.accepter.accept()
    assert not dock.accepter.busy and "hidden" in dock.correct.line.text()
    work.mask.layer.visible = True
    assert dock.correct.accept_button.isEnabled() and dock.correct.line.text() == ""


def test_a_mask_that_was_taken_out_is_not_accepted_by_key(viewer, dock, work):
    viewer.layers.remove(work.mask.layer)
    dock.accepter.accept()
    assert not dock.accepter.busy and heads(dock) == []


def test_a_withdrawn_frame_keeps_its_corrected_mask(dock, work, saved, settle, segment, qtbot):
    saved(dock)
    mine = work.labels(2).copy()
    dock.correct.withdraw_button.click()
    qtbot.waitUntil(lambda: not dock.correct.take_back.busy, timeout=20_000)
    dock.segment.threshold.setValue(0.9)
    settle(lambda: not np.array_equal(work.labels(3), 0))
    segment(dock)
    np.testing.assert_array_equal(work.labels(2), mine)


def test_frames_that_are_found_for_a_cine_that_was_closed_bring_no_layer(viewer, dock, work, saved):
    saved(dock)
    (head,) = heads(dock)
    found = standing(dock.session.workspace.dataset, 2, head.case)
    viewer.layers.clear()
    work.marks[2].seen = frozenset()
    dock.recaller.take(work, found)
    assert len(viewer.layers) == 0


def test_a_copy_of_our_mask_is_no_second_cine(viewer, dock, work):

    copy = Layer.create(*work.mask.layer.as_layer_data_tuple())
    copy.name = "copy"
    viewer.layers.append(copy)
    dock.close_session()
    again = LightVesselWidget(viewer)
    assert again.session.states() == [work]
    again.close_session()


# -- decisions ---------------------------------------------------------------------------------------------


def test_two_decisions_in_quick_succession_are_two_revisions_with_their_own_effort(dock, work, qtbot):
    asked = []
    dock.accepter.asks.connect(asked.append)
    work.marks[2].seconds = 50.0
    dock.correct.accept_button.click()
    work.mask.layer.paint((2, 60, 60), 1)
    dock.accepter.accept()
    qtbot.waitUntil(lambda: not dock.accepter.busy, timeout=30_000)
    assert asked == []
    (case,) = dock.session.workspace.dataset.cases()
    first, second = dock.session.workspace.dataset.revisions(case)
    assert first.sha in str(second.record)
    assert first.record["effort"]["strokes"] == second.record["effort"]["strokes"] == 1
    assert first.record["effort"]["seconds"] >= 50 > second.record["effort"]["seconds"]
    assert second.record["effort"]["pixels_added"] < first.record["effort"]["pixels_added"] + 60


def test_what_is_decided_in_one_workspace_is_not_said_of_another(dock, work, saved, tmp_path, qtbot):
    saved(dock)
    mine = work.labels(2).copy()
    first = dock.session.workspace.path
    dock.header.create_workspace(tmp_path / "other")
    qtbot.waitUntil(lambda: dock.session.workspace.path != first, timeout=20_000)
    qtbot.waitUntil(lambda: not dock.recaller.busy, timeout=20_000)
    assert work.marks[2].status not in DECIDED and "accepted" not in dock.correct.frames.words(2)
    assert "rev" not in dock.correct.frames.words(2) and not dock.correct.withdraw_button.isEnabled()
    np.testing.assert_array_equal(work.labels(2), mine)
    dock.segment.threshold.setValue(0.9)
    np.testing.assert_array_equal(work.labels(2), mine)
    assert "rev 1" in saved(dock)
    dock.header.open_workspace(first)
    qtbot.waitUntil(lambda: dock.session.workspace.path == first, timeout=20_000)
    qtbot.waitUntil(lambda: work.marks[2].status == ACCEPTED, timeout=20_000)


def test_a_closed_dock_accepts_nothing(viewer, dock, work, qtbot):
    path = dock.session.workspace
    layer = work.mask.layer
    viewer.layers.selection.active = layer
    dock.close_session()
    next(act for key, act in layer.keymap.items() if str(key) == "A")(layer)
    dock.keys._press_accept()
    viewer.theme = "light"
    layer.paint((2, 50, 50), 1)
    assert not dock.accepter.busy and path.dataset.heads() == []


def test_a_key_accepts_nothing_while_the_dock_is_out_of_sight(make_napari_viewer, frames, tmp_path, qtbot):
    viewer = make_napari_viewer()
    show(viewer, qtbot)
    panel, dock = viewer.window.add_plugin_dock_widget("napari-lightvessel", "LightVessel")
    viewer.add_image(frames, name="IM5")
    dock.correct.use_tool("paint")
    dock.session.state.mask.layer.paint((dock.session.frame, 30, 30), 1)
    dock.header.create_workspace(tmp_path / "w")
    qtbot.waitUntil(lambda: dock.session.workspace is not None, timeout=20_000)
    canvas = viewer.window._qt_viewer.canvas.native
    panel.close()
    QTest.keyClick(canvas, Qt.Key.Key_A)
    assert not dock.accepter.busy and heads(dock) == []
    open_dock(viewer)
    qtbot.waitUntil(dock.isVisible, timeout=10_000)
    QTest.keyClick(canvas, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: len(heads(dock)) == 1 and not dock.accepter.busy, timeout=20_000)
    dock.close_session()


# -- what a crash left -------------------------------------------------------------------------------------


def test_edits_do_not_come_back_onto_another_file_of_that_name(viewer, dock, frames, tmp_path, qtbot):
    """``IM0`` of another disc, of the same size and length."""
    file = tmp_path / "IM0.tif"
    tifffile.imwrite(file, frames, photometric="minisblack")
    facts = JournalFacts("IM0.tif", str(file), frames.shape, fingerprint_of(read_cine(file)))
    gone = left_by_the_dead(facts, {1: np.ones(frames.shape[1:], np.uint8)})
    tifffile.imwrite(file, frames[:, ::-1], photometric="minisblack")
    dock.recoverer._found([gone])
    dock.recovery_bar.ask.yes.click()
    line = dock.recovery_bar.line
    qtbot.waitUntil(lambda: "shows other pictures than the edits were made on" in line.text(), timeout=20_000)
    assert dock.session.state.edited_frames() == [] and gone.frames() == [1]
    assert not dock.recovery_bar.ask.isHidden()


def test_edits_are_kept_with_what_tells_their_cine_from_others(dock, work, qtbot):
    qtbot.waitUntil(lambda: bool(work.fingerprint), timeout=20_000)
    known, work.fingerprint = work.fingerprint, ""
    work.journal = None
    entry = dock.journalist._entry_of(work)
    work.fingerprint = known  # it takes a while until it is found
    assert dock.journalist._entry_of(work) is entry and entry.facts.fingerprint == known
