"""Correct: a person's decisions become durable revisions, and are never lost or overwritten."""

from __future__ import annotations

import numpy as np
import pytest

from napari_lightvessel._cine_state import CineState
from napari_lightvessel._closing import AskBeforeClosing
from napari_lightvessel._marks import ACCEPTED, NO_VESSEL, NOT_EVALUABLE, PROPOSED
from src_training import Workspace
from src_training.errors import DatasetError


@pytest.fixture
def work(viewer, dock, segment, frames, tmp_path, new_workspace):
    """A segmented cine and an open workspace."""
    viewer.add_image(frames, name="IM5")
    state = segment(dock)
    new_workspace(dock, tmp_path / "hospital")
    dock.session.go_to(2)
    _paint(state, 2)
    return state


def _paint(state, t, at=(30, 30), label=1):
    state.mask.layer.paint((t, *at), label)


def test_accept_needs_a_workspace_and_says_so(viewer, dock, segment, frames):
    viewer.add_image(frames)
    segment(dock)
    assert not dock.correct.accept_button.isEnabled()
    assert "Needs a workspace" in dock.correct.accept_button.toolTip()


def test_accept_is_durable_when_it_says_saved(dock, work, saved):
    said = saved(dock)
    assert said.startswith("Saved · frame 2 · case ")
    again = Workspace.open(dock.session.workspace.path)
    (head,) = again.dataset.heads(status="accepted")
    np.testing.assert_array_equal(head.mask(), work.labels(2))
    assert head.text in said and head.frame_index == 2
    assert work.marks[2].status == ACCEPTED and not work.edited(2)


def test_saved_is_not_said_before_it_is_durable(dock, work, qtbot, monkeypatch):
    said = []
    dock.accepter.saving.connect(
        lambda line: said.append((line, len(dock.session.workspace.dataset.heads())))
    )
    dock.accepter.saved.connect(lambda line: said.append((line, len(dock.session.workspace.dataset.heads()))))
    dock.correct.accept_button.click()
    assert dock.correct.line.text() == "saving frame 2…" and "saving…" in dock.correct.frames.words(2)
    qtbot.waitUntil(lambda: not dock.accepter.busy, timeout=30_000)
    assert [n for _, n in said] == [0, 1] and said[1][0].startswith("Saved")


def test_a_failed_save_is_one_line_and_the_frame_stays_open(dock, work, saved, monkeypatch):
    def refuse(*_args, **_more):
        raise DatasetError("dataset: its files are damaged. Restore them, then accept again.")

    monkeypatch.setattr(type(dock.session.workspace.dataset), "save", refuse)
    assert (
        saved(dock)
        == "Frame 2 is not saved. dataset: its files are damaged. Restore them, then accept again."
    )
    assert work.marks[2].status == PROPOSED and work.edited(2)


def test_unsure_pixels_are_stored_as_ignore(dock, work, saved):
    _paint(work, 2, (60, 60), label=2)
    saved(dock)
    mask = dock.session.workspace.dataset.heads()[0].mask()
    assert mask[60, 60] == 255 and mask[30, 30] == 1


def test_another_label_is_refused_with_the_cure(dock, work, saved):
    _paint(work, 2, (60, 60), label=7)
    assert saved(dock) == "Frame 2 holds label 7. Use 1 for vessel and 2 for unsure."


def test_accept_region_leaves_the_rest_unreviewed(viewer, dock, work, qtbot):
    viewer.add_shapes([[[20, 20], [20, 49], [49, 49], [49, 20]]], shape_type="rectangle", name="any name")
    dock.correct.accept_drawn_region()
    qtbot.waitUntil(lambda: not dock.accepter.busy, timeout=30_000)
    mask = dock.session.workspace.dataset.heads()[0].mask()
    np.testing.assert_array_equal(mask[20:50, 20:50], work.labels(2)[20:50, 20:50])
    outside = mask.copy()
    outside[20:50, 20:50] = 255
    assert (outside == 255).all()
    assert "accepted (region)" in dock.correct.frames.words(2)


