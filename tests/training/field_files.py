"""Files that people brought, and made-up ones of their kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from src_training import Workspace

SIZE = (40, 56)
_FIELD = Path(__file__).resolve().parent.parent / "fixtures" / "field"


def field(row: str) -> Path:
    """The folder of one row."""
    return _FIELD / row


def picture(seed: int = 0) -> np.ndarray:
    """A grey picture (Y, X) of its own."""
    return np.random.default_rng(seed).integers(120, 255, SIZE).astype(np.uint8)


def drawn(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """A picture on which what is not 0 in ``values`` (Y, X) is dark, as vessels are."""
    return np.where(values > 0, 60, np.random.default_rng(seed).integers(150, 200, values.shape)).astype(
        np.uint8
    )


def stripes(highest: int = 1) -> np.ndarray:
    """Labels (Y, X) of 0 and a thin bar for each number up to ``highest``; no turning or flipping leaves them equal."""
    values = np.zeros(SIZE, np.uint8)
    for number in range(1, highest + 1):
        values[3 + 5 * number : 6 + 5 * number, 4 : 20 + 4 * number] = number
    return values


def saved(workspace: Workspace) -> dict[str, np.ndarray]:
    """The mask of every case."""
    return {head.case: head.mask() for head in workspace.dataset.heads()}


def write_nnunet(folder: Path, labels: dict[str, Any], highest: int = 1, **more: Any) -> Path:
    """A dataset of one picture whose label holds the numbers up to ``highest``."""
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    values = stripes(highest)
    (folder / "imagesTr" / "c_0000.png").write_bytes(imagecodecs.png_encode(drawn(values)))
    (folder / "labelsTr" / "c.png").write_bytes(imagecodecs.png_encode(values))
    record = {"channel_names": {"0": "XA"}, "labels": labels, "file_ending": ".png", "numTraining": 1}
    (folder / "dataset.json").write_text(json.dumps(record | more))
    return folder
