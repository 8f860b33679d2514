"""Promises of the stress set: known changes, masks that stay true, a report that tells models apart."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from src_training.evaluation import EvalItem
from src_training.evaluation.stress import (
    REPORTED,
    VARIANTS,
    _stressed_item,
    drawn_set,
    stress_report,
    stressed,
    vessel_width_px,
)

SHAPE = (384, 512)


def chest(seed: int = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    slow = ndimage.gaussian_filter(rng.normal(size=shape), 40)
    return np.clip(140 + 25 * slow / slow.std() + rng.normal(0, 3, shape), 0, 255).astype(np.uint8)


def angiogram(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A dark bar 12 px wide, part of it ignored."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[180:192, 20:480] = 1
    mask[180:192, 20:60] = 255
    return np.where(mask > 0, chest(seed) // 2, chest(seed)), mask


class Knowing:
    """A predictor that knows the truth of some frames, may lose thin vessels, and is blind to the others."""

    model = SimpleNamespace(id="knowing")

    def __init__(self, pairs, opening: int = 0) -> None:
        self.truths = {frame.tobytes(): self._seen(truth == 1, opening) for frame, truth in pairs}

    @staticmethod
    def _seen(vessel: np.ndarray, opening: int) -> np.ndarray:
        if opening:
            vessel = ndimage.binary_opening(vessel, np.ones((opening, opening)))
        return vessel.astype(np.float32)

    def probability(self, frame: np.ndarray) -> np.ndarray:
        return self.truths.get(frame.tobytes(), np.zeros(frame.shape, np.float32))

    def mask(self, probability: np.ndarray) -> np.ndarray:
        return (probability > 0.5).astype(np.uint8)


@pytest.fixture(scope="module")
def drawn():
    return drawn_set([chest(0, (512, 512)), chest(1, (512, 512))], 3, seed=7)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_the_frame_and_keeps_its_kind(name):
    frame, mask = angiogram()
    changed, truth = stressed(frame, mask, name, np.random.default_rng(0))
    assert changed.dtype == truth.dtype == np.uint8
    assert changed.shape == truth.shape == ((225, 300) if name == "300px" else SHAPE)
    assert set(np.unique(truth)) <= {0, 1, 255}
    assert changed.shape != frame.shape or np.mean(changed != frame) > 0.005


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_the_same_for_the_same_generator_and_leaves_its_input_alone(name):
    frame, mask = angiogram()
    before = frame.copy(), mask.copy()
    first, again = (stressed(frame, mask, name, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert np.array_equal(frame, before[0]) and np.array_equal(mask, before[1])


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - {"300px", "vignette"}))
def test_the_mask_stays_where_pixels_stay(name):
    frame, mask = angiogram()
    assert np.array_equal(stressed(frame, mask, name, np.random.default_rng(0))[1], mask)


def test_an_unknown_variant_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="'fog' is not one of low-contrast"):
        stressed(*angiogram(), "fog", np.random.default_rng(0))


def test_low_contrast_shrinks_differences_about_the_mean():
    frame, mask = angiogram()
    changed, _ = stressed(frame, mask, "low-contrast", np.random.default_rng(0))
    assert changed.std() == pytest.approx(0.45 * frame.std(), rel=0.03)
    assert changed.mean() == pytest.approx(frame.mean(), abs=0.6)


def test_300px_keeps_the_share_of_vessel_and_of_ignored_pixels():
    frame, mask = angiogram()
    _, small = stressed(frame, mask, "300px", np.random.default_rng(0))
    for value in (1, 255):
        assert np.mean(small == value) == pytest.approx(np.mean(mask == value), rel=0.12)


def test_a_vessel_in_the_dark_of_the_vignette_is_ignored_and_in_the_light_kept():
    frame, mask = angiogram()
    changed, truth = stressed(frame, mask, "vignette", np.random.default_rng(0))
    lost = (truth == 255) & (mask == 1)
    assert 100 < np.count_nonzero(lost) < np.count_nonzero(mask == 1) / 2
    assert changed[lost].max() < 60
    assert np.array_equal(truth[~lost], mask[~lost])


def test_the_drawn_set_is_the_same_for_the_same_seed_only(drawn):
    backgrounds = [chest(0, (512, 512)), chest(1, (512, 512))]
    again, other = drawn_set(backgrounds, 3, seed=7), drawn_set(backgrounds, 3, seed=8)
    assert len(drawn) == 3
    assert all(
        np.array_equal(a, b)
        for one, two in zip(drawn, again, strict=True)
        for a, b in zip(one, two, strict=True)
    )
    assert not np.array_equal(drawn[0][0], other[0][0])


@pytest.mark.parametrize(("width", "size"), [(3, 512), (12, 512), (12, 256)])
def test_widths_are_told_at_512_pixels(width, size):
    label = np.zeros((size, size), np.uint8)
    label[100 : 100 + width, 10:-10] = 1
    middle = vessel_width_px(label)[100 : 100 + width, size // 2]
    assert middle == pytest.approx(width * 512 / size, abs=1.1 * 512 / size)


def test_the_report_has_every_variant_and_all_figures(drawn):
    items = [EvalItem(f"frame {index}", None, *angiogram(index)) for index in range(2)]
    report = stress_report(Knowing([(item.image, item.truth) for item in items]), items, drawn)
    assert list(report) == ["as-is", *VARIANTS, "drawn"]
    assert all(set(REPORTED) <= set(figures) for figures in report.values())
    assert report["as-is"] == dict.fromkeys(REPORTED, 1.0)
    # It knows the frames as they were only: a report on unchanged frames would show 1 here.
    assert all(report[name]["recall"] == 0 for name in VARIANTS)
    assert report == stress_report(Knowing([(item.image, item.truth) for item in items]), items, drawn)


def test_a_model_that_loses_thin_vessels_is_found_out(drawn):
    perfect, coarse = (stress_report(Knowing(drawn, opening), [], drawn)["drawn"] for opening in (0, 5))
    assert perfect["recall_thin"] == perfect["recall_wide"] == perfect["dice"] == 1
    assert coarse["recall_thin"] < 0.3 < 0.8 < coarse["recall_wide"]


def test_a_frame_of_16_bits_is_stressed_like_the_same_of_8():
    frame, mask = angiogram()
    pictures = [EvalItem("frame", None, image, mask) for image in (frame, frame.astype(np.uint16) * 16 + 7)]
    for name in VARIANTS:
        eight, sixteen = (_stressed_item(picture, name).image.astype(float) for picture in pictures)
        contrast = [image.std() for image in (eight, sixteen)]
        assert np.corrcoef(eight.ravel(), sixteen.ravel())[0, 1] > 0.98, name
        assert contrast[0] < 2.5 * contrast[1] < 6 * contrast[0], name
    trees = drawn_set([pictures[1].image], 1, seed=7)
    assert trees[0][0].dtype == np.uint8 and trees[0][0].std() > 20
