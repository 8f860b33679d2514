"""Segment: any image layer, however it was opened, and never over a person's work."""

from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from PIL import Image

from napari_lightvessel._layers import layer_data
from src_training import array_cine, synthetic_cine


def _layers_table(frames):
    colour = np.repeat(frames[..., None], 3, -1)
    return {
        "one frame": (frames[2], {}),
        "cine": (frames, {}),
        "one colour frame": (colour[2], {"rgb": True}),
        "colour cine": (colour, {"rgb": True}),
        "dask": (da.from_array(frames, chunks=(1, -1, -1)), {}),
        "16 bit": (frames.astype(np.uint16) * 257, {}),
        "signed": (frames.astype(np.int16) - 300, {}),
        "float": (frames / np.float32(255), {}),
        "bool": (frames > 128, {}),
        "multiscale": ([frames, frames[:, ::2, ::2]], {"multiscale": True}),
        "scaled and moved": (frames, {"scale": (1, 0.3, 0.3), "translate": (0, 5, -7)}),
        "turned": (frames[2], {"rotate": 30}),
    }


@pytest.mark.parametrize("kind", list(_layers_table(np.zeros((3, 8, 8), np.uint8))))
def test_any_image_layer_is_segmented_and_its_labels_lie_on_it(viewer, dock, segment, frames, kind):
    data, settings = _layers_table(frames)[kind]
    image = viewer.add_image(data, name="run", **settings)
    state = segment(dock)
    labels = state.mask.layer
    first = data[0] if kind == "multiscale" else data
    assert labels.data.shape == (first.shape[:-1] if settings.get("rgb") else first.shape)
    assert len(state.probabilities) == state.n_frames
    np.testing.assert_allclose(labels.data_to_world([1] * labels.ndim), image.data_to_world([1] * image.ndim))
    assert dock.segment.line.text().startswith(f"{state.n_frames} frame")


def test_zarr_is_segmented(viewer, dock, segment, frames, tmp_path):
    zarr = pytest.importorskip("zarr")
    stored = zarr.open(str(tmp_path / "z"), mode="w", shape=frames.shape, dtype=frames.dtype)
    stored[:] = frames
    viewer.add_image(stored, name="z")
    assert len(segment(dock).probabilities) == len(frames)


def test_our_own_reader_keeps_what_the_file_says(viewer, dock, phantom):
    data, settings, _ = layer_data(phantom.cine)
    viewer.add_image(data, **settings)
    assert dock.session.state.cine is phantom.cine


def test_four_dimensions_are_refused_in_one_line_with_the_cure(viewer, dock, frames):
    viewer.add_image(frames[None], name="many")
    assert "has 4 dimensions" in dock.header.line.text() and "Choose" in dock.header.line.text()
    assert not dock.segment.cine_button.isEnabled()


def test_a_layer_moved_later_takes_its_labels_with_it(viewer, dock, segment, frames):
    image = viewer.add_image(frames[0])
    state = segment(dock)
    image.translate, image.scale = (3, 4), (2, 2)
    np.testing.assert_allclose(state.mask.layer.data_to_world((1, 1)), image.data_to_world((1, 1)))


def test_this_frame_segments_the_frame_in_view_only(viewer, dock, segment, frames):
    viewer.add_image(frames)
    dock.session.go_to(4)
    assert list(segment(dock, "frame_button").probabilities) == [4]


def test_the_threshold_rederives_masks_without_the_network(
    viewer, dock, segment, settle, frames, monkeypatch
):
    viewer.add_image(frames)
    state = segment(dock)
    monkeypatch.setattr("src_training.inference.predictor.Predictor.segment", _must_not_run)
    probability = {t: p.astype(np.float32) for t, p in state.probabilities.items()}
    low = float(np.median(probability[0]))
    dock.segment.min_size.setValue(0)
    dock.segment.threshold.setValue(round(min(max(low, 0.05), 0.95), 2))
    asked = state.threshold
    expected = np.stack([probability[t] >= asked for t in range(len(frames))])
    settle(lambda: np.array_equal(state.mask.layer.data, expected))


def test_threshold_does_not_touch_frames_a_person_edited(viewer, dock, segment, settle, frames):
    viewer.add_image(frames)
    state = segment(dock)
    viewer.dims.set_current_step(0, 2)
    state.mask.layer.paint((2, 40, 40), 1)
    mine = state.labels(2).copy()
    other = state.labels(3).copy()
    dock.segment.threshold.setValue(0.05)
    settle(lambda: not np.array_equal(state.labels(3), other) or not state.probabilities[3].any())
    np.testing.assert_array_equal(state.labels(2), mine)
    assert state.edited_frames() == [2]


