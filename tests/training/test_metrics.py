"""Promises of the metrics: hand-made cases, an independent oracle, ignored pixels left out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from src_training.evaluation import METRICS, frame_metrics
from src_training.evaluation.metrics import auc, cldice, hd95

SHAPE = (60, 80)
EMPTY = np.zeros(SHAPE, bool)


def bar(row: int, height: int = 4) -> np.ndarray:
    mask = EMPTY.copy()
    mask[row : row + height, 10:70] = True
    return mask


def metrics(found, vessel, ignored=EMPTY):
    truth = vessel.astype(np.uint8)
    truth[ignored] = 255
    return frame_metrics(found.astype(np.float32), found, truth)


def test_a_perfect_mask_scores_perfectly():
    found = metrics(bar(20), bar(20))
    assert found == pytest.approx(dict.fromkeys(METRICS, 1.0) | {"hd95": 0.0})


def test_half_a_vessel_found():
    half = bar(20)
    half[:, 40:] = False
    found = metrics(half, bar(20))
    assert found["recall"] == pytest.approx(0.5)
    assert found["precision"] == 1
    assert found["dice"] == pytest.approx(2 / 3)
    assert found["iou"] == pytest.approx(0.5)
    assert found["accuracy"] == pytest.approx(1 - 120 / (60 * 80))


@pytest.mark.parametrize(
    ("found", "vessel", "dice", "line", "distance"),
    [
        (EMPTY, EMPTY, 1.0, 1.0, 0.0),
        (EMPTY, bar(20), 0.0, 0.0, math.hypot(*SHAPE)),
        (bar(20), EMPTY, 0.0, 0.0, math.hypot(*SHAPE)),
        (bar(20), bar(40), 0.0, 0.0, 20.0),
    ],
    ids=["both empty", "nothing found", "nothing there", "apart"],
)
def test_empty_and_disjoint_masks(found, vessel, dice, line, distance):
    assert metrics(found, vessel)["dice"] == dice
    assert cldice(found, vessel) == line
    assert hd95(found, vessel) == pytest.approx(distance)


def test_what_is_ignored_changes_nothing():
    ignored = bar(40, 10)
    assert metrics(bar(20) | bar(42), bar(20), ignored) == pytest.approx(metrics(bar(20), bar(20), ignored))


def test_auc_is_the_share_of_ordered_pairs():
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 6, 60) / 5, rng.random(60) < 0.4
    pairs = scores[positive][:, None] - scores[~positive][None]
    assert auc(scores, positive) == pytest.approx(
        np.mean(np.where(pairs > 0, 1, np.where(pairs == 0, 0.5, 0)))
    )
    assert math.isnan(auc(scores, np.ones(60, bool)))


@pytest.mark.parametrize("seed", range(4))
def test_monai_agrees_on_dice_iou_and_hd95(seed):
    torch = pytest.importorskip("torch")
    monai_metrics = pytest.importorskip("monai.metrics")
    rng = np.random.default_rng(seed)
    found, vessel = (ndimage.gaussian_filter(rng.normal(size=SHAPE), 3) > 0.05 for _ in range(2))
    ours = metrics(found, vessel)
    pair = [torch.from_numpy(mask.astype(np.float32))[None, None] for mask in (found, vessel)]
    assert ours["dice"] == pytest.approx(monai_metrics.compute_dice(*pair).item(), abs=1e-6)
    assert ours["iou"] == pytest.approx(monai_metrics.compute_iou(*pair).item(), abs=1e-6)
    theirs = monai_metrics.compute_hausdorff_distance(*pair, include_background=True, percentile=95).item()
    assert ours["hd95"] == pytest.approx(theirs, abs=1e-4)
