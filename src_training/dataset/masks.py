"""Masks from elsewhere: what their values mean, decided by one rule or refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src_training import decoding
from src_training.dataset.frame import IGNORE, VESSEL
from src_training.dataset.mask_files import plane_of
from src_training.decoding.process import Lost
from src_training.errors import BadMask

_UNSURE = 2  # the label of the dock's second brush
CURE = "Save the mask as 0 and 1, or say where vessel starts (--mask-threshold)."


def read_mask(
    source: str | os.PathLike | NDArray,
    *,
    threshold: float | None = None,
    frame: int | None = None,
    of: int | None = None,
    stacked: bool = False,
    name: str = "the mask",
) -> NDArray[np.uint8]:
    """A vessel mask of 0 background, 1 vessel, 255 ignore.

    One bit or {0, 1}: 1 is vessel; {0, 255}: 255 is vessel; {0, 1, 255}: 255 is ignore; {0, 1, 2}, as napari saves
    the mask of the dock: 2 is unsure, so ignore. A palette of greys counts as those greys, a coloured one as its
    indices.

    Parameters
    ----------
    source : path or array
        PNG, TIFF, NPY, BMP, WebP, JPEG, NIfTI, NRRD, MetaImage…, or an array (Y, X); colour only if it is grey in fact.
    threshold : float, optional
        Values of at least this are vessel, whatever they are.
    frame, of : int, optional
        Which page of a (T, Y, X) mask, and how many pages it must have: those of its cine.
    stacked : bool
        One page alone is refused where the cine has several frames: nobody said of which frame it is.
    name : str
        What messages call an array.

    Raises
    ------
    BadMask
        Unreadable, several pages and no ``frame``, or values without a meaning.
    """
    if isinstance(source, np.ndarray):
        values = plane_of(name, source, frame, of, stacked)
    else:
        name = Path(source).name
        values = _read_apart(Path(source), frame, of, stacked)
    return _meaning(name, values, threshold)


def read_labels(
    path: Path, frame: int | None = None, of: int | None = None, stacked: bool = False
) -> NDArray:
    """The numbers (Y, X) of a mask file as they are, for whoever knows what they mean; see `read_mask`."""
    return _read_apart(path, frame, of, stacked)


def _read_apart(path: Path, frame: int | None, of: int | None, stacked: bool) -> NDArray:
    """One plane of a mask file, decoded in another process."""
    question = {"ask": "mask", "path": str(path.absolute()), "frame": frame, "of": of, "stacked": stacked}
    try:
        found = decoding.ask(question).array
    except Lost as lost:
        raise BadMask(f"{path.name}: cannot be read as a mask ({lost}). Save it as PNG.") from lost
    assert found is not None
    return found


def _meaning(name: str, values: NDArray, threshold: float | None) -> NDArray[np.uint8]:
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype.kind not in "uif":
        raise BadMask(f"{name}: values of type {values.dtype}, not numbers. {CURE}")
    found = np.unique(values)
    if not np.isfinite(found).all():
        raise BadMask(f"{name}: holds NaN or infinite values. {CURE}")
    if threshold is not None:
        return _above(name, values, found, threshold)
    if np.isin(found, (0, 1)).all():
        return values.astype(np.uint8)
    if np.array_equal(found, (0, 255)):
        return (values == 255).astype(np.uint8) * np.uint8(VESSEL)
    if np.isin(found, (0, 1, IGNORE)).all() and 1 in found:
        return values.astype(np.uint8)
    if np.isin(found, (0, 1, _UNSURE)).all() and 1 in found:
        return np.where(values == _UNSURE, IGNORE, values).astype(np.uint8)
    raise BadMask(
        f"{name}: holds the values {_listed(found)}; a mask has 0 and 1, 0 and 255, or 0, 1 and 255. {CURE}"
    )


def _above(name: str, values: NDArray, found: NDArray, threshold: float) -> NDArray[np.uint8]:
    mask = (values >= threshold).astype(np.uint8)
    nothing, everything = not mask.any() and found.max() > 0, mask.all() and len(found) > 1
    if nothing or everything:
        raise BadMask(
            f"{name}: {'nothing' if nothing else 'everything'} reaches the threshold {threshold:g}; it holds "
            f"the values {_listed(found)}. Choose a threshold between them."
        )
    return mask


def _listed(found: NDArray) -> str:
    shown = ", ".join(f"{value:g}" for value in found[:8].tolist())
    return shown + (f" and {len(found) - 8} more" if len(found) > 8 else "")
