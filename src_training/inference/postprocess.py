"""From probability to mask: threshold, then drop the specks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def mask_from_probability(
    probability: NDArray, threshold: float, min_component_px: int = 0
) -> NDArray[np.uint8]:
    """1 where ``probability`` ≥ ``threshold``, less the components of fewer than ``min_component_px`` pixels.

    (Y, X) → (Y, X) uint8 of 0 and 1; touching corners connect.
    """
    vessel = np.asarray(probability) >= threshold
    if min_component_px > 1:
        labels, count = ndimage.label(vessel, structure=_EIGHT_NEIGHBOURS)
        if count:
            large = np.bincount(labels.ravel()) >= min_component_px
            large[0] = False
            vessel = large[labels]
    return vessel.astype(np.uint8)


def component_px_for(min_component_px: int, input_size: int, frame_shape: tuple[int, int]) -> int:
    """A card's minimum component size, given at working scale, in pixels of a frame of ``frame_shape``."""
    return round(min_component_px * (max(frame_shape) / input_size) ** 2)
