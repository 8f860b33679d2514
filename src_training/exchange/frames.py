"""What an export holds: every decided frame without a conflict, as a picture, under names that tell nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src_training.dataset import Dataset, Revision
from src_training.dataset.patients import Bucket
from src_training.dataset.twins import left_out_text, one_sided
from src_training.errors import DatasetError

_REVIEWED = ("accepted", "no_vessel")
_LARGEST = 65535
UNKNOWN = "unknown"


@dataclass(frozen=True)
class ExportFrame:
    """One frame on its way out.

    Attributes
    ----------
    name : str
        The case: 24 hex digits.
    split : "train", "val" or "test"
    patient : str
        ``p0001`` and so on, of this export only; ``unknown`` where the dataset knows none.
    picture : (Y, X) uint8 or uint16
        As the viewer shows it, vessels dark.
    mask : (Y, X) uint8 of 0, 1, 255
    exact : bool
        False where the shown values had to be cut into 65,535 steps.
    """

    name: str
    split: Bucket
    patient: str
    picture: NDArray
    mask: NDArray[np.uint8]
    exact: bool


def frames_of(dataset: Dataset) -> Iterator[ExportFrame]:
    """Every frame that is exported, in the order of their cases; DatasetError when there is none."""
    heads = reviewed(dataset)
    names = _pseudonyms(heads)
    for head in heads:
        picture, exact = as_picture(head.frame())
        yield ExportFrame(head.case, head.bucket, names[head.patient_key], picture, head.mask(), exact)


def reviewed(dataset: Dataset) -> list[Revision]:
    """The heads that are exported, no picture in two parts of the split; DatasetError when there is none."""
    heads = one_sided(_decided(dataset))
    if not heads:
        raise DatasetError("no accepted frame in this dataset yet: nothing to export. Accept some first.")
    return sorted(heads, key=lambda head: head.case)


def left_out(dataset: Dataset) -> str | None:
    """One line about the frames that no export holds because a stricter part of the split has their picture."""
    return left_out_text(_decided(dataset))


def as_picture(shown: NDArray) -> tuple[NDArray, bool]:
    """(Y, X) shown values as uint8 or uint16, and whether they are exactly the same."""
    if shown.dtype in (np.uint8, np.uint16):
        return shown, True
    finite = shown[np.isfinite(shown)] if shown.dtype.kind == "f" else shown
    low, high = float(finite.min()), float(finite.max())
    whole = finite.size == shown.size and bool((np.rint(shown) == shown).all())
    if whole and low >= 0 and high <= _LARGEST:
        return shown.astype(np.uint8 if high <= 255 else np.uint16), True
    steps = (np.nan_to_num(shown.astype(np.float64), nan=low, posinf=high, neginf=low) - low) / (
        (high - low) or 1.0
    )
    return np.rint(_LARGEST * steps).astype(np.uint16), False


def _decided(dataset: Dataset) -> list[Revision]:
    return [head for head in dataset.heads() if head.status in _REVIEWED]


def _pseudonyms(heads: Sequence[Revision]) -> dict[str | None, str]:
    keys = sorted({head.patient_key for head in heads if head.patient_key})
    return {None: UNKNOWN} | {key: f"p{number:04d}" for number, key in enumerate(keys, 1)}
