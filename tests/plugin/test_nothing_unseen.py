"""What is saved was seen and meant: all labels in view, the rectangle that is named, no more than was reviewed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_lightvessel import _layers

UPRIGHT = [[20, 20], [20, 49], [49, 49], [49, 20]]
TURNED = [[20, 35], [35, 49], [49, 35], [35, 20]]


def accept_inside(dock, qtbot) -> str:
    """Accept region > Accept inside my rectangle; what the section says in the end."""
    dock.correct.accept_drawn_region()
    qtbot.waitUntil(lambda: not dock.accepter.busy, timeout=30_000)
    return dock.correct.line.text()


def masks(dock) -> list[np.ndarray]:
    return [head.mask() for head in dock.session.workspace.dataset.heads()]


def hide_all_but_unsure(dock, layer):
    dock.correct.use_tool("unsure")
    layer.show_selected_label = True


def make_transparent(_dock, layer):
    layer.opacity = 0


@pytest.mark.parametrize(
    ("hide", "why"), [(hide_all_but_unsure, "label 2 alone"), (make_transparent, "hidden")]
)
def test_labels_that_nobody_sees_are_not_accepted(dock, work, saved, hide, why):
    hide(dock, work.mask.layer)
    assert not dock.correct.accept_button.isEnabled() and why in dock.correct.accept_button.toolTip()
    dock.accepter.accept()
    assert why in dock.correct.line.text() and masks(dock) == []
    work.mask.layer.show_selected_label, work.mask.layer.opacity = False, 0.5
    assert dock.correct.line.text() == ""
    assert saved(dock).startswith("Saved")


def test_a_label_that_is_shown_alone_hides_nothing_where_it_is_the_only_one(dock, work, saved):
    work.mask.layer.selected_label = 1
    work.mask.layer.show_selected_label = True
    assert saved(dock).startswith("Saved · frame 2")
    work.mask.layer.paint((4, 60, 60), 2)
    dock.session.go_to(4)
    assert "label 1 alone" in dock.correct.accept_button.toolTip()
    dock.session.go_to(3)
    assert dock.correct.accept_button.isEnabled()


def test_a_transparent_picture_is_said_to_be_hidden_and_comes_back(dock, work):
    work.image.opacity = 0
    assert "is hidden" in dock.header.view_line.text()
    dock.header.view_button.click()
    assert work.image.opacity == 1 and dock.header.view_line.text() == ""


def test_a_rectangle_that_was_drawn_for_something_else_is_no_reviewed_region(viewer, dock, work, qtbot):
    viewer.add_shapes([UPRIGHT], shape_type="rectangle", name="stenosis")
    viewer.layers.selection.active = work.mask.layer
    assert "Draw around what you reviewed" in accept_inside(dock, qtbot)
    assert masks(dock) == []


def test_the_rectangle_that_was_taken_is_named(viewer, dock, work, qtbot):
    dock.correct.draw_region()
    viewer.layers.selection.active.add_rectangles([[10, 10], [39, 39]])
    viewer.add_shapes([UPRIGHT], shape_type="rectangle", name="stenosis")
    assert "inside the rectangle of stenosis" in accept_inside(dock, qtbot)  # it is the selected layer
    viewer.layers.selection.active = work.mask.layer
    dock.session.go_to(3)
    assert "inside the rectangle of reviewed region" in accept_inside(dock, qtbot)
    reviewed = sorted(tuple(np.argwhere(mask != 255).min(axis=0)) for mask in masks(dock))
    assert reviewed == [(10, 10), (20, 20)]


@pytest.mark.parametrize(
    ("shape", "kind", "why"),
    [
        (TURNED, "rectangle", "no upright rectangle"),
        (TURNED, "polygon", "no upright rectangle"),
        ([[4, *corner] for corner in UPRIGHT], "rectangle", "is of frame 4"),
    ],
)
def test_what_is_no_rectangle_of_this_frame_is_refused(viewer, dock, work, qtbot, shape, kind, why):
    viewer.add_shapes([shape], shape_type=kind, name="stenosis")
    assert why in accept_inside(dock, qtbot)
    assert masks(dock) == []


@pytest.mark.parametrize("unseen", [{"visible": False}, {"opacity": 0}])
def test_a_rectangle_that_is_hidden_is_not_accepted_inside(viewer, dock, work, qtbot, unseen):
    viewer.add_shapes([UPRIGHT], shape_type="rectangle", name="stenosis", **unseen)
    assert "stenosis is hidden" in accept_inside(dock, qtbot) and masks(dock) == []


@pytest.mark.parametrize(
    "lies",
    [
        {"rotate": [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]], "scale": (1, 0.5, 0.5)},
        {"shear": [0, 0, 0.3]},
        {"affine": [[1, 0, 0, 0], [0, 0.8, -0.6, 5], [0, 0.6, 0.8, -7], [0, 0, 0, 1]]},
    ],
)
def test_the_docks_own_rectangle_lies_as_its_picture_does(viewer, dock, frames, lies):
    viewer.add_image(frames, name="IM5", **lies)
    dock.correct.draw_region()
    viewer.layers.selection.active.add_rectangles([[10, 20], [29, 59]])
    region = _layers.drawn_region(viewer, dock.session.state.mask.layer)
    assert (region.rows, region.columns) == (slice(10, 30), slice(20, 60))


def test_a_single_picture_that_is_turned_takes_a_rectangle(viewer, dock, frames):
    viewer.add_image(frames[0], name="IM5", rotate=30, shear=[0.2])
    dock.correct.draw_region()
    viewer.layers.selection.active.add_rectangles([[10, 20], [29, 59]])
    region = _layers.drawn_region(viewer, dock.session.state.mask.layer)
    assert (region.rows, region.columns) == (slice(10, 30), slice(20, 60))


def test_beyond_a_reviewed_region_nothing_is_accepted_unasked(viewer, dock, work, saved, frames, qtbot):
    viewer.add_shapes([UPRIGHT], shape_type="rectangle", name="reviewed")
    accept_inside(dock, qtbot)
    viewer.layers.clear()
    viewer.add_image(frames, name="IM5")
    state = dock.session.state
    qtbot.waitUntil(lambda: state.marks[2].region, timeout=20_000)
    dock.session.go_to(2)
    dock.accepter.accept()
    assert "accepted inside a region only" in dock.correct.question.text.text()
    assert not dock.accepter.busy
    (mask,) = masks(dock)
    assert (mask == 255).any()
    dock.correct.question.yes.click()
    qtbot.waitUntil(lambda: not dock.accepter.busy, timeout=30_000)
    (mask,) = masks(dock)
    assert not (mask == 255).any() and not state.marks[2].region
    assert saved(dock).endswith("accepted · patient unknown: used for training only")


def test_a_view_that_shows_all_of_the_frame_is_no_region(viewer, dock, work, qtbot):
    viewer.reset_view()
    dock.correct.accept_view()
    qtbot.waitUntil(lambda: not dock.accepter.busy, timeout=30_000)
    (mask,) = masks(dock)
    assert not (mask == 255).any() and not work.marks[2].region
    assert "region" not in dock.correct.line.text()


def test_a_withdrawn_region_is_still_a_region(viewer, dock, work, qtbot):
    viewer.add_shapes([UPRIGHT], shape_type="rectangle", name="reviewed")
    accept_inside(dock, qtbot)
    dock.correct.withdraw_button.click()
    qtbot.waitUntil(lambda: not dock.correct.take_back.busy, timeout=20_000)
    assert "region" not in dock.correct.frames.words(2)
    dock.accepter.accept()
    assert "accepted inside a region only" in dock.correct.question.text.text() and not dock.accepter.busy


def test_a_frame_that_nobody_could_judge_is_no_region(viewer, dock, work, saved, qtbot):
    viewer.add_shapes([UPRIGHT], shape_type="rectangle", name="reviewed")
    accept_inside(dock, qtbot)
    assert "(region)" in dock.correct.frames.words(2)
    saved(dock, "not_evaluable_button")
    assert dock.correct.frames.words(2).startswith(
        "not evaluable"
    ) and "region" not in dock.correct.frames.words(2)


def test_a_refused_label_is_said_no_more_once_it_is_undone(dock, work, qtbot):
    work.mask.layer.paint((2, 60, 60), 7)
    qtbot.wait(120)
    dock.correct.accept_button.click()
    assert "holds label 7" in dock.correct.line.text()
    work.mask.layer.undo()
    qtbot.waitUntil(lambda: dock.correct.line.text() == "", timeout=5_000)


def test_the_curve_of_vessel_area_follows_what_a_person_paints(dock, work, qtbot):
    before = work.area_px[2]
    work.mask.layer.brush_size = 9
    work.mask.layer.paint((2, 80, 80), 1)
    qtbot.waitUntil(lambda: work.area_px[2] > before, timeout=5_000)
    assert work.area_px[2] == np.count_nonzero(work.labels(2) == 1)
    assert dock.segment.spark.values[2] == work.area_px[2]


def test_the_curve_says_nothing_of_frames_that_were_only_looked_at(viewer, dock, frames, qtbot):
    viewer.add_image(frames, name="IM5")
    dock.correct.use_tool("paint")
    state = dock.session.state
    dock.session.go_to(2)
    state.mask.layer.paint((2, 30, 30), 1)
    for t in (3, 4, 5):
        dock.session.go_to(t)
        qtbot.wait(120)
    assert np.isfinite(state.area_px).tolist() == [False, False, True, False, False, False]


def test_the_curve_follows_an_undo_on_a_frame_that_is_out_of_view(dock, work, qtbot):
    qtbot.wait(120)
    painted = work.area_px[2]
    dock.session.go_to(4)
    qtbot.wait(120)
    work.mask.layer.undo()
    qtbot.waitUntil(lambda: work.area_px[2] != painted, timeout=5_000)
    assert work.area_px[2] == np.count_nonzero(work.labels(2) == 1)