def test_a_region_of_a_scaled_layer_is_in_its_own_pixels(
    viewer, dock, segment, saved, qtbot, frames, tmp_path, new_workspace
):
    viewer.add_image(frames[0], scale=(0.5, 0.5), translate=(10, 0))
    segment(dock)
    dock.session.state.mask.layer.paint((30, 30), 1)
    new_workspace(dock, tmp_path / "w")
    viewer.add_shapes([[[20, 10], [20, 24], [34, 24], [34, 10]]], shape_type="rectangle")
    dock.correct.accept_drawn_region()
    qtbot.waitUntil(lambda: not dock.accepter.busy, timeout=30_000)
    rows, columns = np.nonzero(dock.session.workspace.dataset.heads()[0].mask() != 255)
    assert (rows.min(), columns.min()) == (20, 20) and 48 <= rows.max() <= 49


def test_accepting_a_region_without_a_rectangle_starts_one(viewer, dock, work):
    dock.correct.accept_drawn_region()
    assert viewer.layers.selection.active.mode == "add_rectangle"
    assert "Draw around what you reviewed" in dock.correct.line.text()


def test_a_rectangle_outside_the_frame_is_refused(viewer, dock, work):
    viewer.add_shapes([[[500, 500], [500, 600], [600, 600], [600, 500]]], shape_type="rectangle")
    dock.correct.accept_drawn_region()
    assert "outside the frame" in dock.correct.line.text()


def test_no_vessel_empties_the_mask_and_undo_brings_it_back(dock, work, saved):
    mine = work.labels(2).copy()
    saved(dock, "no_vessel_button")
    assert work.marks[2].status == NO_VESSEL and not work.labels(2).any()
    assert dock.session.workspace.dataset.heads(status="no_vessel")[0].mask().max() == 0
    work.mask.layer.undo()
    np.testing.assert_array_equal(work.labels(2), mine)
    assert work.edited(2)


def test_not_evaluable_is_recorded_without_any_judged_pixel(dock, work, saved):
    saved(dock, "not_evaluable_button")
    (head,) = dock.session.workspace.dataset.heads(status="not_evaluable")
    assert (head.mask() == 255).all() and work.marks[2].status == NOT_EVALUABLE


def test_accepting_again_makes_a_second_revision_of_the_case(dock, work, saved):
    saved(dock)
    _paint(work, 2, (70, 70))
    assert "rev 2" in saved(dock)
    assert len(list(dock.session.workspace.dataset.cases())) == 1


def test_an_accepted_frame_is_never_overwritten_by_a_prediction(dock, work, segment, saved):
    saved(dock)
    mine = work.labels(2).copy()
    dock.segment.threshold.setValue(0.05)
    segment(dock)
    np.testing.assert_array_equal(work.labels(2), mine)


def test_edited_follows_undo_and_redo_even_on_another_frame(viewer, dock, work):
    assert work.edited_frames() == [2]
    dock.session.go_to(4)
    work.mask.layer.undo()
    assert work.edited_frames() == []
    work.mask.layer.redo()
    assert work.edited_frames() == [2]


def test_the_list_marks_edited_frames(dock, work, qtbot):
    qtbot.waitUntil(lambda: "edited" in dock.correct.frames.words(2), timeout=5_000)
    assert dock.correct.frames.words(3) == "proposed"


def test_next_goes_to_the_next_frame_that_waits(dock, work, saved):
    saved(dock)
    dock.correct.next_button.click()
    assert dock.session.frame == 3
    dock.session.go_to(1)
    dock.correct.next_button.click()
    assert dock.session.frame == 3


def test_effort_and_origin_stand_in_the_record(dock, work, saved):
    saved(dock)
    head = dock.session.workspace.dataset.heads()[0]
    record = head.record if isinstance(head.record, dict) else head.record.model_dump()
    assert record["model_id"] == dock.session.model.id
    assert record["effort"]["pixels_added"] > 0 and record["effort"]["strokes"] >= 1


def test_patient_is_asked_for_and_unknown_means_train_only(dock, work, saved):
    assert not dock.correct.patient_row.isHidden()
    assert "patient unknown: used for training only" in saved(dock)
    assert dock.session.workspace.dataset.heads()[0].bucket == "train"


