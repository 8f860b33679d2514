"""``python sockets_journey.py FOLDER``: from a cine's frames to a promoted model and an export, without a window."""

from __future__ import annotations

import sys
from pathlib import Path

import imagecodecs
import numpy as np
from model_folders import SLIGHT_TUNING, go_live_with_tiny

from src_training import Workspace, synthetic_cine
from src_training.cli import main as lightvessel

_FRAMES = 4


def main(folder: Path) -> None:
    """Each step from the shell's own entry; the first that fails ends it."""
    place, frames = str(folder / "workspace"), folder / "frames"
    _write_frames(frames)
    _do("dataset", "init", place)
    go_live_with_tiny(Workspace.open(place), folder / "staged")
    _do("segment", str(frames / "0.png"), "--output", str(folder / "masks"))
    for t in range(_FRAMES):
        pair = ("--image", str(frames / f"{t}.png"), "--mask", str(frames / f"{t}_mask.png"))
        _do("dataset", "append", place, *pair, "--patient", "p-1", "--accept-implausible")
    _do(
        "finetune",
        place,
        *(word for name, value in SLIGHT_TUNING.items() for word in ("--set", f"{name}={value}")),
    )
    tuned = Workspace.open(place).models.ids()[-1]
    _do("models", "promote", place, tuned, "--override", "to see what it sends")
    _do("models", "rollback", place)
    _do("dataset", "export", place, "--output", str(folder / "export"))


def _do(*words: str) -> None:
    if code := lightvessel(list(words)):
        raise SystemExit(f"{' '.join(words[:2])}: exit code {code}")


def _write_frames(folder: Path) -> None:
    folder.mkdir()
    made = synthetic_cine(seed=5, n_frames=_FRAMES, shape=(96, 96))
    for t in range(_FRAMES):
        (folder / f"{t}.png").write_bytes(imagecodecs.png_encode(made.cine.frame(t).astype(np.uint8)))
        (folder / f"{t}_mask.png").write_bytes(imagecodecs.png_encode(made.masks[t] * np.uint8(255)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
