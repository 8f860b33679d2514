"""One lazy ``Cine`` for DICOM, TIFF, image files, folders and arrays; and a synthetic one."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from src_training.cine.cine import Calibration, Cine, Projection, array_cine, luminance
from src_training.cine.claims import is_claimed
from src_training.cine.read import find_inputs, natural_key, read_cine

if TYPE_CHECKING:
    from src_training.cine.polarity import Polarity, polarity_of, vessels_look_bright
    from src_training.cine.synthetic import SyntheticCine, synthetic_cine

__all__ = [
    "Calibration",
    "Cine",
    "Polarity",
    "Projection",
    "SyntheticCine",
    "array_cine",
    "find_inputs",
    "is_claimed",
    "luminance",
    "natural_key",
    "polarity_of",
    "read_cine",
    "synthetic_cine",
    "vessels_look_bright",
]

# These need scipy or scikit-image, which opening a file does not.
_LATER = {
    "Polarity": "polarity",
    "SyntheticCine": "synthetic",
    "polarity_of": "polarity",
    "synthetic_cine": "synthetic",
    "vessels_look_bright": "polarity",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
