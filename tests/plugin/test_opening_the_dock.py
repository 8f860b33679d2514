"""The dock works alike however it was opened: as a plugin's widget, from the menu, or by a program."""

from __future__ import annotations

import numpy as np
import pytest
from napari._app_model import get_app_model
from napari.layers import Labels

from napari_lightvessel._dock import LightVesselWidget
from napari_lightvessel._one_dock import AlreadyOpen
from src_training import Workspace, array_cine
from src_training.dataset import Frame

LENGTHS = {"a": 8, "b": 3}


def by_plugin(viewer) -> LightVesselWidget:
    """As ``napari -w napari-lightvessel`` and the Plugins menu do."""
    _dock, widget = viewer.window.add_plugin_dock_widget("napari-lightvessel", "LightVessel")
    return widget


def by_menu(viewer) -> LightVesselWidget:
    """As Layers > Segment > LightVessel does."""
    get_app_model().commands.execute_command("napari-lightvessel.segment").result()
    return by_plugin(viewer)  # napari gives the one that is there


def by_program(viewer) -> LightVesselWidget:
    widget = LightVesselWidget(viewer)
    viewer.window.add_dock_widget(widget)
    return widget


@pytest.fixture(params=[by_plugin, by_menu, by_program])
def open_dock(request, qtbot):
    """Opens the dock in one of the ways, and closes it at the end."""
    opened = []

    def open_in(viewer) -> LightVesselWidget:
        opened.append(request.param(viewer))
        return opened[-1]

    yield open_in
    for dock in opened:
        qtbot.waitUntil(lambda dock=dock: not dock.segmenter.busy and not dock.accepter.busy, timeout=60_000)
        dock.close_session()


@pytest.fixture
def pictures(frames):
    """A longer and a shorter cine of two patients."""
    return {"a": np.concatenate([frames, frames[:2]]), "b": frames[:3, ::-1].copy()}


def masks(viewer) -> list[Labels]:
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


def stroke(viewer, layer: Labels, t: int) -> None:
    """A stroke with the tool that the dock gave, as napari's own event tells it."""
    layer.paint((t, 12, 12), 1)


def test_the_viewer_is_the_one_that_others_see(make_napari_viewer, open_dock):
    viewer = make_napari_viewer()
    assert open_dock(viewer).viewer is viewer


def test_accepted_frames_come_back_onto_the_one_vessels_layer_and_strokes_on_it_count(
    make_napari_viewer, open_dock, pictures, tmp_path, qtbot
):
    workspace = Workspace.create(tmp_path / "ws")
    for name, data in pictures.items():
        cine, mask = array_cine(data, name=name), np.zeros(data.shape[1:], np.uint8)
        mask[20:30, 20:30] = 1
        for t in (0, 1):
            workspace.dataset.append(Frame.from_cine(cine, t, None), mask)
    viewer = make_napari_viewer()
    dock = open_dock(viewer)
    dock.header.open_workspace(workspace.path)
    qtbot.waitUntil(lambda: dock.session.workspace is not None, timeout=20_000)
    for count, (name, data) in enumerate(pictures.items(), start=1):
        viewer.add_image(data, name=name)
        qtbot.waitUntil(
            lambda: not dock.recaller.busy and dock.session.state.mask is not None, timeout=30_000
        )
        state = dock.session.state
        assert len(masks(viewer)) == count and state.image is viewer.layers[name]
        assert [state.marks[t].status for t in (0, 1)] == ["accepted", "accepted"]
        for tool in ("erase", "paint"):
            dock.correct.tools[tool].click()
            assert len(masks(viewer)) == count and viewer.layers.selection.active is state.mask.layer
        stroke(viewer, state.mask.layer, 1)
        assert dock.session.state is state and state.edited_frames() == [1]
        assert dock.session.frame == (LENGTHS[name] - 1) // 2


def test_after_deletion_the_layers_that_are_left_are_still_their_cines(
    make_napari_viewer, open_dock, pictures, segment
):
    viewer = make_napari_viewer()
    dock = open_dock(viewer)
    for name, data in pictures.items():
        viewer.add_image(data, name=name)
        segment(dock)
    viewer.layers.remove(viewer.layers["b"])
    viewer.layers.remove(viewer.layers["b vessels"])
    assert dock.header.cine_name.text() == "a" and len(masks(viewer)) == 1
    stroke(viewer, masks(viewer)[0], 3)
    assert dock.session.state.edited_frames() == [3]
    segment(dock)
    assert len(masks(viewer)) == 1


def test_two_windows_do_not_mix_their_cines_up(make_napari_viewer, open_dock, pictures):
    viewers = [make_napari_viewer(), make_napari_viewer()]
    docks = []
    for viewer, name in zip(viewers, pictures, strict=True):
        viewer.window.activate()
        docks.append(open_dock(viewer))
        viewer.add_image(pictures[name], name=name)
        docks[-1].correct.use_tool("paint")
    for viewer, dock, name in zip(viewers, docks, pictures, strict=True):
        assert dock.viewer is viewer and dock.session.state.image is viewer.layers[name]
        assert len(masks(viewer)) == 1
        stroke(viewer, masks(viewer)[0], 0)
        assert dock.session.state.edited_frames() == [0]


def by_plugins_menu(viewer) -> None:
    """As Plugins > LightVessel does, which calls the dock otherwise than ``napari -w`` does."""
    viewer.window.add_dock_widget(LightVesselWidget(viewer), name="LightVessel (LightVessel)")


def ours(viewer) -> list:
    kinds = LightVesselWidget | AlreadyOpen
    return [part for part in viewer.window.dock_widgets.values() if isinstance(part, kinds)]


def test_a_window_has_one_dock_however_it_is_opened_again(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    first = by_plugin(viewer)
    for again in (by_plugins_menu, by_plugin, by_menu):
        first.parent().hide()
        again(viewer)
        qtbot.waitUntil(lambda: ours(viewer) == [first], timeout=20_000)
        assert first.session.is_open and set(first.keys._bound) == {"A", "N", ",", "."}
        if again is not by_plugin:  # which napari gives without showing it
            qtbot.waitUntil(first.isVisible, timeout=10_000)
    first.close_session()


def test_a_dock_that_was_closed_by_its_cross_can_be_opened_in_another_way(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    first = by_plugin(viewer)
    qtbot.waitUntil(first.isVisible, timeout=10_000)
    viewer.window.remove_dock_widget(first.parent())  # as the cross does; the test keeps it alive
    by_plugins_menu(viewer)
    (second,) = ours(viewer)
    assert isinstance(second, LightVesselWidget) and second is not first
    assert second.session.is_open and not first.session.is_open
    second.close_session()
