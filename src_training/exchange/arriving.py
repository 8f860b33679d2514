"""Datasets of other programs on their way in: COCO polygons (ARCADE's official form) and nnU-Net v2."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.folders import Matched, check_size, files_in
from src_training.dataset.frame import IGNORE, VESSEL
from src_training.dataset.masks import read_labels
from src_training.decoding.limits import MEMORY
from src_training.errors import BadMask, DatasetError
from src_training.exchange.filling import extent_of, fill
from src_training.exchange.run_lengths import mask_of_runs
from src_training.regular import read_regular

_LARGEST_SIDE = 8192
# Of the annotations of one image, seconds in all: 2,000 of them over a whole frame of 512x512.
_MOST_EFFORT = 1 << 29  # pixels
_A_LINE = 128  # pixels that take as long as an edge on one line of the image, or as one run length
_A_SHAPE = 1 << 15  # pixels that take as long as the smallest polygon
_FARTHEST = 1e6  # of a polygon's points, in pixels
_MASK_ENDINGS = (".png", ".tif", ".tiff", ".bmp")
_IGNORE_NAME = "ignore"


@dataclass(frozen=True)
class PolygonMask:
    """The annotations of one COCO image; those of the categories ``ignored`` say that nobody can tell."""

    name: str
    shape: tuple[int, int]
    annotations: list[dict[str, Any]]
    ignored: frozenset[int]

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """Every category but the ignored ones is vessel; nothing is drawn at a size that the picture has not."""
        check_size(self.name, self.shape, self.name, cine[1:])
        mask, left = np.zeros(self.shape, np.uint8), _MOST_EFFORT
        for wanted, value in ((True, IGNORE), (False, VESSEL)):
            for one in self.annotations:
                if (one.get("category_id") in self.ignored) is wanted:
                    left = self._draw(mask, one.get("segmentation"), value, left)
        return mask

    def _draw(self, mask: NDArray[np.uint8], segmentation: Any, value: int, left: int) -> int:
        """Draw one annotation; what is left of the effort that one image may cost."""
        try:
            if isinstance(segmentation, dict):
                left = self._spend(left, _A_SHAPE + mask.size + _A_LINE * len(segmentation["counts"]))
                mask[mask_of_runs(segmentation, self.shape)] = value
                return left
            if not segmentation:
                raise ValueError("it is empty")
            for polygon in map(_polygon, segmentation):
                pixels, lines = extent_of(polygon, self.shape)
                left = self._spend(left, _A_SHAPE + pixels + _A_LINE * lines)
                fill(mask, polygon, value)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise BadMask(
                f"{self.name}: a segmentation cannot be read ({error}). Export it as polygons."
            ) from error
        return left

    def _spend(self, left: int, effort: int) -> int:
        if effort > left:
            raise BadMask(
                f"{self.name}: its annotations are more, or have more points, than any angiogram needs. "
                "Export one annotation for each vessel, with fewer points."
            )
        return left - effort


@dataclass(frozen=True)
class NumberedMask:
    """A mask whose numbers have the meaning that its dataset gives them; others are refused."""

    path: Path
    meaning: dict[int, int]

    @property
    def name(self) -> str:
        return self.path.name

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255."""
        values = read_labels(self.path)
        found = np.unique(values).tolist()
        strange = [value for value in found if value not in self.meaning]
        if strange:
            raise BadMask(
                f"{self.name}: holds {strange[:5]}, which dataset.json does not name. Check the label file."
            )
        mask = np.zeros(values.shape, np.uint8)
        for value in found:
            mask[values == value] = self.meaning[int(value)]
        return mask


