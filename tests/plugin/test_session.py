"""Following layers by identity: renamed, deleted, reordered, two cines at once."""

from __future__ import annotations

import numpy as np


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


def test_deleting_the_image_leaves_an_honest_dock(viewer, dock, segment, frames):
    image = viewer.add_image(frames)
    segment(dock)
    viewer.layers.remove(image)
    assert dock.session.state is None
    assert not dock.segment.cine_button.isEnabled() and not dock.correct.accept_button.isEnabled()


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
    assert dock.session.frame == 1
    dock.session.go_to(0)
    assert viewer.dims.current_step[0] == 0


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


def test_research_use_only_is_always_in_sight(dock):
    from qtpy.QtWidgets import QLabel

    words = [label.text() for label in dock.findChildren(QLabel) if not dock.scroll_area.isAncestorOf(label)]
    assert "Research use only. Not for diagnosis." in words
