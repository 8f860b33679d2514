"""Masks and probabilities as files: an indexed PNG for one frame, a (T, Y, X) TIFF for a cine."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

_PALETTE = [0, 0, 0, 235, 64, 52] + [0, 0, 0] * 253 + [128, 128, 128]  # 0 black, 1 red, 255 grey


def indexed_png(mask: NDArray[np.uint8]) -> bytes:
    """(Y, X) of 0, 1 and 255 → PNG whose indices are those values and whose palette makes them visible."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(mask), mode=None).convert("L")
    indexed = Image.frombytes("P", image.size, image.tobytes())
    indexed.putpalette(_PALETTE)
    buffer = io.BytesIO()
    indexed.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def stack_tiff(stack: NDArray) -> bytes:
    """(T, Y, X) → zlib-compressed TIFF, one page a frame, axes TYX, readable by any TIFF reader."""
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        stack,
        photometric="minisblack",  # (3, Y, X) uint8 would else be taken for RGB
        compression="zlib",
        metadata={"axes": "TYX"},
    )
    return buffer.getvalue()
