"""COCO on its way in: polygons (ARCADE's official form) and run lengths, by the class of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.folders import Matched, check_size, files_below
from src_training.dataset.frame import IGNORE, VESSEL
from src_training.errors import DatasetError, printable
from src_training.exchange.classes import Classes
from src_training.exchange.records import read_record
from src_training.exchange.run_lengths import mask_of_runs
from src_training.exchange.shapes import Canvas, size_of, unreadable_shape
from src_training.naming import Matching, Name, lying, match, written


@dataclass(frozen=True)
class PolygonMask:
    """The annotations of one COCO image; ``values`` is what each category is (0, 1, 255)."""

    name: str
    shape: tuple[int, int]
    annotations: list[dict[str, Any]]
    values: dict[str, int]

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """Vessels over what is ignored; nothing is drawn at a size that the picture has not."""
        check_size(self.name, self.shape, self.name, cine[1:])
        canvas = Canvas(self.name, self.shape)
        for value in (IGNORE, VESSEL):
            for one in self.annotations:
                if self.values[_category_of(one)] == value:
                    self._draw(canvas, one.get("segmentation"), value)
        return canvas.mask

    def _draw(self, canvas: Canvas, segmentation: Any, value: int) -> None:
        try:
            if isinstance(segmentation, dict):
                canvas.pieces(len(segmentation["counts"]))
                canvas.mask[mask_of_runs(segmentation, self.shape)] = value
                return
            if not segmentation:
                raise ValueError("it is empty")
            for polygon in segmentation:
                canvas.polygon(polygon, value)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise unreadable_shape(self.name, error) from error


def match_coco(annotations: Path, images: Path, classes: Classes | None = None) -> Matched:
    """The images that ``annotations`` (a COCO JSON) names, in the folder ``images`` and below (see `naming`).

    Raises DatasetError for categories in use that may be vessel or not, as ``classes`` and their names have it.
    """
    record = read_record(annotations, "a COCO file (images, annotations, categories)")
    try:
        of_image: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        used: dict[str, None] = {}
        for one in record["annotations"]:
            used[_category_of(one)] = None
            of_image[_id(one["image_id"])].append(one)
        names: dict[str, str] = {}
        for one in record.get("categories", []):
            if names.setdefault(_id(one["id"]), str(one["name"])) != str(one["name"]):
                raise ValueError(f"two categories have the id {one['id']}")
        listed = [
            (
                _id(one["id"]),
                written(str(one["file_name"])),
                size_of(one["height"], one["width"]),
            )
            for one in record["images"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(
            f"{annotations.name}: not a COCO file ({type(error).__name__}: {error}). Export it again."
        ) from error
    _check_ids(annotations.name, listed)
    in_use = {id_: names.get(id_, f"category {id_ or None}") for id_ in used}
    values = (classes or Classes()).values(in_use, annotations.name, "categories")
    matched = Matched(images.name, files_below(images))
    if remark := (classes or Classes()).remark(in_use.values(), annotations.name):
        matched.remarks.append(remark)
    there = [lying(file, images) for file in matched.images]
    if strangers := {*of_image} - {id_ for id_, *_ in listed}:
        count = sum(len(of_image[id_]) for id_ in strangers)
        matched.failures.append(
            f"{annotations.name}: {count} annotations are of images that it does not list."
        )
    found = match([name for _, name, _ in listed], there)
    matched.failures += _refusals(
        found, [name for _, name, _ in listed], there, annotations.name, images.name
    )
    for one, other in found.pairs:
        id_, _, shape = listed[one]
        if of_image[id_]:
            drawn = PolygonMask(there[other].text, shape, of_image[id_], values)
            matched.pairs.append((matched.images[other], drawn))
        else:
            matched.remarks.append(
                f"{there[other].text}: no annotation, which may mean no vessel or nobody looked; left out"
            )
    return matched


def _id(value: Any) -> str:
    """An id for comparing: a number may be written as a word."""
    try:
        return str(int(value))
    except ValueError:
        return str(value)


def _category_of(annotation: dict[str, Any]) -> str:
    value = annotation.get("category_id")
    return "" if value is None else _id(value)


def _check_ids(where: str, listed: Sequence[tuple[str, Name, tuple[int, int]]]) -> None:
    """Raise DatasetError where one id is of two pictures: whose its annotations are, nobody can tell."""
    first: dict[str, Name] = {}
    for id_, name, _ in listed:
        if (other := first.setdefault(id_, name)) != name:
            raise DatasetError(
                printable(
                    f"{where}: {other.text[-80:]} and {name.text[-80:]} have one id ({id_[:40]}), so nobody can tell "
                    "whose its annotations are. Give every image an id of its own."
                )
            )


def _refusals(
    found: Matching, asked: Sequence[Name], there: Sequence[Name], annotations: str, images: str
) -> list[str]:
    """A line for every name that means no file, or not one alone."""
    lines = [
        f"{asked[one].text[-200:]}: named in {annotations}, but not in {images}." for one in found.unmatched
    ]
    for one, several in found.ambiguous.items():
        could = ", ".join(there[other].text for other in several[:3])
        lines.append(
            f"{asked[one].text[-200:]}: could be {could} in {images}. Name the folder in {annotations} too."
        )
    for other, claimants in found.contested.items():
        for one in claimants:
            if one not in found.ambiguous:
                lines.append(
                    f"{asked[one].text[-200:]}: one of {len(claimants)} names in {annotations} that could be "
                    f"{there[other].text} in {images}. Keep each run in a folder of its name."
                )
    return lines
