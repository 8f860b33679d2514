"""Grey that is stored as colour: read as grey where it is grey in fact, refused where colours differ."""

from __future__ import annotations

import numpy as np

from src_training.cine.budget import unreadable
from src_training.cine.cine import luminance

#: Colour models whose first or equal components are the grey values.
MODELS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
_LOSSLESS_ERROR, _LOSSY_ERROR = (
    2,
    8,
)  # of 255: what a conversion or a lossy codec may have done to equal components


def as_grey(colour: np.ndarray, name: str, *, lossy: bool, by_components: bool) -> np.ndarray:
    """(Y, X, 3) components → (Y, X) grey values of the same type.

    ``by_components``: they may be luminance and chroma, which are then without colour at half of the range; else red,
    green and blue, which are equal. UnreadableCine where neither is so.
    """
    allowed = (_LOSSY_ERROR if lossy else _LOSSLESS_ERROR) << (8 * (colour.dtype.itemsize - 1))
    wide = colour.astype(np.int64)
    if np.ptp(wide, axis=-1).max() <= allowed:
        return luminance(colour)
    half = 1 << (8 * colour.dtype.itemsize - 1)
    if by_components and np.abs(wide[..., 1:] - half).max() <= allowed:
        return np.ascontiguousarray(colour[..., 0])
    raise unreadable(
        name,
        "a colour capture, whose colours differ, not the angiogram itself",
        "Export the original greyscale XA object.",
    )
