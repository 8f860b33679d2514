"""The numbers that turn probabilities into a mask, chosen on held-out frames; how far probabilities are true."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from src_training.inference.postprocess import mask_from_probability
from src_training.networks.network import Network
from src_training.training.progress import Watcher
from src_training.training.samples import Sample
from src_training.training.validation import predict

MIN_COMPONENTS_PX = (0, 25, 50, 100, 200)
# In Dice, for the full tree: a missed vessel costs a person more than a wrong one, one stroke to erase.
RECALL_PRICE = 0.005
_THRESHOLDS = np.round(np.arange(0.2, 0.91, 0.05), 2)
_BINS = 10
Probabilities = Sequence[NDArray[np.float32]]


def predicted(
    network: Network, samples: Sequence[Sample], watcher: Watcher = Watcher()
) -> list[NDArray[np.float32]]:
    """Probabilities (H, W) of every sample."""
    fused = network.fused()
    return [predict(fused, sample) for sample in watcher.through(samples, "judging frames")]


def choose_decision(
    probabilities: Probabilities, held_out: Sequence[Sample], protocol: str, watcher: Watcher = Watcher()
) -> dict[str, float]:
    """Threshold and minimum component size with the best mean Dice on the held-out samples.

    For the full tree it is the lowest threshold whose Dice is less than `RECALL_PRICE` below that.
    """
    grid = [
        [
            {"threshold": t, "min_component_px": float(m)} | _figures(probabilities, held_out, t, m)
            for m in MIN_COMPONENTS_PX
        ]
        for t in watcher.through(_THRESHOLDS.tolist(), "trying thresholds")
    ]
    by_threshold = [max(rows, key=lambda row: row["dice"]) for rows in grid]
    price = RECALL_PRICE if protocol == "full-tree" else 0.0
    least = max(row["dice"] for row in by_threshold) - price
    return next(row for row in by_threshold if row["dice"] >= least)


def reliability(probabilities: Probabilities, held_out: Sequence[Sample]) -> dict[str, object]:
    """The reliability curve on reviewed pixels: ``curve`` of (mean probability, share of vessel, share of pixels)
    per tenth, empty ones left out, and ``ece``, the expected calibration error (Naeini et al., AAAI 2015).
    """
    reviewed = [sample.label != 255 for sample in held_out]
    values = np.concatenate([p[mask] for p, mask in zip(probabilities, reviewed, strict=True)])
    vessel = np.concatenate([s.label[mask] == 1 for s, mask in zip(held_out, reviewed, strict=True)])
    bins = np.minimum((values * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    sums = np.bincount(bins, weights=values, minlength=_BINS)
    hits = np.bincount(bins, weights=vessel, minlength=_BINS)
    filled = counts > 0
    mean, share = sums[filled] / counts[filled], hits[filled] / counts[filled]
    weight = counts[filled] / max(1, counts.sum())
    curve = [[round(float(v), 4) for v in row] for row in zip(mean, share, weight, strict=True)]
    return {"curve": curve, "ece": round(float((weight * np.abs(mean - share)).sum()), 5)}


def _figures(
    probabilities: Probabilities, samples: Sequence[Sample], threshold: float, smallest: int
) -> dict[str, float]:
    rows = [
        _frame_figures(mask_from_probability(probability, threshold, smallest), sample.label)
        for probability, sample in zip(probabilities, samples, strict=True)
    ]
    names = ("dice", "precision", "recall")
    return {name: round(float(value), 4) for name, value in zip(names, np.mean(rows, axis=0), strict=True)}


def _frame_figures(mask: NDArray[np.uint8], label: NDArray[np.uint8]) -> tuple[float, float, float]:
    reviewed = label != 255
    predicted, vessel = mask[reviewed] == 1, label[reviewed] == 1
    hit, found, true = np.count_nonzero(predicted & vessel), int(predicted.sum()), int(vessel.sum())
    return 2 * hit / max(1, found + true), hit / max(1, found), hit / max(1, true)
