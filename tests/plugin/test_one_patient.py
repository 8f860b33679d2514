"""Canvas and dock speak of one patient: what is in view is the dock's cine, or the dock says that it is not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_lightvessel import _in_view, _layers
from napari_lightvessel._dock import LightVesselWidget
from napari_lightvessel._reader import read


@pytest.fixture
def cine():
    """Makes frames that tell their own number and their patient: 100 × patient + frame."""

    def make(patient: int, n_frames: int, side: int = 32) -> np.ndarray:
        numbers = (100 * patient + np.arange(n_frames)).astype(np.uint16)
        frames = np.broadcast_to(numbers[:, None, None], (n_frames, side, side)).copy()
        frames[:, 0, 0] = 0  # a window
        return frames if n_frames > 1 else frames[0]

    return make


def on_canvas(viewer) -> set[int]:
    """The grey values that the canvas shows of images: patient and frame, from napari's own slices."""
    return {
        int(value)
        for layer in viewer.layers
        if _layers.is_image(layer) and layer.visible and not layer._slice.empty
        for value in np.unique(layer._slice.image.raw)
        if value
    }


def test_a_cine_that_is_opened_is_what_the_canvas_shows_at_its_middle(viewer, dock, cine):
    viewer.add_image(cine(1, 24), name="long")
    viewer.dims.set_current_step(0, 20)
    viewer.add_image(cine(2, 10), name="short")
    assert dock.header.cine_name.text() == "short" and on_canvas(viewer) == {204}
    assert dock.session.frame == 4 and viewer.dims.current_step[0] == 4
    assert dock.header.view_line.text() == ""


def test_past_the_last_frame_of_a_shorter_cine_nothing_of_another_patient_shows(viewer, dock, cine):
    viewer.add_image(cine(1, 24), name="long")
    viewer.add_image(cine(2, 10), name="short")
    viewer.dims.set_current_step(0, 15)
    assert on_canvas(viewer) == set() and dock.session.frame is None
    assert "No frame of short is in view" in dock.header.view_line.text()
    dock.header.view_button.click()
    assert on_canvas(viewer) == {204} and dock.header.view_row.isHidden()


def test_the_mask_of_another_patient_is_hidden_with_its_image(viewer, dock, cine):
    image = viewer.add_image(cine(1, 10), name="a")
    dock.correct.use_tool("paint")
    mask = dock.session.state.mask.layer
    viewer.add_image(cine(2, 10), name="b")
    assert not image.visible and not mask.visible
    viewer.layers.selection.active = mask
    assert image.visible and mask.visible and not viewer.layers["b"].visible
    assert dock.header.cine_name.text() == "a"


def test_a_mask_made_for_a_cine_that_is_not_on_the_table_brings_its_cine_along(viewer, dock, cine):
    viewer.add_image(cine(1, 10), name="a")
    former = dock.session.state
    viewer.add_image(cine(2, 10), name="b")
    former.ensure_mask(viewer)
    assert dock.session.state is former and on_canvas(viewer) == {104}


def test_each_cine_is_found_at_the_frame_where_one_left_it(viewer, dock, cine):
    first = viewer.add_image(cine(1, 24), name="a")
    dock.session.go_to(20)
    second = viewer.add_image(cine(2, 10), name="b")
    dock.session.go_to(7)
    viewer.layers.selection.active = first
    assert on_canvas(viewer) == {120} and dock.session.frame == 20
    viewer.layers.selection.active = second
    assert on_canvas(viewer) == {207} and dock.session.frame == 7


def test_a_dock_that_is_opened_leaves_the_slider_where_it_is(viewer, qtbot, cine):
    viewer.add_image(cine(1, 24), name="a")
    viewer.dims.set_current_step(0, 20)
    zoom = viewer.scene.camera.zoom = 3.0
    dock = LightVesselWidget(viewer)
    qtbot.addWidget(dock)
    assert dock.session.frame == 20 and on_canvas(viewer) == {120} and viewer.scene.camera.zoom == zoom
    dock.close_session()


def test_a_dock_that_is_opened_over_two_cines_shows_one_of_them(viewer, qtbot, cine):
    viewer.add_image(cine(1, 24), name="a")
    viewer.dims.set_current_step(0, 20)
    viewer.add_image(cine(2, 10), name="b")
    dock = LightVesselWidget(viewer)
    qtbot.addWidget(dock)
    assert dock.header.cine_name.text() == "b" and on_canvas(viewer) == {204}
    dock.close_session()


def test_a_cine_shown_by_its_eye_is_named_and_nothing_is_decided(viewer, dock, cine, tmp_path, new_workspace):
    viewer.add_image(cine(1, 10), name="a")
    viewer.add_image(cine(2, 10), name="b")
    new_workspace(dock, tmp_path / "ws")
    assert dock.correct.no_vessel_button.isEnabled()
    viewer.layers["a"].visible = True
    assert dock.header.view_line.text().startswith("a is in view together with b.")
    for part in (dock.correct.no_vessel_button, dock.segment.cine_button, dock.segment.frame_button):
        assert not part.isEnabled() and "a is in view together with b" in part.toolTip()
    dock.accepter.no_vessel()
    dock.segmenter.run_cine()
    assert not dock.accepter.busy and not dock.segmenter.busy
    assert "a is in view together with b" in dock.correct.line.text()
    viewer.layers["b"].visible = False
    assert dock.header.view_line.text().startswith("a is in view instead of b.")
    viewer.layers["a"].visible = False
    assert dock.header.view_line.text().startswith("b is hidden.")
    dock.header.view_button.click()
    assert on_canvas(viewer) == {204} and dock.correct.no_vessel_button.isEnabled()


