"""MONAI: a datalist JSON with ``training``, ``validation`` and ``test`` beside the pictures it names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from src_training.exchange.files import write_json, write_png
from src_training.exchange.frames import ExportFrame
from src_training.exchange.numbered import LABELS

_PARTS = {"train": "training", "val": "validation", "test": "test"}
LIST_FILE = "datalist.json"


def write_monai(folder: Path, frames: Iterable[ExportFrame]) -> None:
    """Masks hold 0, 1 and 255 (ignore); ``patient`` groups frames that must stay together."""
    record: dict[str, Any] = {
        "name": "coronary angiograms",
        "description": "Research use only. Not a medical device, not for diagnosis.",
        "modality": {"0": "XA"},
        "labels": LABELS,
        "tensorImageSize": "2D",
        **{part: [] for part in _PARTS.values()},
    }
    for frame in frames:
        image, label = f"images/{frame.name}.png", f"labels/{frame.name}.png"
        write_png(folder / image, frame.picture)
        write_png(folder / label, frame.mask)
        record[_PARTS[frame.split]].append({"image": image, "label": label, "patient": frame.patient})
    write_json(folder / LIST_FILE, record)
