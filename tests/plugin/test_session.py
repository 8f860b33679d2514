"""Following layers by identity: renamed, deleted, reordered, two cines at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from qtpy.QtWidgets import QLabel
from superqt import QElidingLabel

from napari_lightvessel._layers import layer_data
from napari_lightvessel._training import RunView
from src_training import array_cine
from src_training.cine import Projection
from src_training.runs import RunState


def test_without_an_image_every_control_says_what_to_do(dock):
    assert not dock.segment.cine_button.isEnabled()
    assert "Open an angiogram first" in dock.segment.cine_button.toolTip()
    assert "Open an angiogram first" in dock.correct.accept_button.toolTip()
    assert "Sample" in dock.segment.line.text()


def test_two_cines_keep_their_own_state(viewer, dock, segment, frames):
    first, second = viewer.add_image(frames, name="a"), viewer.add_image(frames[:3, ::-1], name="b")
    viewer.layers.selection.active = first
    state_a = segment(dock)
    viewer.layers.selection.active = second
    assert dock.session.state is not state_a and not dock.session.state.probabilities
    dock.segment.threshold.setValue(0.9)
    state_b = segment(dock)
    viewer.layers.selection.active = state_a.mask.layer
    assert dock.session.state is state_a
    assert (state_a.threshold, state_b.threshold) != (0.9, 0.9) and state_b.threshold == 0.9
    assert dock.segment.threshold.value() == state_a.threshold
    assert dock.correct.frames.count() == len(frames)


def test_renamed_and_reordered_layers_are_still_followed(viewer, dock, segment, frames):
    image = viewer.add_image(frames, name="a")
    state = segment(dock)
    image.name, state.mask.layer.name = "patient 7", "mine"
    viewer.layers.reverse()
    assert segment(dock) is state and len(viewer.layers) == 2


def test_two_layers_of_one_name_are_not_mixed_up(viewer, dock, segment, frames):
    viewer.add_image(frames, name="IM5")
    one = segment(dock)
    viewer.layers.selection.active = viewer.add_image(frames[:2], name="IM5")
    two = segment(dock)
    assert one.mask.layer is not two.mask.layer
    assert one.mask.layer.data.shape != two.mask.layer.data.shape


def test_deleting_both_layers_leaves_an_honest_dock(viewer, dock, segment, frames):
    image = viewer.add_image(frames)
    state = segment(dock)
    viewer.layers.remove(image)
    viewer.layers.remove(state.mask.layer)
    assert dock.session.state is None and dock.session.states() == []
    assert not dock.segment.cine_button.isEnabled() and not dock.correct.accept_button.isEnabled()


def test_labels_whose_image_was_deleted_are_still_their_cines(viewer, dock, segment, frames):
    image = viewer.add_image(frames, name="IM5")
    state = segment(dock)
    other = viewer.add_image(frames[:3, ::-1], name="other")
    viewer.layers.remove(image)
    viewer.layers.selection.active = state.mask.layer
    assert dock.session.state is state
    assert dock.header.cine_name.text() == "IM5 (image taken out)"
    viewer.layers.selection.active = other
    assert dock.session.state.image is other


def test_renaming_the_layer_renames_the_cine_in_the_head(viewer, dock, frames):
    image = viewer.add_image(frames, name="a")
    image.name = "patient 7"
    assert dock.header.cine_name.text() == "patient 7"


def test_a_long_name_gives_way_and_leaves_frames_and_projection_readable(viewer, dock, frames, qtbot):
    projection = Projection(primary_deg=-26, secondary_deg=-33)
    cine = array_cine(np.tile(frames, (3, 1, 1)), name="run", projection=projection)
    data, settings, _ = layer_data(cine)
    viewer.add_image(data, **{**settings, "name": "a very long cine name 1.2.840.113619.2.1.dcm"})
    viewer.window._qt_window.resize(1366, 768)
    viewer.window._qt_window.show()
    qtbot.wait(50)
    assert dock.header.facts.text() == "18 frames · RAO 26 CAU 33"
    for label in dock.findChildren(QLabel):
        if label.isVisible() and not label.wordWrap() and not isinstance(label, QElidingLabel):
            shown = label.text().replace("&", "")  # of a key to press
            assert label.fontMetrics().horizontalAdvance(shown) <= label.width(), shown
    assert "…" in QLabel.text(dock.header.cine_name) and "dcm · 18 frames" in dock.header.facts.toolTip()


def test_deleted_labels_with_edits_come_back_with_them(viewer, dock, segment, frames):
    viewer.add_image(frames)
    state = segment(dock)
    state.mask.layer.paint((0, 20, 20), 1)
    mine = state.mask.layer.data.copy()
    viewer.layers.remove(state.mask.layer)
    assert "layer was removed" in dock.correct.ask.text.text()
    dock.correct.ask.yes.click()
    assert state.mask.layer in viewer.layers
    np.testing.assert_array_equal(state.mask.layer.data, mine)


def test_deleting_a_layer_while_it_is_segmented_breaks_nothing(viewer, dock, qtbot, frames):
    image = viewer.add_image(np.tile(frames, (10, 1, 1)))
    dock.segment.cine_button.click()
    viewer.layers.remove(image)
    qtbot.waitUntil(lambda: not dock.segmenter.busy, timeout=60_000)


def test_a_second_cine_with_another_length_follows_its_own_frames(viewer, dock, frames):
    viewer.add_image(np.tile(frames, (3, 1, 1)), name="long")
    short = viewer.add_image(frames[:2], name="short")
    viewer.layers.selection.active = short
    viewer.dims.set_current_step(0, 15)
    assert dock.session.frame is None
    assert "No frame of short is in view" in dock.segment.frame_button.toolTip()
    dock.session.go_to(0)
    assert viewer.dims.current_step[0] == 0 and dock.session.frame == 0
    assert dock.segment.frame_button.isEnabled()


def test_no_frame_is_in_view_while_all_are_shown_as_a_volume(viewer, dock, frames):
    viewer.add_image(frames)
    viewer.dims.ndisplay = 3
    assert dock.session.frame is None and not dock.segment.frame_button.isEnabled()
    viewer.dims.ndisplay = 2
    assert dock.session.frame is not None


def test_other_pixels_of_one_size_start_anew_and_keep_what_was_edited(viewer, dock, segment, frames):
    image = viewer.add_image(frames, name="IM5")
    before = segment(dock)
    before.mask.layer.paint((1, 20, 20), 1)
    mine, labels = before.labels(1).copy(), before.mask.layer
    image.data = 255 - frames
    state = dock.session.state
    assert state is not before and state.mask.layer is labels and before not in dock.session.states()
    np.testing.assert_array_equal(state.cine.frame(1), 255 - frames[1])
    np.testing.assert_array_equal(state.labels(1), mine)
    assert state.edited_frames() == [1] and not np.delete(labels.data, 1, axis=0).any()
    assert "IM5 holds other pixels now" in dock.header.line.text()
    assert "1 frame you edited kept their mask" in dock.header.line.text()


def test_other_pixels_of_another_size_keep_the_edits_but_take_no_more(viewer, dock, segment, frames):
    image = viewer.add_image(frames[:3], name="IM5")
    before = segment(dock)
    before.mask.layer.paint((1, 20, 20), 1)
    image.data = np.tile(frames, (2, 1, 1))
    viewer.layers.selection.active = before.mask.layer
    assert before.mask.layer in viewer.layers and dock.session.unsaved() == [(before, [1])]
    assert "other pixels" in dock.segment.cine_button.toolTip()
    viewer.layers.selection.active = image
    assert dock.session.state.n_frames == 12 and segment(dock).mask.layer.data.shape[0] == 12


def test_other_pixels_of_a_file_are_not_taken_for_the_files_own(viewer, dock, phantom, frames):
    data, settings, _ = layer_data(phantom.cine)
    image = viewer.add_image(data, **settings)
    image.data = 255 - frames
    assert dock.session.state.cine is not phantom.cine
    np.testing.assert_array_equal(dock.session.state.cine.frame(2), 255 - frames[2])


def test_an_offset_time_axis_still_gives_the_right_frame(viewer, dock, frames):
    viewer.add_image(frames, translate=(10, 0, 0), scale=(2, 1, 1))
    dock.session.go_to(3)
    assert dock.session.frame == 3 and viewer.dims.point[0] == 16


def test_both_themes_and_a_small_screen_fit(viewer, dock, frames, qtbot):
    viewer.add_image(frames)
    viewer.window._qt_window.resize(1366, 768)
    for theme in ("dark", "light"):
        viewer.theme = theme
        qtbot.wait(20)
        body = dock.scroll_area.widget()
        assert body.minimumSizeHint().width() <= 372 - 12, theme
        assert dock.minimumSizeHint().width() <= 372


def test_a_cancelled_run_is_no_longer_said_to_be_cancelling(dock):
    dock.trainer.told.emit("cancelling after this step…", "busy")
    dock.trainer._take(RunView(run=None, state=RunState(status="cancelled")))
    assert dock.train.line.text() == "" and dock.train.run_text.text().startswith("cancelled")


def test_research_use_only_is_always_in_sight(dock):
    words = [label.text() for label in dock.findChildren(QLabel) if not dock.scroll_area.isAncestorOf(label)]
    assert "Research use only. Not for diagnosis." in words


def test_a_closed_viewer_is_let_go_with_all_its_frames(tmp_path):
    """In a process of its own: here pytest's fixtures hold on to viewers."""
    child = Path(__file__).with_name("closing_child.py")
    environment = {**os.environ, "LIGHTVESSEL_CONFIG_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(child)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["gone", "gone", "gone"]


def test_a_program_may_end_with_its_viewer_open(tmp_path):
    """Qt then deletes our timers before we stop them."""
    code = """
import napari
from napari_lightvessel._dock import LightVesselWidget
viewer = napari.Viewer(show=False)
dock = LightVesselWidget(viewer)
viewer.window.add_dock_widget(dock)
print("left", flush=True)
"""
    environment = {**os.environ, "LIGHTVESSEL_CONFIG_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "left"), done.stderr[-2000:]
