"""Pictures: ``images/``, ``masks/`` of 0, 1 and 255 (ignore), and ``split.csv``; `dataset import` reads it back."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from src_training.exchange.files import write_png
from src_training.exchange.frames import ExportFrame
from src_training.exchange.numbered import write_labels

SPLIT_FILE = "split.csv"


def write_pictures(folder: Path, frames: Iterable[ExportFrame]) -> None:
    """One PNG a frame and one a mask, and who belongs to which part of the split."""
    rows = []
    for frame in frames:
        write_png(folder / "images" / f"{frame.name}.png", frame.picture)
        write_png(folder / "masks" / f"{frame.name}.png", frame.mask)
        rows.append((f"{frame.name}.png", frame.patient, frame.split))
    write_split(folder, rows)
    write_labels(folder)


def write_split(folder: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    """The table of pictures, patients and parts of the split."""
    with (folder / SPLIT_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "patient", "split"))
        writer.writerows(rows)