def test_a_given_pseudonym_makes_a_key_and_is_not_stored(dock, work, saved):
    dock.correct.patient.setText("heart-17")
    dock.correct.patient.editingFinished.emit()
    assert "unknown" not in saved(dock)
    assert dock.session.workspace.dataset.heads()[0].patient_key
    stored = [p.read_bytes() for p in dock.session.workspace.path.rglob("*") if p.is_file()]
    assert not any(b"heart-17" in content or b"IM5" in content for content in stored)


def test_a_picture_that_is_there_under_another_patient_is_told_as_it_is_saved(dock, work, saved, qtbot):
    assert "under another patient" not in saved(dock)
    first = dock.session.workspace.dataset.heads()[0].case
    dock.correct.patient.setText("heart-17")
    dock.correct.patient.editingFinished.emit()
    for press in (
        lambda: None,
        dock.correct.accept_button.click,
    ):  # it is offered to move it, and asked again
        press()
        qtbot.waitUntil(lambda: not dock.correct.question.isHidden(), timeout=30_000)
        dock.correct.question.no.click()
    qtbot.waitUntil(lambda: "under another patient" in dock.correct.line.text(), timeout=30_000)
    assert f"(case {first})" in dock.correct.line.text()
    assert {head.case for head in dock.session.workspace.dataset.heads()} > {first}


def test_the_keys_work_on_our_layer_and_nowhere_else(viewer, dock, work, frames):
    from napari.layers import Labels

    other = viewer.add_labels(np.zeros(frames.shape, np.uint8), name="someone else's")
    ours = {str(key) for key in work.mask.layer.keymap}
    assert {"A", "N", ",", "."} <= ours
    assert not {"A", "N", ",", "."} & {str(key) for key in other.keymap}
    assert not {"A", "N"} & {str(key) for key in Labels.class_keymap}


def test_pressing_a_accepts_with_the_cine_selected_and_else_says_why_not(viewer, dock, work, qtbot, frames):
    viewer.add_labels(np.zeros(frames.shape, np.uint8), name="someone else's")
    _press(viewer, "A")
    assert not dock.accepter.busy and work.marks[2].status == PROPOSED
    assert dock.correct.line.text().startswith("Nothing was accepted: someone else's is selected.")
    _press(viewer, ".")
    assert dock.session.frame == 3
    dock.session.go_to(2)
    viewer.layers.selection.active = work.image
    _press(viewer, "A")
    qtbot.waitUntil(lambda: work.marks[2].status == ACCEPTED, timeout=30_000)
    _press(viewer, ".")
    assert dock.session.frame == 3
    _press(viewer, ",")
    assert dock.session.frame == 2


def test_key_a_accepts_the_frame_of_its_own_layer_when_the_image_is_gone(viewer, dock, work, qtbot, frames):
    other = viewer.add_image(frames[:, ::-1].copy(), name="other")
    viewer.layers.remove(work.image)
    viewer.layers.selection.active = work.mask.layer
    dock.session.go_to(2)
    _press(viewer, "A")
    qtbot.waitUntil(lambda: work.marks[2].status == ACCEPTED, timeout=30_000)
    (head,) = dock.session.workspace.dataset.heads()
    assert head.frame_index == 2
    np.testing.assert_array_equal(head.mask(), work.labels(2))
    np.testing.assert_array_equal(head.image(), frames[2])
    viewer.layers.selection.active = other
    assert not any(mark.decided for mark in dock.session.state.marks)


def test_key_a_on_a_layer_of_another_cine_accepts_nothing(viewer, dock, work, frames):
    layer = work.mask.layer
    viewer.layers.selection.active = viewer.add_image(frames[:, ::-1].copy(), name="other")
    dock.segment.cine_button.click()
    next(act for key, act in layer.keymap.items() if str(key) == "A")(layer)
    assert not dock.accepter.busy and dock.session.workspace.dataset.heads() == []
    assert dock.correct.line.text().startswith("IM5 vessels is no mask of the cine above")


