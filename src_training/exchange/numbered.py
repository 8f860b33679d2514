"""Masks whose numbers a file beside them names, both ways: 255 alone would else be read as vessel."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.frame import IGNORE, VESSEL
from src_training.dataset.masks import read_labels
from src_training.errors import BadMask, DatasetError, printable
from src_training.exchange.classes import Classes
from src_training.exchange.files import write_json
from src_training.exchange.records import read_record

LABELS = {"0": "background", str(VESSEL): "vessel", str(IGNORE): "ignore"}
LABELS_FILE = "labels.json"
_LISTS = (LABELS_FILE, "datalist.json")  # ours, and the one of MONAI
_MASK_FOLDERS = ("masks", "labels")  # and labelsTr of nnU-Net


@dataclass(frozen=True)
class NumberedMask:
    """A mask whose numbers have the meaning that the file ``named_in`` gives them; others are refused.

    A ``stacked`` one has a page for every frame of its cine; see `MaskFile`.
    """

    path: Path
    meaning: Mapping[int, int]
    named_in: str
    stacked: bool = False

    @property
    def name(self) -> str:
        return self.path.name

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255 for frame ``t`` of its cine."""
        values = read_labels(self.path, *((t, cine[0], self.stacked) if cine[0] > 1 else ()))
        found = np.unique(values).tolist()
        strange = [value for value in found if value not in self.meaning]
        if strange:
            raise BadMask(
                f"{self.name}: holds {strange[:5]}, which {self.named_in} does not name. Check the label file."
            )
        mask = np.zeros(values.shape, np.uint8)
        for value in found:
            mask[values == value] = self.meaning[int(value)]
        return mask

    def frames(self, cine: tuple[int, int, int]) -> Sequence[int]:
        """All of them."""
        return range(cine[0])


def write_labels(folder: Path) -> None:
    """What the numbers of our masks mean, beside the folder that holds them."""
    write_json(folder / LABELS_FILE, {"labels": LABELS})


def labels_of(folder: Path, classes: Classes) -> tuple[str, dict[int, int]] | None:
    """The file above ``folder`` that names the numbers of its masks, and what each is; None without one.

    The folder may be one run's within that of the masks: then the file may lie above the latter.
    Raises DatasetError for a file beside the folder that is none, and for classes that may be vessel or not.
    """
    above = folder.absolute().parent
    found = _named_in(above)
    if found is None and above.name.lower().startswith(_MASK_FOLDERS):
        with contextlib.suppress(DatasetError):  # so far up it may be about anything
            found = _named_in(above.parent)
    return None if found is None else (found[0], classes.values(found[1], found[0]))


def _named_in(folder: Path) -> tuple[str, dict[int, str]] | None:
    """The file in ``folder`` that names numbers, and their names; DatasetError for one that is none."""
    path = next((folder / name for name in _LISTS if (folder / name).is_file()), None)
    record = None if path is None else read_record(path, "labels by number")
    if path is None or record is None or (path.name != LABELS_FILE and "labels" not in record):
        return None
    try:
        return path.name, {int(number): str(name) for number, name in record["labels"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(
            printable(f'{path.name}: no labels as {{"0": "background", "1": "vessel"}}. Mend or remove it.')
        ) from error