def test_segmenting_again_keeps_edited_frames_and_says_so(viewer, dock, segment, frames):
    viewer.add_image(frames)
    state = segment(dock)
    viewer.dims.set_current_step(0, 1)
    state.mask.layer.paint((1, 30, 30), 1)
    mine = state.labels(1).copy()
    segment(dock)
    np.testing.assert_array_equal(state.labels(1), mine)
    assert "1 frame you edited or accepted kept their mask" in dock.segment.line.text()


def test_an_edited_frame_is_replaced_only_after_a_yes_and_undo_brings_it_back(
    viewer, dock, segment, qtbot, frames
):
    viewer.add_image(frames)
    state = segment(dock)
    dock.session.go_to(1)
    state.mask.layer.paint((1, 30, 30), 1)
    mine = state.labels(1).copy()
    dock.segment.frame_button.click()
    assert dock.segment.ask.isVisibleTo(dock) and "your edits" in dock.segment.ask.text.text()
    np.testing.assert_array_equal(state.labels(1), mine)
    dock.segment.ask.yes.click()
    qtbot.waitUntil(lambda: not dock.segmenter.busy, timeout=60_000)
    assert not np.array_equal(state.labels(1), mine) and not state.edited(1)
    state.mask.layer.undo()
    np.testing.assert_array_equal(state.labels(1), mine)
    assert state.edited(1)


def test_cancel_keeps_what_is_done_and_says_how_far_it_came(viewer, dock, qtbot, frames):
    viewer.add_image(np.tile(frames, (20, 1, 1)))
    dock.segment.cine_button.click()
    state = dock.session.state
    qtbot.waitUntil(lambda: len(state.probabilities) > 0, timeout=60_000)
    dock.segment.cancel_button.click()
    qtbot.waitUntil(lambda: not dock.segmenter.busy, timeout=60_000)
    assert (
        dock.segment.line.text() == f"Stopped after {len(state.probabilities)} of {20 * len(frames)} frames."
    )
    assert dock.segment.cine_button.isEnabled()


def test_live_segments_each_frame_one_comes_to(viewer, dock, qtbot, frames):
    viewer.add_image(frames)
    dock.session.go_to(0)
    dock.segment.live_box.setChecked(True)
    qtbot.waitUntil(lambda: 0 in dock.session.state.probabilities, timeout=60_000)
    qtbot.waitUntil(lambda: not dock.segmenter.busy, timeout=60_000)
    dock.session.go_to(3)
    qtbot.waitUntil(lambda: 3 in dock.session.state.probabilities, timeout=60_000)
    assert set(dock.session.state.probabilities) == {0, 3}


def test_bright_vessels_are_noticed_ticked_and_told(viewer, dock, qtbot):
    cine = synthetic_cine(seed=3, n_frames=6, shape=(256, 256)).cine
    viewer.add_image(255 - np.asarray(cine.stack()))
    qtbot.waitUntil(lambda: "look bright" in dock.segment.polarity_line.text(), timeout=20_000)
    assert dock.session.state.inverted and dock.segment.invert_box.isChecked()
    dock.segment.invert_box.setChecked(False)
    assert not dock.session.state.inverted
    dock.session.marks_changed.emit(dock.session.state)
    assert not dock.segment.invert_box.isChecked()  # what a person said is not questioned


def test_a_click_on_the_curve_goes_to_the_frame(viewer, dock, segment, frames):
    viewer.add_image(frames)
    segment(dock)
    dock.segment.spark.frame_clicked.emit(5)
    assert dock.session.frame == 5 and viewer.dims.current_step[0] == 5


def test_an_unreadable_frame_is_one_line_not_a_traceback(viewer, dock, segment, frames):
    def broken(block_id=None):
        raise OSError("run.dcm: the file ends inside frame 3. Copy it again.")

    chunks = ((1,) * len(frames), *((n,) for n in frames.shape[1:]))
    lazy = da.map_blocks(broken, chunks=chunks, dtype=np.uint8, meta=np.zeros((0, 0, 0), np.uint8))
    cine = array_cine(lazy, name="run.dcm")
    viewer.add_image(frames, name="run", metadata={"lightvessel_cine": cine})
    assert dock.session.state.cine is cine
    segment(dock)
    assert "the file ends inside frame 3" in dock.segment.line.text() and "\n" not in dock.segment.line.text()


