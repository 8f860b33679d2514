"""Angiograms and their masks, drawn by chance: for judging masks without any patient's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SIDE = 160


def angiogram(seed: int, side: int = SIDE) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A frame (Y, X) with dark vessels on an uneven ground, and its mask of 0 and 1; no turn leaves it as it is."""
    chance = np.random.default_rng(seed)
    vessel = np.zeros((side, side), bool)
    for _ in range(3):
        place, heading = chance.uniform(0.1, 0.5, 2) * side, chance.uniform(0, 1.5)
        for _ in range(side // 2):
            vessel[tuple(np.clip(place.astype(int), 0, side - 1))] = True
            heading += chance.normal(0, 0.15)
            place = place + (np.sin(heading), np.cos(heading))
    vessel = ndimage.binary_dilation(vessel, iterations=2)
    ground = 25 * ndimage.gaussian_filter(chance.normal(size=(side, side)), 12) * 12 + 140
    grey = ground - 45 * ndimage.gaussian_filter(vessel.astype(float), 1) + chance.normal(0, 5, vessel.shape)
    return np.clip(grey, 20, 255).astype(np.uint8), vessel.astype(np.uint8)
