"""Vessel-like background of partially labelled frames: what a loss must not teach to be 'no vessel'."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import sato

_SIGMAS = (1.0, 2.0, 3.0)  # px at half resolution
_PERCENTILE = 35.0  # of the response inside the outlines
_CLEARANCE_PX = 4  # the outlines' own edge stays background


def ridge_response(frame: NDArray) -> NDArray[np.float32]:
    """Multi-scale response to dark ridges of a (Y, X) frame, computed at half resolution (sato)."""
    grey = np.asarray(frame, dtype=np.float32)
    half = ndimage.zoom(grey, 0.5, order=1)
    response = sato(half, sigmas=_SIGMAS, black_ridges=True)
    scale = [full / small for full, small in zip(grey.shape, response.shape, strict=True)]
    return ndimage.zoom(response, scale, order=1).astype(np.float32)


def ignore_unlabelled_vessels(frame: NDArray, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mask with 255 on vessel-like background away from the outlines.

    ARCADE outlines only SYNTAX-relevant segments; correct side branches are background there. A
    background pixel is ignored where its ridge response exceeds the 35th percentile of the response
    inside the outlines, more than 4 px away from them. Frames without outlines are returned as they are.
    """
    vessel = mask == 1
    if not vessel.any():
        return mask
    response = ridge_response(frame)
    ridge_like = response > np.percentile(response[vessel], _PERCENTILE)
    away = ndimage.distance_transform_edt(~vessel) > _CLEARANCE_PX
    return np.where(ridge_like & away & (mask == 0), np.uint8(255), mask)


def settle_ridges(
    label: NDArray[np.uint8], probability: NDArray[np.float32], doubt: float = 0.1
) -> NDArray[np.uint8]:
    """The second round: an ignored pixel is background after all where a model sees no vessel (p < ``doubt``).

    Ribs and devices are ridges too; what the model does see stays ignored, for a teacher to pass on.
    """
    return np.where((label == 255) & (probability < doubt), np.uint8(0), label)
