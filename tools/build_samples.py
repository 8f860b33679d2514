"""Build the shipped sample frames, replay pack and home panel from the ARCADE folder (index.csv, train/, val/).

Usage: python tools/build_samples.py ARCADE_FOLDER
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from src_training.inference import Predictor
from src_training.samples import BEYOND, HERE, HOME_PANEL, REPLAY_PACK, write_pack
from src_training.training.arcade import (
    NEAR_DUPLICATE,
    LabelledFrame,
    likeness_matrix,
    read_split,
    split_holdout,
)
from src_training.training.ridges import full_tree_label, ignore_unlabelled_vessels

SAMPLES = ("46", "71", "146")  # a right artery and two left trees: chosen by eye


def main(arcade: Path) -> None:
    """Write the three; the same input gives the same bytes."""
    train, _ = split_holdout(read_split(arcade, "train"), 100)
    val = read_split(arcade, "val")
    likeness = likeness_matrix([f.image for f in val], [f.image for f in train]).max(axis=1)
    unseen = [f for f, like in zip(val, likeness, strict=True) if like < NEAR_DUPLICATE]
    settling = Predictor.load("teacher")

    def learnt(frame: LabelledFrame) -> np.ndarray:
        label = full_tree_label(frame.image, frame.mask, settling.probability(frame.image))
        return np.where((label == 1) & (frame.mask == 0), np.uint8(BEYOND), label)

    def judged(frame: LabelledFrame) -> np.ndarray:
        return ignore_unlabelled_vessels(frame.image, frame.mask)  # nothing that a model said

    write_pack(REPLAY_PACK, _packed(arcade / "train", _some(train, 64), learnt))
    write_pack(HOME_PANEL, _packed(arcade / "val", _some(unseen, 40), judged))
    (HERE / "frames").mkdir(exist_ok=True)
    for name in SAMPLES:
        shutil.copyfile(arcade / "val" / "images" / f"{name}.webp", HERE / "frames" / f"arcade-{name}.webp")


def _some(frames: list[LabelledFrame], count: int) -> list[LabelledFrame]:
    order = np.random.default_rng(2023).permutation(len(frames))[:count]
    return [frames[index] for index in sorted(order)]


def _packed(
    folder: Path, frames: list[LabelledFrame], label_of: Callable[[LabelledFrame], np.ndarray]
) -> list[tuple[str, bytes, np.ndarray]]:
    return [
        (frame.name, (folder / "images" / f"{frame.name}.webp").read_bytes(), label_of(frame))
        for frame in frames
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
