"""Grey that is stored as colour: read as grey where it is grey in fact, refused where colours differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from src_training.cine.budget import unreadable
from src_training.cine.cine import luminance

#: Colour models whose first or equal components are the grey values.
MODELS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
EVERY = 8  # so often a picture of an animation or video is looked at for colours
# Of 255: what a conversion or a lossy codec may have done to equal components.
_LOSSLESS_ERROR, _LOSSY_ERROR = 2, 8
IN_COLOUR = "in colour, read as luminance: what was drawn on it in colour is in its grey values"


def remarks_of(decode: Callable[[], np.ndarray]) -> tuple[str, ...]:
    """`remarks_on` what this decodes; none where it cannot be decoded, which is told when the frame is."""
    try:
        picture = decode()
    except Exception:  # noqa: BLE001 - decoders raise what they like
        return ()
    return remarks_on(picture)


def remarks_on(picture: np.ndarray) -> tuple[str, ...]:
    """What a person should know of a decoded picture (Y, X) or (Y, X, 1 to 4) of which grey values are read."""
    channels = picture.shape[2] if picture.ndim == 3 else 1
    told: tuple[str, ...] = ()
    if channels in (3, 4) and is_coloured(picture[..., :3]):
        told += (IN_COLOUR,)
    if channels in (2, 4) and picture[..., -1].min() != picture[..., -1].max():
        told += ("partly transparent: what is hidden there is read, too",)
    return told


def is_coloured(colour: np.ndarray) -> bool:
    """Whether red, green and blue (Y, X, 3) differ by more than a lossy codec does to grey."""
    spread = colour.max(-1).astype(np.float64) - colour.min(-1)
    # Deeper ones rarely use the range of their type.
    largest = 255.0 if colour.dtype == np.uint8 else float(np.abs(colour.astype(np.float64)).max())
    return bool((spread > largest * _LOSSY_ERROR / 255).any())


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
