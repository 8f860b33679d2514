"""What the dock says is true now: what went well fades, a solved error goes, buttons and boxes follow what there is."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Shapes

from napari_lightvessel import _jobs, _layers, _parts
from napari_lightvessel._curve import Curve
from napari_lightvessel._parts import TellLine
from napari_lightvessel._shelf import Shelf
from napari_lightvessel._training import RunView
from src_training import Workspace, builtin_models
from src_training.distillation import LITERAL
from src_training.errors import LightVesselError
from src_training.runs import RunState


def test_what_went_well_fades_and_what_went_wrong_stays(qtbot, monkeypatch):
    monkeypatch.setattr(_parts, "FADE_MS", 30)
    fading, lasting, wrong = TellLine(), TellLine(lasting=True), TellLine()
    for line in (fading, lasting, wrong):
        qtbot.addWidget(line)
    fading.tell("Saved · frame 3", "good")
    lasting.tell("✓ better", "good")
    wrong.tell("Saved", "good")
    wrong.tell("Frame 3 is not saved.", "bad")
    qtbot.waitUntil(lambda: fading.text() == "", timeout=5_000)
    qtbot.wait(100)
    assert lasting.text() == "✓ better" and wrong.text() == "Frame 3 is not saved."


def test_the_verdict_of_a_run_stays(dock):
    assert dock.train.verdict._lasting


def test_why_a_frame_was_refused_is_said_no_more_once_it_is_not_so(
    viewer, dock, frames, tmp_path, new_workspace
):
    viewer.add_image(frames, name="a")
    new_workspace(dock, tmp_path / "ws")
    viewer.dims.ndisplay = 3
    dock.accepter.no_vessel()
    assert "No frame of a is in view" in dock.correct.line.text()
    viewer.dims.ndisplay = 2
    assert dock.correct.line.text() == ""


def test_an_error_that_is_not_solved_stays_at_the_next_frame(viewer, dock, frames, tmp_path, new_workspace):
    viewer.add_image(frames, name="a")
    new_workspace(dock, tmp_path / "ws")
    dock.correct.line.tell("Frame 2 is not saved. The disk is full.", "bad")
    dock.session.go_to(4)
    assert dock.correct.line.text() == "Frame 2 is not saved. The disk is full."


def test_a_wrong_setting_is_said_no_more_once_it_is_changed(dock):
    form = dock.train.settings_form()
    dock.train.line.tell("Learning rate: input should be greater than 0, found '0'.", "bad")
    form["steps"].value = 77
    assert dock.train.line.text() == ""


def test_both_removed_layers_come_back_image_and_mask(viewer, dock, segment, frames):
    image = viewer.add_image(frames, name="a")
    state = segment(dock)
    state.mask.layer.paint((1, 20, 20), 1)
    viewer.layers.clear()
    dock.correct.ask.yes.click()
    assert list(viewer.layers) == [image, state.mask.layer] and image.visible
    assert dock.session.state is state and dock.header.cine_name.text() == "a"
    assert state.edited_frames() == [1] and dock.session.blocked() == ""


def test_roll_back_is_offered_only_where_there_is_something_to_go_back_to(dock):
    small = builtin_models()[0]
    for previous in (None, small):
        dock.session.shelf = Shelf((small,), (small,), small, previous)
        dock.session.models_changed.emit()
        assert dock.train.rollback_button.isHidden() is (previous is None)


@pytest.mark.parametrize(
    ("way", "settings"),
    [
        ("Fine-tune", {"teacher": "", "method": "lightvessel", "anchor_weight": 1.0}),
        ("Plain: no anchor, no teacher", {"teacher": "", "anchor_weight": 0.0}),
        ("Distill: LightVessel", {"teacher": "teacher", "base_model": "nano", "method": "lightvessel"}),
        (
            "Distill: as published",
            {
                "teacher": "teacher",
                "base_model": "nano",
                "method": "as-published",
                **{k: list(v) if isinstance(v, tuple) else v for k, v in LITERAL.items()},
            },
        ),
    ],
)
def test_a_run_that_is_found_again_shows_its_own_way(dock, way, settings):
    chooser = dock.train.method
    chooser.way.setCurrentIndex(1 if way == "Fine-tune" else 0)
    dock.trainer._take(RunView(object(), RunState(status="running", step=3, steps=9), settings=settings))
    assert chooser.way.currentText() == way
    asked = chooser.settings()
    assert {key: asked[key] for key in ("teacher", "base_model")} == {
        "teacher": settings["teacher"],
        "base_model": settings.get("base_model", ""),
    }
    chooser.way.setCurrentIndex(3)  # the person's own choice for the next one stays
    dock.trainer._take(dock.trainer.view)
    assert chooser.way.currentIndex() == 3


def test_the_curve_of_a_new_run_has_not_the_range_of_the_last(dock):
    curve = Curve(dock.colours)
    curve.show_points([(1, 0.5), (2, 0.4)], [(1, 0.81), (2, 0.83)])
    assert curve._right.viewRange()[1][0] > 0.7
    curve.show_points([(1, 0.5), (2, 0.4)], [])
    np.testing.assert_allclose(curve._right.viewRange()[1], (0, 1), atol=0.1)
    curve.close()


def test_a_second_rectangle_goes_into_the_same_layer_and_takes_the_place_of_the_first(viewer, dock, frames):
    viewer.add_image(frames, name="a")
    for corner in (10, 40):
        dock.correct.draw_region()
        shapes = viewer.layers.selection.active
        assert isinstance(shapes, Shapes) and shapes.nshapes == 0 and shapes.mode == "add_rectangle"
        shapes.add_rectangles([[corner, corner], [corner + 9, corner + 9]])
    viewer.add_image(frames, name="b", scale=(1, 0.5, 0.5))
    dock.correct.draw_region()
    assert [layer for layer in viewer.layers if isinstance(layer, Shapes)] == [shapes]
    assert tuple(shapes.scale) == (0.5, 0.5)
    shapes.add_rectangles([[10, 10], [19, 19]])
    region = _layers.drawn_region(viewer, dock.session.state.mask.layer)
    assert (region.rows, region.columns) == (slice(10, 20), slice(10, 20))


def test_the_window_names_its_own_ways_and_no_commands(tmp_path):
    workspace = Workspace.create(tmp_path / "ws")
    (tmp_path / "empty").mkdir()
    acts = {
        "New… at the top": lambda: Workspace.open(tmp_path / "empty"),
        "Fine-tune again": lambda: workspace.models.promote("small", by="x"),
    }
    for way, act in acts.items():
        with pytest.raises(LightVesselError) as caught:
            act()
        line = _jobs.one_line(caught.value)
        assert "lightvessel" in str(caught.value) and "lightvessel" not in line and way in line
