"""One immutable revision of a case: its record, and the image and mask that the record names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.blobs import read_blob
from src_training.dataset.frame import VESSEL
from src_training.dataset.patients import Bucket
from src_training.dataset.record import record_name
from src_training.errors import DatasetError

if TYPE_CHECKING:
    from src_training.cine.cine import Calibration, Grey, Projection


@dataclass(frozen=True, eq=False)
class Revision:
    """A frame, its mask, and who said so; two are equal when their records are.

    Attributes
    ----------
    folder : Path
        The case's folder.
    record : dict
        As read, with keys this version does not know.
    bucket : "train", "val" or "test"
        Where the patient falls in the split.
    """

    folder: Path
    record: dict[str, Any]
    bucket: Bucket

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Revision) and (self.case, self.sha) == (other.case, other.sha)

    def __hash__(self) -> int:
        return hash((self.case, self.sha))

    def __repr__(self) -> str:
        return f"Revision({self.case}, {self.name}, {self.status}, {self.bucket})"

    @property
    def case(self) -> str:
        """24 hex digits: the frame's identity."""
        return self.record["case"]

    @property
    def seq(self) -> int:
        """1 for the first revision of a case; corrections count on."""
        return self.record["seq"]

    @property
    def sha(self) -> str:
        """The record's own sha256."""
        return self.record["self_sha256"]

    @property
    def name(self) -> str:
        """``r0002-<sha16>``, the record's file without ``.json``."""
        return record_name(self.record)

    @property
    def text(self) -> str:
        """For a person: ``3fa9… rev 2``."""
        return f"{self.case[:4]}… rev {self.seq}"

    @property
    def status(self) -> str:
        """One of ``STATUSES``."""
        return self.record["status"]

    @property
    def patient_key(self) -> str | None:
        """The keyed hash of the patient's id; None: unknown."""
        return self.record["patient_key"]

    @property
    def replaces(self) -> frozenset[str]:
        """The sha of every revision that this one stands in for."""
        parent = self.record["parent"]
        return frozenset([*([parent] if parent else []), *self.record.get("supersedes", [])])

    @property
    def says(self) -> tuple[str, str]:
        """Status and mask: heads that say the same are no conflict."""
        return self.status, self.record["mask"]["pixels_sha256"]

    @property
    def picture(self) -> str:
        """The sha256 of the stored image: frames of several patients that agree in it show the same."""
        return self.record["image"]["sha256"]

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X)."""
        rows, columns = self.record["image"]["shape"]
        return rows, columns

    @property
    def frame_index(self) -> int | None:
        """Position in its cine; None for a single image."""
        return self.record["frame_index"]

    @property
    def annotator(self) -> str:
        """A pseudonym."""
        return self.record["annotator"]

    @property
    def model_id(self) -> str | None:
        """The model that proposed the mask."""
        return self.record["model_id"]

    @property
    def projection(self) -> Projection:
        """The C-arm's angles."""
        from src_training.cine.cine import Projection, from_facts

        return Projection(**from_facts(Projection, self.record["projection"]))

    @property
    def calibration(self) -> Calibration:
        """How far millimetres can be trusted."""
        from src_training.cine.cine import Calibration, from_facts

        return Calibration(**from_facts(Calibration, self.record["calibration"]))

    @property
    def grey(self) -> Grey | None:
        """How stored values become shown ones; None: they are shown as stored."""
        from src_training.cine.cine import Grey, from_facts

        facts = self.record.get("grey")
        return None if facts is None else Grey(**from_facts(Grey, facts))

    def image(self) -> NDArray:
        """The (Y, X) stored pixel values, in their own type."""
        return self._decoded("image")

    def mask(self) -> NDArray[np.uint8]:
        """(Y, X) uint8: 0 background, 1 vessel, 255 ignore."""
        return self._decoded("mask")

    def frame(self) -> NDArray:
        """The (Y, X) values as the viewer showed them: rescaled, MONOCHROME1 inverted, vessels dark."""
        shown, grey = self.image(), self.grey
        if grey is not None:
            shown = grey.shown(shown)
        if not self.record.get("vessels_bright"):
            return shown
        from src_training.cine.polarity import vessels_dark

        return vessels_dark(shown)

    def vessel_px(self) -> int:
        """Number of vessel pixels."""
        return int((self.mask() == VESSEL).sum())

    def _decoded(self, which: str) -> NDArray:
        facts = self.record[which]
        try:
            return read_blob(self.folder, facts)  # a plain file name: checked when the record was read
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DatasetError(
                f"{self.case}/{facts['file']}: {reason}. Restore the file from a backup; "
                "lightvessel dataset verify --deep lists all damage."
            ) from error
