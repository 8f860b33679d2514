"""A small folder laid out as ARCADE is, of synthetic frames with exact masks: for trying a training end to end."""

from __future__ import annotations

import csv
from pathlib import Path

import imagecodecs
import numpy as np

from src_training import synthetic_cine

_SHAPE = (192, 192)
_BEST_FILLED = 3  # of six frames


def write_quick_arcade(folder: Path, train: int = 10, val: int = 4, unlabelled: int = 4) -> Path:
    """Write ``index.csv``, ``train/``, ``val/`` and ``unlabelled/``; what is there already is kept."""
    index = folder / "index.csv"
    if index.is_file():
        return folder
    rows = []
    for number in range(train + val + unlabelled):
        split = "train" if number < train else "val" if number < train + val else "unlabelled"
        image, mask = _frame(number)
        places = {"image": f"{split}/images/{number}.png", "mask": f"{split}/masks/{number}.png"}
        if split == "unlabelled":
            places = {"image": f"{split}/{number}.png"}
        else:
            rows.append({"split": split, **places})
        for kind, place in places.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(
                imagecodecs.png_encode(image if kind == "image" else mask * np.uint8(255))
            )
    with index.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["split", "image", "mask"])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def _frame(seed: int) -> tuple[np.ndarray, np.ndarray]:
    made = synthetic_cine(seed=seed, n_frames=2 * _BEST_FILLED, shape=_SHAPE)
    return np.asarray(made.cine.frame(_BEST_FILLED), np.uint8), made.masks[_BEST_FILLED]
