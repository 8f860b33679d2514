"""Which reader a mask of a folder needs, whatever program it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from src_training.cine.sniff import recognise
from src_training.dataset.folders import MaskFile, MaskSource, Matched, files_below, match_pairs, same_folder
from src_training.dataset.mask_kinds import is_drawn, is_mask_file, is_outlined, is_volume, looks_outlined
from src_training.exchange.classes import Classes
from src_training.exchange.dicom_seg_reading import match_segs
from src_training.exchange.labelme import LabelmeMask
from src_training.exchange.numbered import NumberedMask, labels_of
from src_training.exchange.voc import ColourMask, labelmap_of
from src_training.exchange.volumes import VolumeMask
from src_training.exchange.yolo import YoloMask, class_names
from src_training.naming import Name, masks_among, match, written


@dataclass(frozen=True)
class Reading:
    """How the masks of a folder are read: a ``threshold`` that somebody gave, and what they said about classes."""

    threshold: float | None = None
    classes: Classes = field(default_factory=Classes)

    def sources(self, folder: Path, *, stacked: bool = False) -> Callable[[Path], MaskSource]:
        """What makes of a mask's file in this folder what reads it; DatasetError for classes nobody can tell.

        A ``stacked`` mask has a page for every frame of its cine; see `MaskFile`.
        """
        colours = labelmap_of(folder, self.classes)
        called = class_names(folder)
        labels = None if self.threshold is not None else labels_of(folder, self.classes)

        def source_of(path: Path) -> MaskSource:
            if labels is not None and not is_outlined(path):
                return NumberedMask(path, labels[1], labels[0], stacked)
            if is_volume(path):
                return VolumeMask(path, self.threshold, self.classes, stacked)
            if path.suffix.lower() == ".json":
                return LabelmeMask(path, self.classes)
            if path.suffix.lower() == ".txt":
                return YoloMask(path, called, self.classes)
            if colours is not None and path.suffix.lower() == ".png":
                return ColourMask(path, colours)
            return MaskFile(path, self.threshold, stacked)

        return source_of

    def match(self, images: Path, masks: Path) -> Matched:
        """The pairs of two folders, or of one; DatasetError for classes nobody can tell, before anything is read."""
        segs = [file for file in files_below(masks, leave_out=images) if _is_dicom(file)]
        pictures = files_below(images, leave_out=masks) if segs else []
        found = match_segs(segs, pictures, self.classes, self.threshold)
        if found.pairs or found.failures:
            if others := _of_other_kinds(images, masks):
                found.failures.append(
                    f"{others[0].name}: {len(others)} masks of other kinds lie beside the DICOM segmentations of "
                    f"{masks.name}; left out. Give them in a folder of their own."
                )
            return found
        matched = match_pairs(images, masks, self.threshold, self.sources(masks, stacked=True))
        _refuse_contradictions(matched)
        named = [source for _, source in matched.pairs if isinstance(source, LabelmeMask | YoloMask)]
        names = {name for source in named for name in source.names()}
        self.classes.values({name: name for name in names}, masks.name)
        if remark := self.classes.remark(names, masks.name):
            matched.remarks.append(remark)
        return matched


def _of_other_kinds(images: Path, masks: Path) -> list[Path]:
    """The masks of a folder that are no DICOM files; in the folder of the pictures those that are called masks."""
    files = [file for file in files_below(masks, leave_out=images) if is_mask_file(file)]
    if same_folder(images, masks):
        called = masks_among(file.name for file in files)
        files = [file for file in files if file.name in called]
    return [file for file in files if not _is_dicom(file) and (not is_outlined(file) or looks_outlined(file))]


def _refuse_contradictions(matched: Matched) -> None:
    """Take out each labelme JSON that lies by one picture and says itself that it is of another one that is there."""
    there = [Name(image.name) for image in matched.images]
    sound = []
    for image, source in matched.pairs:
        named = written(source.picture()) if isinstance(source, LabelmeMask) else Name("")
        other = Name(named.leaf)
        agrees = not named.leaf or match([other], [Name(image.name)]).pairs
        if agrees or match([other], there).unmatched:
            sound.append((image, source))
        else:
            matched.failures.append(
                f"{source.name}: called like {image.name}, but its imagePath is {named.leaf[-80:]}. Make both say one."
            )
    matched.pairs = sound


def _is_dicom(path: Path) -> bool:
    try:
        return not is_drawn(path) and recognise(path) == "dicom"
    except OSError:
        return False
