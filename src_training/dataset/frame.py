"""What is handed to the dataset: a frame with its known-safe facts, and the story of its mask."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.patients import known_patient
from src_training.errors import BadMask, DatasetError

if TYPE_CHECKING:
    from src_training.cine.cine import Calibration, Cine, Grey, Projection

#: What a person (or a model: ``proposed``) said about a frame.
STATUSES = ("accepted", "no_vessel", "uncertain", "not_evaluable", "rejected", "proposed")
BACKGROUND, VESSEL, IGNORE = 0, 1, 255
#: How far the millimetres of a frame can be trusted.
CALIBRATIONS = ("uncalibrated", "detector", "geometry", "fiducial", "corrected", "unknown", "catheter")

_EFFORT = ("seconds", "strokes", "pixels_added", "pixels_removed")
_ANNOTATOR = re.compile(r"[\w .+-]{0,64}")  # no @: an address is a person
_MODEL = re.compile(r"[\w.+-]{1,128}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Frame:
    """One frame of a patient; only what is named here can ever reach the disk.

    Attributes
    ----------
    pixels : (Y, X) array
        Stored values: before rescale, window and inversion.
    patient : str or None
        The raw id; it is turned into a key at the door and never written. None: unknown.
    frame_index : int or None
        Position in its cine; None for a single image.
    projection, calibration : Projection, Calibration or None
    grey : Grey or None
        How stored values become shown ones; None: they are shown as stored.
    vessels_bright : bool
        The viewer had to invert this frame to show its vessels dark.
    """

    pixels: NDArray
    patient: str | None = None
    frame_index: int | None = None
    projection: Projection | None = None
    calibration: Calibration | None = None
    grey: Grey | None = None
    vessels_bright: bool = False

    @classmethod
    def from_cine(
        cls, cine: Cine, t: int, patient: str | None = None, *, vessels_bright: bool = False
    ) -> Frame:
        """Frame ``t`` of a cine; ``patient`` given by hand comes before the file's own id."""
        return cls(
            pixels=cine.stored(t),
            patient=patient if known_patient(patient) else cine.patient_id,
            frame_index=t if cine.shape[0] > 1 else None,
            projection=cine.projection_of(t),
            calibration=cine.calibration,
            grey=cine.grey_of(t),
            vessels_bright=vessels_bright,
        )

    def facts(self) -> dict[str, Any]:
        """The allowlist: numbers and words of a closed vocabulary, without the pixels and the patient."""
        return {
            "frame_index": None if self.frame_index is None else int(self.frame_index),
            "projection": _angles(self.projection),
            "calibration": _spacing(self.calibration),
            "grey": None if self.grey is None else _plain(asdict(self.grey)),
            "vessels_bright": bool(self.vessels_bright),
        }


@dataclass(frozen=True)
class Origin:
    """Where a mask comes from.

    Attributes
    ----------
    status : one of ``STATUSES``
    annotator : str
        A pseudonym of at most 64 letters, digits, spaces and ``. + - _``; no address, never a patient.
    model_id, proposal_sha256 : str or None
        The model that proposed the mask, and the sha256 of that proposal's uint8 pixels in C order.
    effort : mapping or None
        ``seconds``, ``strokes``, ``pixels_added``, ``pixels_removed``; other keys are left out.
    """

    status: str = "accepted"
    annotator: str = ""
    model_id: str | None = None
    proposal_sha256: str | None = None
    effort: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise DatasetError(f"status {self.status!r} is not known. Use one of: {', '.join(STATUSES)}.")
        check_pseudonym(self.annotator)
        _check("model id", self.model_id, _MODEL, "the id of a model, not a path")
        _check("proposal_sha256", self.proposal_sha256, _SHA256, "64 hex digits")

    def facts(self) -> dict[str, Any]:
        """As the record keeps it."""
        return {
            "status": self.status,
            "annotator": self.annotator,
            "model_id": self.model_id,
            "proposal_sha256": self.proposal_sha256,
            "effort": None if self.effort is None else _effort(self.effort),
        }


def check_pseudonym(name: str) -> None:
    """Raise DatasetError unless ``name`` may be recorded as who did something; see `Origin`."""
    _check("annotator", name, _ANNOTATOR, "a short pseudonym")


def checked_mask(mask: NDArray, shape: tuple[int, ...], status: str) -> NDArray[np.uint8]:
    """A mask as the dataset keeps it: (Y, X) uint8 of 0, 1, 255, of the frame's size.

    Raises
    ------
    BadMask
        Another size, other values, or vessels on a frame called ``no_vessel``.
    """
    mask = np.asarray(mask)
    if mask.shape != tuple(shape):
        raise BadMask(
            f"the mask is {_size(mask.shape)}, the frame {_size(shape)} (rows x columns). "
            "Use a mask of the frame's size."
        )
    strange = [value for value in np.unique(mask).tolist() if value not in (BACKGROUND, VESSEL, IGNORE)]
    if strange:
        raise BadMask(
            f"the mask holds {_listed(strange)}; allowed are 0 background, 1 vessel, 255 ignore. "
            "Read masks from elsewhere with read_mask."
        )
    vessels = int((mask == VESSEL).sum())
    if status == "no_vessel" and vessels:
        raise BadMask(
            f"the frame is called no_vessel, but its mask marks {vessels} px. Clear it, or accept it."
        )
    return np.ascontiguousarray(mask, dtype=np.uint8)


def _angles(projection: Projection | None) -> dict[str, float | None]:
    names = ("primary_deg", "secondary_deg")
    return {name: _number(getattr(projection, name, None)) for name in names}


def _spacing(calibration: Calibration | None) -> dict[str, Any]:
    status = getattr(calibration, "status", "uncalibrated")
    if status not in CALIBRATIONS:
        raise DatasetError(f"calibration {status!r} is not known. Use one of: {', '.join(CALIBRATIONS)}.")
    names = ("row_mm", "column_mm")
    return {"status": status, **{name: _number(getattr(calibration, name, None)) for name in names}}


def _effort(effort: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _number(effort[name]) for name in _EFFORT if name in effort}


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Numbers, flags and pairs of numbers only."""
    return {
        name: value
        if value is None or isinstance(value, bool)
        else [_number(part) for part in value]
        if isinstance(value, tuple)
        else _number(value)
        for name, value in facts.items()
    }


def _number(value: Any) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _check(what: str, value: str | None, pattern: re.Pattern[str], expected: str) -> None:
    if value is not None and not pattern.fullmatch(value):
        raise DatasetError(f"{what} {value[:80]!r} cannot be recorded. Give {expected}.")


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _listed(values: list) -> str:
    shown = ", ".join(f"{value:g}" for value in values[:8])
    return shown + (f" and {len(values) - 8} more values" if len(values) > 8 else "")
