"""The synthetic cine: dark vessels with exact masks, contrast that comes and goes, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from src_training.cine import synthetic_cine, vessels_look_bright

STYLES = ["default", "other-hospital"]


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(style):
    one, again = (synthetic_cine(3, n_frames=3, shape=(96, 96), style=style) for _ in range(2))
    other = synthetic_cine(4, n_frames=3, shape=(96, 96), style=style)
    np.testing.assert_array_equal(one.cine.frame(1), again.cine.frame(1))
    np.testing.assert_array_equal(one.masks, again.masks)
    assert (one.cine.frame(1) != other.cine.frame(1)).mean() > 0.5


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", range(4))
def test_contrast_washes_in_and_out(seed, style):
    run = synthetic_cine(seed, n_frames=12, style=style)
    area = run.masks.mean(axis=(1, 2))
    peak = int(area.argmax())
    assert area[0] == 0 and area[-1] < 0.2 * area[peak]
    assert 3 <= peak <= 8 and 0.015 < area[peak] < 0.15
    assert (np.diff(area[: peak - 1]) >= -0.004).all()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("seed", range(4))
def test_masked_pixels_are_darker_than_their_surroundings(seed, style):
    from scipy.ndimage import binary_dilation

    run = synthetic_cine(seed, n_frames=1, style=style)
    mask = run.masks[0] > 0
    around = binary_dilation(mask, iterations=5) & ~binary_dilation(
        mask | (run.catheter[0] > 0), iterations=2
    )
    frame = run.cine.frame(0).astype(float)
    assert frame[mask].mean() < 0.95 * frame[around].mean()


def test_the_catheter_is_there_before_the_contrast():
    run = synthetic_cine(1, n_frames=8)
    assert run.masks[0].sum() == 0 and run.catheter[0].sum() > 50


def test_the_heart_beats():
    masks = synthetic_cine(2, n_frames=16).masks
    filled = masks[7].astype(bool) & masks[9].astype(bool)
    assert filled.sum() < 0.9 * min(masks[7].sum(), masks[9].sum())


@pytest.mark.parametrize("shape", [(32, 48), (64, 64), (200, 120), (512, 512)])
@pytest.mark.parametrize("n_frames", [1, 2, 7])
def test_any_size_and_length(shape, n_frames):
    run = synthetic_cine(5, n_frames=n_frames, shape=shape)
    assert run.cine.shape == run.masks.shape == run.catheter.shape == (n_frames, *shape)
    assert run.masks.dtype == run.catheter.dtype == np.uint8 and run.cine.dtype == np.uint8
    assert set(np.unique(run.masks)) <= {0, 1} and run.masks.any()


def test_styles_differ_in_grey_level_and_noise():
    levels = {style: synthetic_cine(6, n_frames=1, style=style).cine.frame(0) for style in STYLES}
    assert abs(float(np.median(levels["default"])) - float(np.median(levels["other-hospital"]))) > 15
    with pytest.raises(ValueError, match="one of default, other-hospital"):
        synthetic_cine(style="elsewhere")


@pytest.mark.parametrize("style", STYLES)
def test_polarity_is_told_by_ridges(style):
    for seed in range(6):
        frame = synthetic_cine(seed, n_frames=1, style=style).cine.frame(0)
        assert not vessels_look_bright(frame)
        assert vessels_look_bright(255 - frame)


@pytest.mark.parametrize(
    "frame", [np.zeros((64, 64)), np.full((300, 300), np.nan), np.zeros((5, 5)), np.full((200, 200), np.inf)]
)
def test_polarity_in_doubt_is_dark(frame):
    with np.errstate(all="ignore"):
        assert vessels_look_bright(frame) is False


def test_real_frames_are_told_apart(shared_data):
    from src_training.cine import read_cine

    paths = sorted((shared_data / "arcade" / "val" / "images").glob("*.webp"))[1::8]
    frames = [read_cine(path).frame(0) for path in paths]
    assert sum(vessels_look_bright(frame) for frame in frames) == 0
    assert sum(vessels_look_bright(255 - frame) for frame in frames) >= 0.95 * len(frames)
