"""The tools of Correct, with the mouse on the real canvas: each does what its button says."""

from __future__ import annotations

import numpy as np
import pytest
from canvas_mouse import press, show, stroke

from napari_lightvessel._tools import filled
from src_training.errors import LightVesselError

SIZE = 96


@pytest.fixture
def work(viewer, dock, frames, qtbot):
    """An empty mask over a cine, frame 2 in view on a canvas that takes the mouse."""
    viewer.add_image(frames, name="IM5")
    dock.correct.tools["pan_zoom"].click()
    dock.session.go_to(2)
    show(viewer, qtbot)
    layer = dock.session.state.mask.layer
    layer.brush_size = 3
    return layer


def active(dock):
    return [name for name, tool in dock.correct.tools.items() if tool.isChecked()]


@pytest.mark.parametrize("before", ["pan_zoom", "erase", "fill", "paint"])
def test_unsure_paints_label_2_whatever_tool_was_active(viewer, dock, work, before):
    dock.correct.tools[before].click()
    dock.correct.unsure_button.click()
    stroke(viewer, (30, 30), (30, 40))
    assert set(np.unique(work.data[2, 28:33, 30:40])) >= {2} and not (work.data == 1).any()
    assert active(dock) == ["unsure"]


@pytest.mark.parametrize("label", [0, 2, 7])
def test_paint_paints_vessel_whatever_label_napari_had_selected(viewer, dock, work, label):
    work.selected_label = label
    dock.correct.tools["paint"].click()
    stroke(viewer, (30, 30), (30, 40))
    assert work.data[2, 30, 35] == 1 and set(np.unique(work.data)) == {0, 1}
    assert active(dock) == ["paint"]


def test_fill_removes_the_vessel_that_is_pressed_as_one_undoable_step(viewer, dock, work):
    work.data[2, 20, 10:60] = 1
    work.data[2, 21:40, 60] = 1  # hangs on by a corner
    work.data[2, 60, 10:60] = 1
    before = work.data.copy()
    work.refresh()
    dock.correct.tools["fill"].click()
    press(viewer, 20, 30)
    assert not work.data[2, :50].any() and work.data[2, 60, 10:60].all()
    work.undo()
    np.testing.assert_array_equal(work.data, before)


def test_fill_closes_a_gap_in_a_vessel(viewer, dock, work):
    work.data[2, 20:40, 20:40] = 1
    work.data[2, 25:35, 25:35] = 0
    work.data[2, 28:30, 28:30] = 2
    work.refresh()
    dock.correct.tools["fill"].click()
    press(viewer, 26, 26)
    assert (work.data[2, 20:40, 20:40] != 0).all() and (work.data[2, 28:30, 28:30] == 2).all()
    press(viewer, 28.5, 28.5)
    assert (work.data[2, 20:40, 20:40] == 1).all(), "and what was unsure is vessel once it is pressed"


def test_fill_never_floods_the_frame_and_says_so(viewer, dock, work):
    work.data[2, 20:40, 20:40] = 1
    before = work.data.copy()
    work.refresh()
    dock.correct.tools["fill"].click()
    press(viewer, 70, 70)
    np.testing.assert_array_equal(work.data, before)
    assert dock.correct.line.text().startswith("Not filled: that would make 96% of the frame vessel")


def test_a_drag_with_fill_fills_once(viewer, dock, work):
    work.data[2, 20, 10:60] = 1
    work.data[2, 60, 10:60] = 1
    work.refresh()
    dock.correct.tools["fill"].click()
    stroke(viewer, (20, 30), (40, 30), (60, 30))
    assert not work.data[2, 20].any() and work.data[2, 60, 10:60].all()


def test_fill_and_paint_leave_the_other_frames_alone(viewer, dock, work):
    work.data[:, 20, 10:60] = 1
    work.refresh()
    dock.correct.tools["fill"].click()
    press(viewer, 20, 30)
    assert [bool(plane.any()) for plane in work.data] == [True, True, False, True, True, True]


def test_the_dock_shows_the_tool_that_a_press_would_use(viewer, dock, work):
    work.mode = "erase"
    assert active(dock) == ["erase"]
    work.mode = "paint"
    assert active(dock) == ["paint"]
    work.selected_label = 2
    assert active(dock) == ["unsure"]
    work.selected_label = 0  # napari paints background: that is erasing
    assert active(dock) == ["erase"]
    work.mode = "polygon"
    assert active(dock) == []
    viewer.layers.selection.active = dock.session.state.image
    assert active(dock) == []
    dock.correct.tools["paint"].click()
    assert active(dock) == ["paint"]
    dock.correct.tools["paint"].click()
    assert active(dock) == ["paint"]


def test_naparis_own_key_for_paint_never_paints_background(viewer, dock, work):
    work.selected_label = 0
    work.mode = "erase"
    work.mode = "paint"
    stroke(viewer, (30, 30), (30, 40))
    assert work.data[2, 30, 35] == 1


def test_filling_keeps_other_pieces_and_the_labels_type():
    labels = np.zeros((20, 20), np.uint8)
    labels[2, 2:8], labels[10, 2:8] = 1, 7
    after = filled(labels, (10, 4))
    assert after.dtype == np.uint8 and not after[10].any() and after[2, 2:8].all()
    with pytest.raises(LightVesselError, match="Close the outline first"):
        filled(labels, (15, 15))
