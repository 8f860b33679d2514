"""Promises of full-tree labels: what nobody outlined is not called background, and branches become vessels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from src_training.evaluation.stress import THIN_PX, vessel_width_px
from src_training.samples import home_frames
from src_training.training.drawn_trees import TreeSettings, draw_frame, remove_vessels
from src_training.training.ridges import full_tree_label, ignore_unlabelled_vessels

CLEAR = TreeSettings(contrast=(0.6, 1.0), motion_px=0, catheter=1, hardware=0, body_edges=0, reflux=0)


@pytest.fixture(scope="module")
def drawn():
    """(frame, complete label, outlines of the wide vessels alone) of drawn trees."""
    frames = []
    for index, home in enumerate(home_frames()[:24:4]):
        frame, label = draw_frame(remove_vessels(home.image), np.random.default_rng([5, index]), CLEAR)
        outlined = (label == 1) & (vessel_width_px(label) >= THIN_PX)
        frames.append((frame, label, outlined.astype(np.uint8)))
    return frames


def share(where: np.ndarray, of: np.ndarray) -> float:
    return float(np.mean(where[of]))


def test_of_branches_that_nobody_outlined_a_third_is_spared_and_hardly_any_background(drawn):
    left = [share(full_tree_label(f, o) == 0, (label == 1) & (o == 0)) for f, label, o in drawn]
    everywhere = [share(full_tree_label(f, o) == 0, label == 0) for f, label, o in drawn]
    assert np.mean(left) < 0.7 and np.mean(everywhere) > 0.85


def test_what_grows_from_the_outlines_is_vessel(drawn):
    hits, found = 0, 0
    for frame, label, outlined in drawn:
        grown = (full_tree_label(frame, outlined) == 1) & (outlined == 0)
        hits += int((grown & ndimage.binary_dilation(label != 0)).sum())
        found += int(grown.sum())
    assert found > 3000 and hits > 0.8 * found


def test_the_outlines_stay_vessel_whatever_a_model_says(drawn):
    frame, _, outlined = drawn[0]
    nothing = np.zeros(frame.shape, np.float32)
    assert (full_tree_label(frame, outlined, nothing)[outlined == 1] == 1).all()


def test_the_second_round_takes_what_a_model_finds_and_drops_wide_ridges_where_it_sees_none(drawn):
    frame, _, outlined = drawn[0]
    ignored = ignore_unlabelled_vessels(frame, outlined) == 255
    everything, nothing = (np.full(frame.shape, p, np.float32) for p in (1, 0))
    assert (full_tree_label(frame, outlined, everything)[ignored] == 1).all()
    settled = full_tree_label(frame, outlined, nothing)
    assert 0.05 < share(settled == 0, ignored) < 0.95  # wide ones alone
    unsure = full_tree_label(frame, outlined, np.full(frame.shape, 0.3, np.float32))
    assert np.array_equal(unsure, full_tree_label(frame, outlined))


@pytest.mark.parametrize("size", [256, 768])
def test_lengths_are_those_of_a_frame_of_any_size(drawn, size):
    from src_training.inference.preprocess import resample, resample_label

    frame, _, outlined = drawn[0]
    other = full_tree_label(resample(frame.astype(np.float32), (size, size)), resample_label(outlined, size))
    assert np.mean(other != 0) == pytest.approx(np.mean(full_tree_label(frame, outlined) != 0), rel=0.6)
