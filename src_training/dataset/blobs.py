"""Images and masks as files named by the hash of their content: read back only when it still holds."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from src_training import durable
from src_training.dataset.pixels import decode, encode
from src_training.regular import read_regular

LARGEST = 256 << 20  # bytes of a PNG: the largest frame in 16 bits, were it noise


def write_image(folder: Path, pixels: NDArray) -> dict[str, Any]:
    """Write canonical (Y, X) ``pixels`` durably, but for the folder's entry; the facts to read them back."""
    return _write(folder, "image", *encode(pixels))


def write_mask(folder: Path, mask: NDArray[np.uint8]) -> dict[str, Any]:
    """Write a (Y, X) mask durably, but for the folder's entry; the facts to read it back."""
    facts = {"shape": list(mask.shape), "dtype": "uint8", "pixels_sha256": mask_hash(mask)}
    return _write(folder, "mask", bytes(imagecodecs.png_encode(mask, level=6)), facts)


def read_blob(folder: Path, facts: dict[str, Any]) -> NDArray:
    """The (Y, X) pixels that were written. Raises OSError or ValueError when they are not there any more."""
    data = read_regular(folder / facts["file"], LARGEST)
    if hashlib.sha256(data).hexdigest() != facts["sha256"]:
        raise ValueError("its content is not what was saved")
    return decode(data, facts)


def is_sound(folder: Path, facts: dict[str, Any]) -> bool:
    """Whether the file holds what was written."""
    try:
        data = read_regular(folder / facts["file"], LARGEST)
        return hashlib.sha256(data).hexdigest() == facts["sha256"]
    except OSError:
        return False


def mask_hash(mask: NDArray) -> str:
    """sha256 of a mask's uint8 pixels in C order: equal masks are equal whatever wrote their PNG."""
    return hashlib.sha256(mask.tobytes()).hexdigest()


def _write(folder: Path, kind: str, png: bytes, facts: dict[str, Any]) -> dict[str, Any]:
    sha = hashlib.sha256(png).hexdigest()
    file = f"{kind}-{sha[:16]}.png"
    durable.write_new(folder / file, png, sync=False)
    return {"file": file, "sha256": sha, "bytes": len(png), **facts}
