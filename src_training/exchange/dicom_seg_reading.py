"""DICOM SEG on its way in: ours, highdicom's and others', matched to their pictures by the UIDs that they refer to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training import decoding
from src_training.cine.apart import ask_file
from src_training.cine.sniff import recognise
from src_training.dataset.folders import Matched, check_size
from src_training.dataset.frame import IGNORE, VESSEL
from src_training.decoding.process import Lost
from src_training.errors import BadMask, UnreadableCine
from src_training.exchange.classes import Classes

_LABELMAP, _FRACTIONAL = "LABELMAP", "FRACTIONAL"
Planes = list[tuple[int | None, int]]  # segment (none in a label map), place in the file


@dataclass(frozen=True)
class SegMask:
    """What one segmentation holds of one picture, by its frame; ``values`` is what each segment is (0, 1, 255)."""

    path: Path
    facts: dict[str, Any]
    by_frame: dict[int | None, Planes]
    values: dict[int, int]
    threshold: float | None = None

    @property
    def name(self) -> str:
        return self.path.name

    def frames(self, cine: tuple[int, int, int]) -> Sequence[int]:
        """Which frames of a cine have a segment; BadMask where the file does not say, as it need not of one picture."""
        if cine[0] > 1 and None in self.by_frame:
            raise BadMask(
                f"{self.name}: does not say which of {cine[0]} frames it is of (ReferencedFrameNumber). Export that "
                "frame and its mask as PNG."
            )
        return sorted(t for t in self.by_frame if t is not None)

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255: vessels over what is ignored."""
        check_size(self.name, tuple(self.facts["shape"][1:]), "its picture", cine[1:])
        planes = self.by_frame.get(t) or (self.by_frame.get(None) if cine[0] == 1 else None)
        if planes is None:
            raise BadMask(
                f"{self.name}: no segment on frame {t}: no vessel, or nobody looked. Choose another one."
            )
        mask = np.zeros(cine[1:], np.uint8)
        drawn = [(segment, self._plane(index)) for segment, index in planes]
        for value in (IGNORE, VESSEL):
            for segment, plane in drawn:
                if segment is None:
                    mask[np.isin(plane, [one for one, meant in self.values.items() if meant == value])] = (
                        value
                    )
                elif self.values[segment] == value:
                    mask[self._inside(plane)] = value
        return mask

    def _plane(self, index: int) -> NDArray:
        try:
            found = decoding.ask(
                {"ask": "seg plane", "path": str(self.path.absolute()), "index": index}
            ).array
        except Lost as lost:
            raise BadMask(f"{self.name}: cannot be read ({lost}). Export it again.") from lost
        assert found is not None
        return found

    def _inside(self, plane: NDArray) -> NDArray[np.bool_]:
        if self.threshold is not None:
            return plane >= self.threshold
        if self.facts["kind"] == _FRACTIONAL and not np.isin(plane, (0, self.facts["most"])).all():
            raise BadMask(
                f"{self.name}: holds parts of {self.facts['most']}. Say from which on it is vessel (--mask-threshold)."
            )
        return plane != 0


def match_segs(
    segs: Sequence[Path], images: Sequence[Path], classes: Classes, threshold: float | None = None
) -> Matched:
    """The pictures among ``images`` (DICOM files) that the segmentations ``segs`` refer to.

    Raises DatasetError for segments that may be vessel or not.
    """
    matched = Matched("the images", list(images))
    sources = _by_uid(images)
    for path in segs:
        try:
            facts = _facts(path)
        except BadMask as error:
            matched.failures.append(str(error))
            continue
        if not facts["is_seg"]:
            continue
        labels = {int(number): label for number, label in facts["segments"]}
        values = classes.values(labels, path.name, "segments")
        if remark := classes.remark(labels.values(), path.name):
            matched.remarks.append(remark)
        by_source: defaultdict[str, dict[int | None, Planes]] = defaultdict(dict)
        for index, (segment, uid, number) in enumerate(facts["frames"]):
            if segment is None and facts["kind"] != _LABELMAP:
                matched.failures.append(f"{path.name}: a frame of no segment. Export it again.")
                break
            t = None if number is None else number - 1
            one = None if facts["kind"] == _LABELMAP else segment
            by_source[uid].setdefault(t, []).append((one, index))
        else:
            _place(matched, path, facts, by_source, sources, values, threshold)
    return matched


def _place(
    matched: Matched,
    path: Path,
    facts: dict[str, Any],
    by_source: dict[str, dict[int | None, Planes]],
    sources: dict[str, list[Path]],
    values: dict[int, int],
    threshold: float | None,
) -> None:
    for uid, by_frame in by_source.items():
        found = sources.get(uid, [])
        if len(found) == 1:
            matched.pairs.append((found[0], SegMask(path, facts, by_frame, values, threshold)))
        elif found:
            names = ", ".join(one.name for one in found)
            matched.failures.append(f"{path.name}: its picture is there several times ({names}). Keep one.")
        else:
            matched.failures.append(f"{path.name}: the picture that it refers to is not among the images.")


def _facts(path: Path) -> dict[str, Any]:
    try:
        return decoding.ask({"ask": "seg", "path": str(path.absolute())}).facts
    except Lost as lost:
        raise BadMask(f"{path.name}: cannot be read ({lost}). Export it again.") from lost


def _by_uid(images: Sequence[Path]) -> dict[str, list[Path]]:
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in images:
        try:
            if recognise(path) == "dicom":
                uid = ask_file(path, {"ask": "uids", "keywords": ["SOPInstanceUID"]}).facts["SOPInstanceUID"]
                found[uid].append(path)
        except (UnreadableCine, OSError):
            continue  # a segmentation of it then says that its picture is missing
    found.pop("", None)
    return found
