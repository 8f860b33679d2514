"""What lies in a folder from elsewhere: a dataset of LightVessel, images with masks or among them, COCO, nnU-Net."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from src_training import durable
from src_training.cine.sniff import SUFFIXES
from src_training.dataset.folders import Matched, files_below, pair_up
from src_training.dataset.mask_kinds import is_mask_file, is_outlined, looks_outlined
from src_training.errors import DatasetError, printable
from src_training.exchange.arriving import match_coco
from src_training.exchange.classes import Classes
from src_training.exchange.cvat import match_cvat
from src_training.exchange.mask_sources import Reading
from src_training.exchange.nnunet_reading import match_nnunet

_DEEPEST = 8  # folders around the data set, each alone in the one above it
_SPLITS = ("train", "val", "valid", "validation", "test")
_COCO_ENDING = ".coco.json"
_INSTANCES = "instances_"
_MASKS = ("masks", "labels")
_VOC = ("JPEGImages", "SegmentationClass")
_BESIDE = ("images", "annotations", "Annotations", "ImageSets", "SegmentationObject", *_VOC)
_PACKER = "__MACOSX"


def recognise(
    folder: Path, name: str, threshold: float | None = None, classes: Classes | None = None
) -> Path | Matched:
    """The folder with the ``dataset.json`` of LightVessel, or the pairs of any other data set.

    ``name`` is what messages call the folder. Raises DatasetError when nothing in it can be imported.
    """
    at = folder
    for _ in range(_DEEPEST):
        listed = _visible(at)
        if (found := _lightvessel(at) or _pairs(at, threshold, classes)) is not None:
            return found
        inside = [path for path in listed if path.is_dir()]
        if len(inside) != 1:
            break
        at = inside[0]
    raise DatasetError(
        printable(
            f"{name}: nothing in it can be imported. Give a workspace or dataset of LightVessel, images/ with masks/, "
            "f1_mask.png beside f1.png, images/ with annotations/*.json (COCO), or imagesTr with labelsTr (nnU-Net v2)."
        )
    )


def _lightvessel(folder: Path) -> Path | None:
    """A workspace counts as its dataset."""
    if (folder / "cases").is_dir() and (folder / "dataset.json").exists():
        return folder
    inside = folder / "dataset"
    return inside if (inside / "dataset.json").exists() and (inside / "cases").is_dir() else None


def _pairs(folder: Path, threshold: float | None, classes: Classes | None) -> Matched | None:
    if any((folder / f"labels{part}").is_dir() for part in ("Tr", "Ts")):
        return match_nnunet(folder, classes)
    whole = any((folder / name).is_dir() for name in ("images", _VOC[0]))
    parts = [folder] if whole else [folder, *(folder / split for split in _SPLITS)]
    found = [one for part in parts for one in _pictures(part, threshold, classes)]
    if not found and _hold_their_masks(folder):
        found = [Reading(threshold, classes or Classes()).match(folder, folder)]
    if not found:
        return None
    joined = _joined(folder.name, found)
    joined.remarks += _passed_over(folder, joined, whole)
    return joined


def _passed_over(folder: Path, matched: Matched, whole: bool) -> Iterator[str]:
    """A line for each folder with pictures or masks that nothing was taken from: other parts, and other masks."""
    taken = [path for image, mask in matched.pairs for path in (image, getattr(mask, "path", image))]
    used = {above for path in [*taken, *matched.images] for above in path.parents}
    parts = [] if whole else [folder / split for split in _SPLITS if (folder / split).is_dir()]
    for place in (folder, *parts):
        masks = next((place / name for name in _MASKS if (place / name).is_dir()), None)
        for inside in filter(Path.is_dir, _visible(place)):
            is_known = inside in used or inside == masks or inside in parts or inside.name in _BESIDE
            if not is_known and _holds_pictures(inside):
                yield f"{inside.relative_to(folder).as_posix()}: a folder that is not looked into; import it by itself"


def _holds_pictures(folder: Path) -> bool:
    return any(is_mask_file(path) or path.suffix.lower() in SUFFIXES for path in folder.rglob("*"))


def _hold_their_masks(folder: Path) -> bool:
    """Whether masks lie among their pictures: ``f1_mask.png`` beside ``f1.png``, or as labelme puts its files."""
    files = files_below(folder)
    masks = [file for file in files if is_mask_file(file) and (not is_outlined(file) or looks_outlined(file))]
    return bool(pair_up(files, masks, folder, folder).pairs)


def _pictures(folder: Path, threshold: float | None, classes: Classes | None) -> list[Matched]:
    """Of ``images/`` with masks or with COCO annotations beside it, or of annotations among their images."""
    images = folder / "images"
    if (folder / _VOC[0]).is_dir() and (folder / _VOC[1]).is_dir():
        return [Reading(threshold, classes or Classes()).match(folder / _VOC[0], folder / _VOC[1])]
    if not images.is_dir():
        return [match_coco(path, folder, classes) for path in _among_images(folder)]
    reading = Reading(threshold, classes or Classes())
    for masks in (folder / name for name in _MASKS):
        if masks.is_dir():
            return [reading.match(images, masks)]
    beside = folder / "annotations"
    listed = _visible(beside if beside.is_dir() else folder)
    found = [match_cvat(path, images, classes) for path in listed if path.suffix.lower() == ".xml"]
    found += [
        match_coco(path, _part_of(images, path), classes) for path in listed if path.suffix.lower() == ".json"
    ]
    return found


def _among_images(folder: Path) -> list[Path]:
    """Annotations that lie beside the very images they name."""
    if not folder.is_dir():
        return []
    return [path for path in _visible(folder) if path.name.lower().endswith(_COCO_ENDING)]


def _part_of(images: Path, annotations: Path) -> Path:
    """The folder of the subset that a file of annotations is called after, if there is one."""
    subset = images / annotations.stem.removeprefix(_INSTANCES)
    return subset if subset.is_dir() else images


def _joined(where: str, parts: Sequence[Matched]) -> Matched:
    joined = Matched(where)
    for part in parts:
        joined.images += part.images
        joined.pairs += part.pairs
        joined.failures += part.failures
        joined.remarks += part.remarks
    times = Counter(image for image, _ in joined.pairs)
    joined.failures += [
        f"{image.name}: annotated in {count} files. Keep one of them."
        for image, count in times.items()
        if count > 1
    ]
    joined.pairs = [(image, mask) for image, mask in joined.pairs if times[image] == 1]
    return joined


def _visible(folder: Path) -> list[Path]:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise DatasetError(f"{folder.name}: cannot be listed. {durable.cure_for_reading(error)}") from error
    return [folder / name for name in names if not name.startswith(".") and name != _PACKER]