@pytest.mark.parametrize("button", ["accept_button", "no_vessel_button", "not_evaluable_button"])
def test_a_frame_that_is_not_on_screen_is_not_decided(viewer, dock, work, frames, button):
    viewer.add_image(np.tile(frames, (2, 1, 1)), name="long")
    viewer.layers.selection.active = work.mask.layer
    viewer.dims.set_current_step(0, 9)
    assert not getattr(dock.correct, button).isEnabled()
    assert "No frame of IM5 is in view" in getattr(dock.correct, button).toolTip()
    _press(viewer, "A")
    assert not dock.accepter.busy and "frames 0 to 5" in dock.correct.line.text()
    _press(viewer, ".")
    assert dock.session.frame == 0 and getattr(dock.correct, button).isEnabled()


def test_frames_of_replaced_pixels_are_saved_with_the_new_ones(viewer, dock, work, saved, frames):
    work.image.data = 255 - frames
    assert saved(dock).startswith("Saved · frame 2")
    np.testing.assert_array_equal(dock.session.workspace.dataset.heads()[0].image(), 255 - frames[2])


def test_edits_of_replaced_pixels_of_another_size_are_refused(viewer, dock, work, frames):
    work.image.data = np.tile(frames, (2, 1, 1))
    viewer.layers.selection.active = work.mask.layer
    assert "other pixels" in dock.correct.accept_button.toolTip()
    _press(viewer, "A")
    assert not dock.accepter.busy and dock.session.workspace.dataset.heads() == []


@pytest.mark.parametrize("label", [3, 7])
@pytest.mark.parametrize("over", ["background", "vessel"])
def test_a_label_of_any_number_is_an_edit(viewer, dock, work, segment, label, over):
    y, x = np.argwhere(work.labels(4) == (over == "vessel"))[0]
    _paint(work, 4, (int(y), int(x)), label=label)
    mine = work.labels(4).copy()
    assert work.edited_frames() == [2, 4]
    dock.segment.threshold.setValue(0.05)
    segment(dock)
    np.testing.assert_array_equal(work.labels(4), mine)


def test_accepted_frames_are_full_again_after_their_layer_was_removed(viewer, dock, work, segment, saved):
    saved(dock)
    mine = work.labels(2).copy()
    viewer.layers.remove(work.mask.layer)
    segment(dock)
    np.testing.assert_array_equal(work.labels(2), mine)
    assert work.edited_frames() == [] and work.area_px[2] == (mine == 1).sum()
    assert dock.correct.frames.words(2).startswith("accepted") and "edited" not in dock.correct.frames.words(
        2
    )


def _press(viewer, key):
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    keys = {"A": Qt.Key.Key_A, ".": Qt.Key.Key_Period, ",": Qt.Key.Key_Comma}
    QTest.keyClick(viewer.window._qt_viewer.canvas.native, keys[key])


def test_tools_are_naparis_own_on_our_layer(viewer, dock, work):
    dock.correct.tools["erase"].click()
    assert viewer.layers.selection.active is work.mask.layer and work.mask.layer.mode == "erase"
    work.mask.layer.mode = "fill"
    assert dock.correct.tools["fill"].isChecked()
    dock.correct.unsure_button.click()
    assert work.mask.layer.selected_label == 2


def test_one_can_paint_from_empty_without_a_model(viewer, dock, saved, frames, tmp_path, new_workspace):
    viewer.add_image(frames)
    new_workspace(dock, tmp_path / "w")
    dock.correct.tools["paint"].click()
    state = dock.session.state
    state.mask.layer.paint((dock.session.frame, 20, 20), 1)
    assert saved(dock).startswith("Saved")


def test_an_unpainted_frame_is_not_accepted_as_empty(viewer, dock, saved, frames, tmp_path, new_workspace):
    viewer.add_image(frames)
    new_workspace(dock, tmp_path / "w")
    dock.correct.tools["paint"].click()
    assert "press No vessel" in saved(dock)


@pytest.mark.parametrize("kind", ["16 bit", "float", "colour"])
def test_frames_of_any_type_can_be_accepted(
    viewer, dock, segment, saved, frames, tmp_path, new_workspace, kind
):
    data = {
        "16 bit": frames[1].astype(np.uint16) * 100,
        "float": frames[1] / np.float32(255),
        "colour": np.repeat(frames[1][..., None], 3, -1),
    }[kind]
    viewer.add_image(data, rgb=kind == "colour")
    segment(dock).mask.layer.paint((30, 30), 1)
    new_workspace(dock, tmp_path / "w")
    assert saved(dock).startswith("Saved")