def test_to_select_the_cine_on_the_table_again_shows_it_alone(viewer, dock, cine):
    viewer.add_image(cine(1, 10), name="a")
    second = viewer.add_image(cine(2, 10), name="b")
    points = viewer.add_points(np.zeros((1, 2)))
    viewer.layers["a"].visible = True
    assert dock.header.view_line.text() and viewer.layers.selection.active is points
    viewer.layers.selection.active = second
    assert on_canvas(viewer) == {204} and dock.header.view_line.text() == ""


def test_live_segmenting_waits_while_another_cine_is_in_view(viewer, dock, cine):
    viewer.add_image(cine(1, 10), name="a")
    viewer.add_image(cine(2, 10), name="b")
    viewer.layers["a"].visible = True
    dock.segmenter.live = True
    dock.session.go_to(2)
    assert not dock.segmenter.busy


def test_after_the_cine_is_deleted_the_one_that_is_left_is_in_view(viewer, dock, cine):
    viewer.add_image(cine(1, 24), name="a")
    dock.session.go_to(20)
    second = viewer.add_image(cine(2, 10), name="b")
    viewer.layers.remove(second)
    assert dock.header.cine_name.text() == "a" and on_canvas(viewer) == {120} and dock.session.frame == 20


def test_an_image_that_is_no_cine_is_not_shown_over_one(viewer, dock, cine):
    viewer.add_image(cine(1, 10), name="a")
    volume = viewer.add_image(np.zeros((3, 4, 32, 32)), name="volume")
    assert dock.session.state is None and volume.visible and not viewer.layers["a"].visible
    viewer.layers.selection.active = viewer.layers["a"]
    assert on_canvas(viewer) == {104} and not volume.visible


def test_recovered_edits_of_a_cine_that_is_not_there_are_not_taken_for_the_present_ones(viewer, dock, cine):
    viewer.add_image(cine(1, 10), name="a")
    viewer.layers.append(_layers.lone_labels(np.ones((10, 32, 32), np.uint8), "x recovered edits"))
    assert dock.header.view_line.text().startswith("x recovered edits is in view together with a.")
    assert not dock.segment.cine_button.isEnabled()


@pytest.mark.parametrize(
    "transform",
    [
        {"scale": (2, 0.3, 0.3)},
        {"scale": (0.4, 1, 1), "translate": (30, 5, -7)},
        {"scale": (3, 1, 1), "translate": (-50, 0, 0)},
    ],
)
def test_scaled_and_moved_cines_come_into_view_at_their_middle(viewer, dock, cine, transform):
    viewer.add_image(cine(1, 24), name="a")
    viewer.dims.set_current_step(0, 20)
    second = viewer.add_image(cine(2, 11), name="b", **transform)
    assert on_canvas(viewer) == {205} and dock.session.frame == 5
    viewer.layers.selection.active = viewer.layers["a"]
    assert on_canvas(viewer) == {120} and dock.session.frame == 20
    viewer.layers.selection.active = second
    assert on_canvas(viewer) == {205} and dock.session.frame == 5


def test_a_cine_of_another_size_fills_the_view_and_one_of_the_same_leaves_it(viewer, dock, cine):
    first = viewer.add_image(cine(1, 5, side=32), name="small")
    fitting = viewer.scene.camera.zoom
    second = viewer.add_image(cine(2, 5, side=256), name="large")
    assert viewer.scene.camera.zoom < fitting / 4
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (127.5, 127.5), atol=1)
    viewer.layers.selection.active = first
    assert viewer.scene.camera.zoom == fitting
    third = viewer.add_image(cine(3, 5, side=32), name="as small")
    viewer.scene.camera.zoom = 2 * fitting
    viewer.layers.selection.active = first
    viewer.layers.selection.active = third
    assert viewer.scene.camera.zoom == 2 * fitting
    assert second.visible is False


def test_files_opened_one_after_the_other_show_the_last_one_only(viewer, dock, cine, tmp_path):
    for name, n_frames in (("a", 12), ("b", 3), ("c", 1)):
        np.save(tmp_path / f"{name}.npy", cine(ord(name) - 96, n_frames))
        for data, settings, _kind in read(str(tmp_path / f"{name}.npy")):
            viewer.add_image(data, **settings)
    assert on_canvas(viewer) == {300} and len(viewer.layers) == 3
    assert not _in_view.strangers(viewer, dock.session.state)


def test_two_windows_keep_their_own_cines_in_view(make_napari_viewer, qtbot, cine):
    docks = []
    for patients in ((1, 2), (3, 4)):
        viewer = make_napari_viewer()
        docks.append(LightVesselWidget(viewer))
        qtbot.addWidget(docks[-1])
        viewer.add_image(cine(patients[0], 24), name="long")
        viewer.dims.set_current_step(0, 20)
        viewer.add_image(cine(patients[1], 10), name="short")
    assert [on_canvas(dock.viewer) for dock in docks] == [{204}, {404}]
    docks[0].viewer.layers.selection.active = docks[0].viewer.layers["long"]
    assert [on_canvas(dock.viewer) for dock in docks] == [{120}, {404}]
    assert [dock.session.frame for dock in docks] == [20, 4]
    for dock in docks:
        dock.close_session()
