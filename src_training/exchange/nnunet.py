"""nnU-Net v2: ``imagesTr``, ``labelsTr``, ``imagesTs``, ``labelsTs``, ``dataset.json`` and ``splits_final.json``.

The label ``ignore`` is the number after the last one, as nnU-Net asks; the test part of the split goes to Ts, and the
one fold trains on ``train`` and validates on ``val``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.frame import IGNORE, VESSEL
from src_training.exchange.files import write_json, write_png
from src_training.exchange.frames import ExportFrame

_IGNORE_LABEL = 2
ENDING = ".png"


def write_nnunet(folder: Path, frames: Iterable[ExportFrame]) -> None:
    """One channel a frame: ``<case>_0000.png``; its label is ``<case>.png``."""
    cases: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    ignoring = False
    for frame in frames:
        part = "Ts" if frame.split == "test" else "Tr"
        write_png(folder / f"images{part}" / f"{frame.name}_0000{ENDING}", frame.picture)
        write_png(folder / f"labels{part}" / f"{frame.name}{ENDING}", to_labels(frame.mask))
        cases[frame.split].append(frame.name)
        ignoring = ignoring or bool((frame.mask == IGNORE).any())
    labels: dict[str, Any] = {"background": 0, "vessel": VESSEL}
    write_json(
        folder / "dataset.json",
        {
            "channel_names": {"0": "XA"},
            "labels": labels | ({"ignore": _IGNORE_LABEL} if ignoring else {}),
            "numTraining": len(cases["train"]) + len(cases["val"]),
            "file_ending": ENDING,
            "description": "Research use only. Not a medical device, not for diagnosis.",
        },
    )
    write_json(folder / "splits_final.json", [{"train": cases["train"], "val": cases["val"]}])


def to_labels(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask of 0, 1, 255 with consecutive numbers."""
    return np.where(mask == IGNORE, np.uint8(_IGNORE_LABEL), mask)