def test_closing_over_edited_frames_asks_and_names_them(viewer, dock, work):
    asked = []
    guard = AskBeforeClosing(
        dock.session, viewer.window._qt_window, lambda _w, words: bool(asked.append(words))
    )
    assert guard.may_close() is False
    assert "IM5: frame 2" in asked[0]


@pytest.mark.parametrize("quit_app", [False, True])
def test_file_close_and_exit_ask_once_and_stay_when_told_to(viewer, dock, work, asked, quit_app):
    viewer.window._qt_window.close(quit_app=quit_app, confirm_need=True)
    assert len(asked) == 1 and "IM5: frame 2" in asked[0]
    assert viewer.window._qt_window.isVisible() and work.mask.layer in viewer.layers


def test_a_script_that_closes_the_viewer_is_not_asked(viewer, dock, work, asked, monkeypatch):
    monkeypatch.setattr(dock, "close_session", lambda: None)  # it goes with the window
    viewer.close()
    assert asked == []


@pytest.fixture
def asked(viewer, dock, monkeypatch):
    """What was asked while the window was closing; the answer is to keep working."""
    from napari.settings import get_settings

    monkeypatch.setattr(get_settings().application, "confirm_close_window", False)
    viewer.window._qt_window.show()
    words = []
    monkeypatch.setattr(dock._closing, "_ask", lambda _window, text: bool(words.append(text)))
    return words


def test_closing_without_edits_asks_nothing(viewer, dock, work, saved):
    saved(dock)
    guard = AskBeforeClosing(dock.session, viewer.window._qt_window, lambda *_: pytest.fail("asked"))
    assert guard.may_close()


def test_a_reopened_dock_finds_the_work_again(viewer, dock, work, qtbot):
    from napari_lightvessel._dock import LightVesselWidget

    dock.close_session()
    again = LightVesselWidget(viewer)
    qtbot.addWidget(again)
    assert again.session.state is work and again.session.state.edited_frames() == [2]
    again.close_session()


def test_the_last_workspace_is_opened_next_time(viewer, dock, work, qtbot):
    from napari_lightvessel._dock import LightVesselWidget

    dock.close_session()
    again = LightVesselWidget(viewer)
    qtbot.addWidget(again)
    qtbot.waitUntil(lambda: again.session.workspace is not None, timeout=20_000)
    assert again.session.workspace.path == dock.session.workspace.path
    again.close_session()


def test_a_folder_that_is_no_workspace_is_refused_in_place(dock, tmp_path, qtbot):
    (tmp_path / "holiday").mkdir()
    dock.header.open_workspace(tmp_path / "holiday")
    qtbot.waitUntil(lambda: "opening" not in dock.header.line.text(), timeout=20_000)
    assert "holiday" in dock.header.line.text() and "\n" not in dock.header.line.text()


def test_frames_accepted_in_a_hurry_are_saved_when_the_dock_closes(dock, work, qtbot):
    for t in range(4):
        dock.session.go_to(t)
        work.mask.layer.paint((t, 20 + t, 20), 1)
        dock.accepter.accept()
    dataset = dock.session.workspace.dataset
    dock.close_session()
    qtbot.waitUntil(lambda: len(dataset.heads(status="accepted")) == 4, timeout=20_000)


def test_an_accept_looks_at_the_pixels_of_its_own_frame_alone(dock, work, saved, qtbot, monkeypatch):
    """A cine may have hundreds of frames, and the window waits meanwhile."""
    qtbot.wait(200)  # the look after the stroke
    dock.journalist._timer.stop()  # looks at others in turn, and beside this
    looked: list[int] = []
    edited = CineState.edited
    monkeypatch.setattr(CineState, "edited", lambda self, t: looked.append(t) or edited(self, t))
    assert saved(dock).startswith("Saved · frame 2")
    assert set(looked) == {2} and "rev 1" in dock.correct.frames.words(2) and not work.edited(2)
