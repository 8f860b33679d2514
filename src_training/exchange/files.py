"""The files that every format is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imagecodecs
from numpy.typing import NDArray


def write_png(path: Path, pixels: NDArray) -> None:
    """A grey PNG of (Y, X) uint8 or uint16; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(imagecodecs.png_encode(pixels, level=6))


def write_json(path: Path, record: Any) -> None:
    """A JSON file; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