def test_damaged_frames_are_left_out_and_named(viewer, dock, segment, frames, tmp_path):
    _folder(tmp_path, frames, damaged=(1, 4))
    viewer.open(str(tmp_path), plugin="napari-lightvessel")
    state = segment(dock)
    assert sorted(state.probabilities) == [0, 2, 3, 5]
    assert dock.segment.line.text().startswith("4 frames in ")
    assert "Frames 1, 4 cannot be decoded and were left out. " in dock.segment.line.text()
    assert not state.labels(1).any() and state.edited_frames() == []


def test_live_tries_a_damaged_frame_once(viewer, dock, qtbot, frames, tmp_path):
    _folder(tmp_path, frames, damaged=(3,))
    viewer.open(str(tmp_path), plugin="napari-lightvessel")
    dock.session.go_to(3)
    dock.segment.live_box.setChecked(True)
    qtbot.waitUntil(lambda: not dock.segmenter.busy, timeout=60_000)
    assert list(dock.session.state.damaged) == [3]
    dock.session.go_to(2)
    qtbot.waitUntil(lambda: not dock.segmenter.busy, timeout=60_000)
    dock.session.go_to(3)
    assert list(dock.session.state.probabilities) == [2] and not dock.segmenter.busy


def _folder(folder, frames, damaged):
    for t, frame in enumerate(frames):
        path = folder / f"{t}.png"
        Image.fromarray(frame).save(path)
        if t in damaged:
            path.write_bytes(path.read_bytes()[:200])


def test_live_segments_the_frame_a_person_stops_on(viewer, dock, qtbot, frames):
    viewer.add_image(frames)
    dock.session.go_to(0)
    dock.segment.live_box.setChecked(True)
    assert dock.segmenter.busy
    for t in (1, 2, 3, 4):
        dock.session.go_to(t)
    qtbot.waitUntil(lambda: 4 in dock.session.state.probabilities, timeout=60_000)


def _must_not_run(*_args, **_kwargs):
    raise AssertionError("the network ran")


def _choose(dock, model_id):
    dock.segment.model_box.setCurrentIndex(dock.segment.model_box.findData(model_id))
    dock.segment.model_box.activated.emit(dock.segment.model_box.currentIndex())
    return dock.session.model


def test_a_chosen_model_stays_when_the_models_are_read_again(
    viewer, dock, frames, tmp_path, new_workspace, qtbot
):
    viewer.add_image(frames)
    other = _choose(dock, "small-syntax")
    read = []
    dock.session.models_changed.connect(lambda: read.append(dock.session.model.id))
    new_workspace(dock, tmp_path / "w")
    qtbot.waitUntil(lambda: bool(read), timeout=20_000)
    assert set(read) == {other.id} and dock.segment.model_box.currentData() == other.id
    assert dock.segment.threshold.value() == other.card.threshold


def test_a_promotion_moves_those_who_used_the_live_model(viewer, dock, frames):
    viewer.add_image(frames)
    small, syntax = (next(m for m in dock.session.models() if m.id == i) for i in ("small", "small-syntax"))
    dock.session._take_models(replace(dock.session.shelf, live=syntax))
    assert dock.session.model.id == syntax.id
    assert dock.segment.threshold.value() == syntax.card.threshold
    dock.session._take_models(replace(dock.session.shelf, live=small))
    assert dock.session.model.id == small.id
    assert dock.segment.threshold.value() == small.card.threshold


def test_a_threshold_set_by_hand_outlasts_the_model(viewer, dock, frames):
    viewer.add_image(frames)
    dock.segment.threshold.setValue(0.33)
    other = _choose(dock, "small-syntax")
    assert dock.segment.threshold.value() == 0.33 and dock.session.state.threshold == 0.33
    viewer.add_image(frames[:3], name="untouched")
    assert dock.segment.threshold.value() == other.card.threshold


def test_choosing_another_model_brings_its_own_threshold(viewer, dock, segment, frames):
    viewer.add_image(frames)
    segment(dock)
    before = dock.session.state.labels(2).copy()
    other = _choose(dock, "small-syntax")
    assert dock.session.state.threshold == dock.segment.threshold.value() == other.card.threshold
    np.testing.assert_array_equal(dock.session.state.labels(2), before)  # until it is segmented again
