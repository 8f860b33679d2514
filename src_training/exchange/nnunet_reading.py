"""nnU-Net's datasets on their way in: v2 and v1 labels, regions, in any kind of file that is read."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from src_training.dataset.folders import Matched, files_in
from src_training.dataset.frame import IGNORE, VESSEL
from src_training.errors import DatasetError, printable
from src_training.exchange.classes import Classes, meaning_of
from src_training.exchange.numbered import NumberedMask
from src_training.exchange.records import read_record

_RECORD = "dataset.json"
_PICTURES = (".png", ".tif", ".tiff", ".bmp")
_VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha")
_ENDINGS = (*_PICTURES, *_VOLUMES)
_V1, _REGIONS, _V2 = "nnU-Net v1 labels", "region labels", "labels"


def match_nnunet(folder: Path, classes: Classes | None = None) -> Matched:
    """Channel 0 of the training and test images with their labels, as ``dataset.json`` names these."""
    classes = classes or Classes()
    record = read_record(folder / _RECORD, "nnU-Net's dataset.json")
    try:
        kind, names = _names(record["labels"])
        ending = str(record["file_ending"]).lower() if "file_ending" in record or kind != _V1 else ""
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(
            printable(f"dataset.json: labels or file_ending cannot be read ({error}). Check them.")
        ) from error
    matched = Matched(folder.name)
    if kind != _V2:
        matched.remarks.append(f"dataset.json: {kind}, read as such")
    meaning = _meaning(names, kind, classes)
    if remark := classes.remark((name for group in names.values() for name in group), _RECORD):
        matched.remarks.append(remark)
    ending = ending or _ending_there(folder)
    if ending not in _ENDINGS:
        raise DatasetError(
            f"dataset.json: files ending with {ending[:20]} are not read. Export the dataset as .png or .nii.gz."
        )
    for part in ("Tr", "Ts"):
        if (folder / f"labels{part}").is_dir():
            _match_part(matched, folder, part, ending, meaning)
    if not matched.pairs and not matched.failures:
        raise DatasetError(f"{folder.name}: no labels in labelsTr or labelsTs. Check the folder.")
    return matched


def _match_part(matched: Matched, folder: Path, part: str, ending: str, meaning: dict[int, int]) -> None:
    images = {file.name: file for file in files_in(folder / f"images{part}")}
    matched.images += images.values()
    for mask in files_in(folder / f"labels{part}"):
        if not mask.name.lower().endswith(ending):
            continue
        stem, end = mask.name[: -len(ending)], mask.name[-len(ending) :]
        image = images.get(f"{stem}_0000{end}")
        if image is None:
            matched.failures.append(f"{mask.name}: no {stem}_0000{end} in images{part}.")
        else:
            matched.pairs.append((image, NumberedMask(mask, meaning, _RECORD, stacked=True)))


def _names(labels: dict[str, Any]) -> tuple[str, dict[int, list[str]]]:
    """How the labels are written, and the names of every number: more than one where regions overlap."""
    if labels and all(isinstance(name, str) for name in labels.values()):
        return _V1, {int(number): [name] for number, name in labels.items()}
    found: defaultdict[int, list[str]] = defaultdict(list)
    for name, numbers in labels.items():
        for number in numbers if isinstance(numbers, list) else [numbers]:
            found[int(number)].append(name)
    return _REGIONS if any(isinstance(one, list) for one in labels.values()) else _V2, dict(found)


def _meaning(names: dict[int, list[str]], kind: str, classes: Classes) -> dict[int, int]:
    """nnU-Net's number → ours; of overlapping regions what is not judged wins, then vessel."""
    for name in names.get(0, []):
        if meaning_of(name) != "background" and not classes.knows(name):
            raise DatasetError(
                printable(
                    f"dataset.json: {kind}: 0 is called {name[:60]!r}, but nnU-Net's 0 is the background. "
                    "Rename it, or say what it is (--background-classes, --vessel-classes, --ignore-classes)."
                )
            )
    every = {name: name for group in names.values() for name in group}
    values = classes.values(every, _RECORD, kind)
    return {
        number: next(value for value in (IGNORE, VESSEL, 0) if value in {values[name] for name in group})
        for number, group in names.items()
    }


def _ending_there(folder: Path) -> str:
    """v1 names no ending: the one that all labels have."""
    names = [file.name.lower() for part in ("Tr", "Ts") for file in _listed(folder / f"labels{part}")]
    endings = {next((end for end in _ENDINGS if name.endswith(end)), "") for name in names} - {""}
    if len(endings) != 1:
        there = ", ".join(sorted(endings)) or "nothing that is read"
        raise DatasetError(
            f"dataset.json: names no file_ending, and the labels end with {there}. Add file_ending."
        )
    return endings.pop()


def _listed(folder: Path) -> list[Path]:
    return files_in(folder) if folder.is_dir() else []
