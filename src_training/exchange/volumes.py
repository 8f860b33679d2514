"""NIfTI, NRRD and MetaImage as ITK-SNAP and Slicer write them: masks on their way in, and pictures of nnU-Net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training import decoding
from src_training.dataset.frame import IGNORE, VESSEL
from src_training.dataset.masks import read_mask
from src_training.decoding.process import Lost
from src_training.errors import BadMask, DatasetError
from src_training.exchange.classes import Classes


@dataclass(frozen=True)
class VolumeMask:
    """A mask in such a file: by the names of its segments where it has any, else by its numbers as any mask."""

    path: Path
    threshold: float | None = None
    classes: Classes = field(default_factory=Classes)
    stacked: bool = False

    @property
    def name(self) -> str:
        return self.path.name

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255 for frame ``t`` of its cine."""
        found = _ask(self.path, frame=t if cine[0] > 1 else None, of=cine[0], stacked=self.stacked)
        planes, segments = found.array, found.facts["segments"]
        assert planes is not None
        if segments and self.threshold is None:
            mask = self._by_segment(planes, segments)
        elif len(planes) == 1:
            mask = read_mask(planes[0], threshold=self.threshold, name=self.name)
        else:
            raise BadMask(f"{self.name}: {len(planes)} layers that nothing names. Save it as a labelmap.")
        return self._placed(mask, found.facts["offset"], cine[1:])

    def frames(self, cine: tuple[int, int, int]) -> Sequence[int]:
        """All of them."""
        return range(cine[0])

    def _by_segment(self, planes: NDArray, segments: list[list[Any]]) -> NDArray[np.uint8]:
        try:
            meant = self.classes.values({name: name for name, *_ in segments}, self.name, "segments")
        except DatasetError as error:
            raise BadMask(str(error)) from error
        mask = np.zeros(planes.shape[1:], np.uint8)
        explained = planes == 0
        for value in (IGNORE, VESSEL, 0):
            for name, number, layer in segments:
                if not 0 <= layer < len(planes):
                    raise BadMask(f"{self.name}: segment {name[:60]} lies in a layer that is not there.")
                here = planes[layer] == number
                explained[layer] |= here
                if value and meant[name] == value:
                    mask[here] = value
        if not explained.all():
            raise BadMask(f"{self.name}: holds numbers that none of its segments has. Save it again.")
        return mask

    def _placed(self, mask: NDArray[np.uint8], offset: list[int], size: tuple[int, int]) -> NDArray[np.uint8]:
        _t, top, left = offset
        if (top, left) == (0, 0) and offset == [0, 0, 0]:
            return mask
        rows, columns = mask.shape
        if min(top, left) < 0 or top + rows > size[0] or left + columns > size[1]:
            raise BadMask(f"{self.name}: reaches beyond its picture of {size[0]}x{size[1]}. Save it uncut.")
        placed = np.zeros(size, np.uint8)
        placed[top : top + rows, left : left + columns] = mask
        return placed


def _ask(path: Path, **question: Any) -> decoding.Answer:
    try:
        return decoding.ask({"ask": "volume", "path": str(path.absolute()), **question})
    except Lost as lost:
        raise BadMask(f"{path.name}: cannot be read ({lost}). Save it again, or as PNG.") from lost
