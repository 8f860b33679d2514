"""Promises of the one way from a frame to network input and back."""

import numpy as np
import pytest

from src_training.inference import mask_from_probability
from src_training.inference.postprocess import component_px_for
from src_training.inference.preprocess import (
    collimated_field,
    frame_probability,
    network_input,
    normalise,
    working_shape,
)
from src_training.models.card import Normalisation

NORMAL = Normalisation()


def frame_with_vessel(shape=(300, 400), dtype=np.uint8):
    """Grey with noise and one dark bar."""
    rng = np.random.default_rng(0)
    frame = rng.normal(150, 8, shape)
    frame[100:110, 50:350] -= 60
    return frame.clip(0, 255).astype(dtype)


@pytest.mark.parametrize("shape", [(512, 512), (300, 300), (1024, 1024), (300, 400), (777, 512), (17, 500)])
def test_a_mask_comes_back_at_the_frames_own_size(shape):
    frame = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    image, placement = network_input(frame, NORMAL, 512, 16)
    assert image.shape[0] % 16 == 0 and image.shape[1] % 16 == 0
    assert max(placement.working) == 512
    assert frame_probability(np.full(image.shape, 0.25, np.float32), placement).shape == shape


def test_a_probability_map_survives_the_way_there_and_back():
    truth = np.zeros((300, 400), np.float32)
    truth[100:110, 50:350] = 1
    image, placement = network_input(truth, NORMAL, 512, 16)
    back = frame_probability((image - image.min()) / np.ptp(image), placement)
    overlap = 2 * np.sum((back > 0.5) & (truth > 0.5)) / (np.sum(back > 0.5) + np.sum(truth > 0.5))
    assert overlap > 0.95


@pytest.mark.parametrize(
    ("change", "largest"),
    [
        (lambda f: f * 257.0, 1e-4),  # 16-bit copy
        (lambda f: f.astype(np.float64) / 255, 1e-4),  # float copy
        (lambda f: f.astype(np.int16) - 1000, 1e-4),  # signed with offset
        (lambda f: f * 0.5 + 20, 1e-4),  # another window
    ],
)
def test_grey_scale_and_offset_do_not_matter(change, largest):
    frame = frame_with_vessel((512, 512)).astype(np.float32)
    expected, _ = network_input(frame, NORMAL, 512, 16)
    found, _ = network_input(change(frame), NORMAL, 512, 16)
    assert np.abs(found - expected).max() < largest


def test_collimator_blades_do_not_change_the_field_normalisation():
    frame = frame_with_vessel((512, 512)).astype(np.float32)
    bladed = frame.copy()
    bladed[:, :120] = 0
    inside = np.s_[:, 130:]
    assert np.abs(normalise(bladed, NORMAL)[inside] - normalise(frame, NORMAL)[inside]).max() < 0.15


def test_inverting_a_bright_vessel_run_equals_its_dark_twin():
    frame = frame_with_vessel((512, 512)).astype(np.float32)
    dark, _ = network_input(frame, NORMAL, 512, 16)
    bright, _ = network_input(255 - frame, NORMAL, 512, 16, invert=True)
    assert np.abs(dark - bright).max() < 1e-4


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((64, 64), np.uint8),
        np.full((64, 64), np.nan, np.float32),
        np.where(np.eye(64) > 0, np.inf, 1.0),
        np.full((64, 64), 3e38, np.float32) * np.sign(np.arange(64) - 32),
        np.zeros((64, 64), bool),
        np.array([[7]], np.uint16),
    ],
    ids=["black", "all NaN", "infinities", "huge", "bool", "one pixel"],
)
def test_odd_frames_never_give_non_finite_input(frame):
    image, _ = network_input(frame, NORMAL, 512, 16)
    assert np.isfinite(image).all()
    assert np.abs(image).max() <= NORMAL.clip


def test_a_field_of_almost_nothing_is_not_believed():
    frame = np.zeros((512, 512), np.float32)
    frame[200:220, 200:220] = 200
    assert collimated_field(frame).all()


def test_working_shape_keeps_the_aspect():
    assert working_shape((300, 600), 512) == (256, 512)


def test_specks_are_dropped_and_corners_connect():
    probability = np.zeros((20, 20))
    probability[np.arange(10), np.arange(10)] = 0.9
    probability[15, 2:5] = 0.9
    mask = mask_from_probability(probability, 0.5, min_component_px=5)
    assert mask.sum() == 10
    assert mask_from_probability(probability, 0.5).sum() == 13
    assert mask.dtype == np.uint8


def test_minimum_component_scales_with_the_frame():
    assert component_px_for(40, 512, (512, 512)) == 40
    assert component_px_for(40, 512, (1024, 1024)) == 160
