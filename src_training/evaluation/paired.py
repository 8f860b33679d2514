"""Two models on the same frames: the mean difference, and how sure it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src_training.evaluation.evaluate import Evaluation

_SEED = 20_230_604
_RESAMPLES = 5_000
Difference = tuple[float, float, float]


def mean_difference(gaps: NDArray[np.float64]) -> Difference:
    """(mean, low, high) of differences (seeds, frames): percentiles 2.5 and 97.5 over resamples of both."""
    rng = np.random.default_rng(_SEED)
    seeds, frames = gaps.shape
    means = [
        gaps[rng.integers(seeds, size=seeds)][:, rng.integers(frames, size=frames)].mean()
        for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(gaps.mean()), float(low), float(high)


def differences(one: Evaluation, other: Evaluation) -> dict[str, Difference]:
    """``one`` minus ``other`` by metric, paired by frame; frames where a metric is undefined are left out of it.

    Raises ValueError when they are not of the same frames in the same order.
    """
    if [score.name for score in one.scores] != [score.name for score in other.scores]:
        raise ValueError("the two evaluations are of different frames")
    found = {}
    for metric in one.metrics:
        pairs = zip(one.scores, other.scores, strict=True)
        gaps = np.array([new.metrics[metric] - old.metrics[metric] for new, old in pairs])
        known = gaps[np.isfinite(gaps)]
        if known.size:
            found[metric] = mean_difference(known[None])
    return found
