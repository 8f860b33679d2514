"""The golden frame: what a model answered to one drawn frame when it was made, asked again whenever it is loaded.

Hashes show that the files are the same; this shows that they still compute the same, whatever runtime, processor
or version of a library runs them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SIDE = 128  # px, a multiple of every network's stride
BLOCKS = 8  # a side: the answer is kept as means of 16 x 16 px
_VESSELS = (
    (2.0, 30.0, 14.0, 0.05),
    (3.5, 62.0, 20.0, 0.035),
    (6.0, 98.0, 10.0, 0.06),
)  # px: radius, height, sway

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def golden_input() -> NDArray[np.float32]:
    """The frame as a network sees it, (SIDE, SIDE) in about -1…1: three dark curves on an uneven ground.

    It may never change: the answers of all models refer to it.
    """
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    frame = 0.35 + 0.3 * np.sin(y / 41) * np.cos(x / 57)
    for radius, height, sway, pace in _VESSELS:
        distance = y - height - sway * np.sin(pace * x)
        frame -= 0.9 * np.exp(-((distance / radius) ** 2))
    return frame.astype(np.float32)


def golden_answer(run: Run) -> list[float]:
    """Mean vessel probability of each of BLOCKS x BLOCKS blocks, row by row, as ``run`` computes it."""
    probability = np.asarray(run(golden_input()), dtype=np.float64)
    block = SIDE // BLOCKS
    means = probability.reshape(BLOCKS, block, BLOCKS, block).mean(axis=(1, 3))
    return [round(float(value), 5) for value in means.ravel()]


def departure(run: Run, answer: list[float]) -> float:
    """The largest difference between ``answer`` and what ``run`` computes now; infinite where that is not finite."""
    found = np.array(golden_answer(run))
    if found.size != len(answer) or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - np.array(answer)).max())