def match_coco(annotations: Path, images: Path) -> Matched:
    """The images that ``annotations`` (a COCO JSON) names, in the folder ``images``; only names count, not paths."""
    record = _json(annotations, "a COCO file (images, annotations, categories)")
    try:
        of_image: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
        for one in record["annotations"]:
            hash(one.get("category_id"))  # a number or a word, as the categories have it
            of_image[int(one["image_id"])].append(one)
        ignored = frozenset(
            int(one["id"])
            for one in record.get("categories", [])
            if str(one["name"]).casefold() == _IGNORE_NAME
        )
        listed = [
            (int(one["id"]), Path(str(one["file_name"]).replace("\\", "/")).name, _size(one))
            for one in record["images"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(
            f"{annotations.name}: not a COCO file ({type(error).__name__}: {error}). Export it again."
        ) from error
    there = {file.name: file for file in files_in(images)}
    matched = Matched(images.name, list(there.values()))
    for id_, name, shape in listed:
        if name not in there:
            matched.failures.append(f"{name[:200]}: named in {annotations.name}, but not in {images.name}.")
        elif not of_image[id_]:
            matched.remarks.append(
                f"{name}: no annotation, which may mean no vessel or nobody looked; left out"
            )
        else:
            matched.pairs.append((there[name], PolygonMask(name, shape, of_image[id_], ignored)))
    return matched


def match_nnunet(folder: Path) -> Matched:
    """Channel 0 of the training and test images with their labels, as ``dataset.json`` names these."""
    record = _json(folder / "dataset.json", "nnU-Net's dataset.json")
    try:
        meaning = _meaning(record["labels"])
        ending = str(record["file_ending"]).lower()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(
            f"dataset.json: labels or file_ending cannot be read ({error}). Check them."
        ) from error
    if ending not in _MASK_ENDINGS:
        raise DatasetError(
            f"dataset.json: files ending with {ending[:20]} are not read. Export the dataset as .png or .tif."
        )
    matched = Matched(folder.name)
    for part in ("Tr", "Ts"):
        if not (folder / f"labels{part}").is_dir():
            continue
        images = {file.name: file for file in files_in(folder / f"images{part}")}
        matched.images += images.values()
        for mask in files_in(folder / f"labels{part}"):
            if mask.suffix.lower() != ending:
                continue
            image = images.get(f"{mask.stem}_0000{mask.suffix}")
            if image is None:
                matched.failures.append(f"{mask.name}: no {mask.stem}_0000{mask.suffix} in images{part}.")
            else:
                matched.pairs.append((image, NumberedMask(mask, meaning)))
    if not matched.pairs and not matched.failures:
        raise DatasetError(f"{folder.name}: no labels in labelsTr or labelsTs. Check the folder.")
    return matched


def _json(path: Path, expected: str) -> dict[str, Any]:
    try:
        content = _within_budget(path)
        record = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "not JSON"
        raise DatasetError(f"{path.name}: {reason}. Give {expected}.") from error
    if not isinstance(record, dict):
        raise DatasetError(f"{path.name}: holds no named parts. Give {expected}.")
    return record


def _within_budget(path: Path) -> bytes:
    """The file's content, refused where its objects could take more memory than a decoder may: it is parsed here.

    Sizes of CPython: up to 40 bytes for a number and its place, 72 for an empty list or object and its place.
    """
    content = read_regular(path, MEMORY)
    parts = content.count(b"[") + content.count(b"{")
    if len(content) + 40 * content.count(b",") + 72 * parts > MEMORY:
        raise DatasetError(
            f"{path.name}: would take more than {MEMORY >> 20:,} MiB of memory. Split it into several files."
        )
    return content


def _meaning(labels: dict[str, Any]) -> dict[int, int]:
    """nnU-Net's number → ours: background, ignore, and vessel for every other name."""
    ours = {"background": 0, _IGNORE_NAME: IGNORE}
    return {int(number): ours.get(name.casefold(), VESSEL) for name, number in labels.items()}


def _size(image: dict[str, Any]) -> tuple[int, int]:
    height, width = int(image["height"]), int(image["width"])
    if not (0 < height <= _LARGEST_SIDE and 0 < width <= _LARGEST_SIDE):
        raise ValueError(f"an image of {height}x{width}")
    return height, width


def _polygon(numbers: Any) -> NDArray[np.float64]:
    points = np.asarray(numbers, np.float64).reshape(-1, 2)
    if len(points) < 3 or not np.isfinite(points).all():
        raise ValueError("a polygon needs three finite points")
    if np.abs(points).max() > _FARTHEST:
        raise ValueError("a point lies far outside of any image")
    return points
