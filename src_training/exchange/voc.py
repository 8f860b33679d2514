"""VOC's colour masks on their way in: ``labelmap.txt`` says which colour is which class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src_training import decoding
from src_training.dataset.frame import IGNORE
from src_training.decoding.process import Lost
from src_training.errors import BadMask, DatasetError, printable
from src_training.exchange.classes import Classes
from src_training.regular import read_regular

LABELMAP = "labelmap.txt"
_LARGEST = 1 << 20
# Around objects VOC draws what nobody judges in this colour.
_BORDER = 0xE0E0C0


@dataclass(frozen=True)
class ColourMask:
    """A mask by colours; ``values`` is what each colour (red << 16 | green << 8 | blue) is: 0, 1 or 255."""

    path: Path
    values: Mapping[int, int]

    @property
    def name(self) -> str:
        return self.path.name

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255."""
        try:
            colours = decoding.ask({"ask": "colours", "path": str(self.path.absolute())}).array
        except Lost as lost:
            raise BadMask(f"{self.name}: cannot be read as a mask ({lost}). Save it as PNG.") from lost
        assert colours is not None
        found, places = np.unique(colours, return_inverse=True)
        strange = [int(colour) for colour in found if int(colour) not in self.values]
        if strange:
            listed = ", ".join(f"{colour >> 16},{colour >> 8 & 255},{colour & 255}" for colour in strange[:3])
            raise BadMask(
                f"{self.name}: {len(strange)} colours that {LABELMAP} does not name ({listed}). Save it as PNG."
            )
        values = np.array([self.values[int(colour)] for colour in found], np.uint8)
        return values[places].reshape(colours.shape)


def labelmap_of(folder: Path, classes: Classes) -> dict[int, int] | None:
    """What each colour of the masks in this folder is, by the ``labelmap.txt`` in it or above it; None without one.

    Raises DatasetError for a file that is none, and for classes that may be vessel or not.
    """
    path = next((at / LABELMAP for at in (folder, folder.parent) if (at / LABELMAP).exists()), None)
    if path is None:
        return None
    try:
        lines = read_regular(path, _LARGEST).decode("utf-8-sig").splitlines()
        entries = {_entry(line) for line in lines if line.strip() and not line.startswith("#")}
        names = dict(entries)
        if len(names) < len(entries):
            raise ValueError("one colour is of two classes")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or f"not lines of name:red,green,blue:: ({str(error)[:80]})"
        raise DatasetError(printable(f"{path.name}: {reason}. Export it again.")) from error
    return {_BORDER: IGNORE, **classes.values(names, path.name)}


def _entry(line: str) -> tuple[int, str]:
    name, colour, *_ = line.split(":")
    red, green, blue = (int(part) for part in colour.split(","))
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise ValueError("a colour out of range")
    return red << 16 | green << 8 | blue, name.strip()
