"""COCO on its way in: polygons (ARCADE's official form) and run lengths, by the class of each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.folders import Matched, check_size, files_in
from src_training.dataset.frame import IGNORE, VESSEL
from src_training.errors import DatasetError
from src_training.exchange.classes import Classes
from src_training.exchange.records import read_record
from src_training.exchange.run_lengths import mask_of_runs
from src_training.exchange.shapes import Canvas, size_of, unreadable_shape


@dataclass(frozen=True)
class PolygonMask:
    """The annotations of one COCO image; ``values`` is what each category is (0, 1, 255)."""

    name: str
    shape: tuple[int, int]
    annotations: list[dict[str, Any]]
    values: dict[Any, int]

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """Vessels over what is ignored; nothing is drawn at a size that the picture has not."""
        check_size(self.name, self.shape, self.name, cine[1:])
        canvas = Canvas(self.name, self.shape)
        for value in (IGNORE, VESSEL):
            for one in self.annotations:
                if self.values[one.get("category_id")] == value:
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
    """The images that ``annotations`` (a COCO JSON) names, in the folder ``images``; only names count, not paths.

    Raises DatasetError for categories in use that may be vessel or not, as ``classes`` and their names have it.
    """
    record = read_record(annotations, "a COCO file (images, annotations, categories)")
    try:
        of_image: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
        for one in record["annotations"]:
            hash(one.get("category_id"))  # a number or a word, as the categories have it
            of_image[int(one["image_id"])].append(one)
        names = {one["id"]: str(one["name"]) for one in record.get("categories", [])}
        listed = [
            (
                int(one["id"]),
                Path(str(one["file_name"]).replace("\\", "/")).name,
                size_of(one["height"], one["width"]),
            )
            for one in record["images"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(
            f"{annotations.name}: not a COCO file ({type(error).__name__}: {error}). Export it again."
        ) from error
    used = {one.get("category_id"): None for one in record["annotations"]}
    in_use = {id_: names.get(id_, f"category {id_}") for id_ in used}
    values = (classes or Classes()).values(in_use, annotations.name, "categories")
    there = {file.name: file for file in files_in(images)}
    matched = Matched(images.name, list(there.values()))
    if remark := (classes or Classes()).remark(in_use.values(), annotations.name):
        matched.remarks.append(remark)
    for id_, name, shape in listed:
        if name not in there:
            matched.failures.append(f"{name[:200]}: named in {annotations.name}, but not in {images.name}.")
        elif not of_image[id_]:
            matched.remarks.append(
                f"{name}: no annotation, which may mean no vessel or nobody looked; left out"
            )
        else:
            matched.pairs.append((there[name], PolygonMask(name, shape, of_image[id_], values)))
    return matched
