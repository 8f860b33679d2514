"""Opening a cine again: what was decided before is known, with its masks."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_lightvessel._marks import ACCEPTED, NO_VESSEL
from src_training import array_cine


@pytest.fixture
def decided(viewer, dock, segment, saved, frames, tmp_path, new_workspace):
    """Frame 2 accepted and frame 4 called empty in a workspace; the layers are closed again."""
    viewer.add_image(frames, name="IM5")
    state = segment(dock)
    new_workspace(dock, tmp_path / "w")
    dock.correct.patient.setText("heart-17")
    dock.correct.patient.editingFinished.emit()
    dock.session.go_to(2)
    state.mask.layer.paint((2, 30, 30), 1)
    saved(dock)
    mine = state.labels(2).copy()
    dock.session.go_to(4)
    saved(dock, "no_vessel_button")
    viewer.layers.clear()
    return mine


def test_decided_frames_of_a_reopened_cine_are_known(viewer, dock, decided, frames, qtbot):
    viewer.add_image(frames, name="another name")
    state = dock.session.state
    qtbot.waitUntil(lambda: state.marks[4].status == NO_VESSEL, timeout=20_000)
    assert state.marks[2].status == ACCEPTED and state.marks[2].saved.endswith("rev 1")
    np.testing.assert_array_equal(state.labels(2), decided)
    assert state.edited_frames() == []


def test_the_patient_of_a_reopened_cine_is_remembered(viewer, dock, decided, frames, qtbot):
    viewer.add_image(frames, name="another name")
    qtbot.waitUntil(lambda: dock.session.state.patient == "heart-17", timeout=20_000)
    assert dock.correct.patient.text() == "heart-17"


def test_recalled_masks_never_replace_what_a_person_just_painted(viewer, dock, decided, frames, qtbot):
    dock.recaller.hold = True
    viewer.add_image(frames, name="IM5")
    state = dock.session.state
    dock.correct.use_tool("paint")
    dock.session.go_to(2)
    state.mask.layer.paint((2, 70, 70), 1)
    mine = state.labels(2).copy()
    dock.recaller.hold = False
    dock.recaller.look()
    qtbot.waitUntil(lambda: state.marks[4].status == NO_VESSEL, timeout=20_000)
    np.testing.assert_array_equal(state.labels(2), mine)
    assert state.edited(2)


def test_a_damaged_frame_does_not_hide_what_comes_after(viewer, dock, decided, frames, qtbot):
    def frame(block_id):
        if block_id[0] == 0:
            raise OSError("the file ends here")
        return frames[block_id[0]][None]

    chunks = ((1,) * len(frames), *((n,) for n in frames.shape[1:]))
    lazy = da.map_blocks(frame, chunks=chunks, dtype=np.uint8, meta=np.zeros((0, 0, 0), np.uint8))
    dock.session.go_to(2)
    viewer.add_image(frames, name="IM5", metadata={"lightvessel_cine": array_cine(lazy, name="IM5")})
    state = dock.session.state
    state.patient = "heart-17"
    dock.recaller.look()
    qtbot.waitUntil(lambda: state.marks[4].status == NO_VESSEL, timeout=20_000)
    assert state.marks[2].status == ACCEPTED


def test_another_cine_recalls_nothing(viewer, dock, decided, frames, qtbot):
    viewer.add_image(frames[:, ::-1].copy(), name="IM5")
    dock.recaller.look()
    qtbot.waitUntil(lambda: not dock.recaller.busy, timeout=20_000)
    assert not any(mark.decided for mark in dock.session.state.marks)
