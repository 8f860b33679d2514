"""COCO as ARCADE lays it out: ``<split>/images`` and ``<split>/annotations/<split>.json`` with polygons."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.frame import IGNORE, VESSEL
from src_training.exchange.files import write_json, write_png
from src_training.exchange.frames import ExportFrame
from src_training.exchange.polygons import polygons_of

CATEGORIES = ((1, "vessel", VESSEL), (2, "ignore", IGNORE))
_SPLITS = ("train", "val", "test")


def write_coco(folder: Path, frames: Iterable[ExportFrame]) -> None:
    """Category ``vessel``, and ``ignore`` for what nobody reviewed; a frame without vessels has no annotation."""
    records = {split: _empty() for split in _SPLITS}
    for number, frame in enumerate(frames, 1):
        name = f"{frame.name}.png"
        write_png(folder / frame.split / "images" / name, frame.picture)
        record = records[frame.split]
        height, width = frame.mask.shape
        facts = {"id": number, "file_name": name, "width": width, "height": height}
        record["images"].append(facts | {"patient": frame.patient})
        record["annotations"] += _annotations(frame.mask, number, len(record["annotations"]))
    for split, record in records.items():
        write_json(folder / split / "annotations" / f"{split}.json", record)


def _empty() -> dict[str, Any]:
    return {
        "info": {"description": "Research use only. Not a medical device, not for diagnosis."},
        "images": [],
        "annotations": [],
        "categories": [{"id": id_, "name": name, "supercategory": ""} for id_, name, _ in CATEGORIES],
    }


def _annotations(mask: NDArray[np.uint8], image: int, before: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for category, _name, value in CATEGORIES:
        if not (mask == value).any():
            continue
        rows, columns = np.nonzero(mask == value)
        corner = [int(columns.min()), int(rows.min())]
        size = [int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
        polygons = [polygon.ravel().tolist() for polygon in polygons_of(mask == value)]
        found.append(
            {
                "id": before + len(found) + 1,
                "image_id": image,
                "category_id": category,
                "segmentation": polygons,
                "area": int(rows.size),
                "bbox": corner + size,
                "iscrowd": 0,
            }
        )
    return found
