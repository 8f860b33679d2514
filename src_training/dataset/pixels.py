"""Frames as 8- or 16-bit grey PNG and back, and the identity of a frame: a hash of its pixels."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from src_training.cine.cine import LARGEST
from src_training.dataset.values import LARGEST_SIDE
from src_training.errors import UnreadableCine

_LEVEL = 3  # 25 ms for 512x512 in 16 bits; the levels above save 5 % and take up to ten times as long
_EXACT = 2**53  # integers above are not exact in float64
_CODES = 65535


def canonical(pixels: NDArray) -> NDArray:
    """(Y, X) pixels as they are hashed and stored: little-endian, C order, bool as 0/255, no -0.0.

    Raises
    ------
    UnreadableCine
        Not two axes, larger than any angiogram, not grey values, or no finite value at all.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim != 2 or 0 in pixels.shape:
        raise UnreadableCine(f"a frame of shape {pixels.shape} is not (Y, X). Choose one grey frame.")
    if max(pixels.shape) > LARGEST_SIDE:
        raise UnreadableCine(
            f"a frame of {pixels.shape[0]}x{pixels.shape[1]} is larger than any angiogram ({LARGEST_SIDE} at most). "
            "Export it at its original size."
        )
    if pixels.dtype.kind == "b":
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind not in "uif" or pixels.dtype.itemsize > 8:
        raise UnreadableCine(f"pixels of type {pixels.dtype} are not grey values. Save integers or floats.")
    _check_finite_range(pixels)
    if pixels.dtype.kind == "f":
        pixels = pixels + pixels.dtype.type(0)  # -0.0 → 0.0: equal frames have equal bytes
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))


def case_id(pixels: NDArray, patient_key: str | None) -> str:
    """24 hex digits for a canonical frame of a patient; the same frame has the same id everywhere."""
    shape = "x".join(map(str, pixels.shape))
    digest = hashlib.sha256(f"lv1|{pixels.dtype.name}|{shape}|{patient_key or ''}|".encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()[:24]


def encode(pixels: NDArray) -> tuple[bytes, dict[str, Any]]:
    """PNG and the facts to undo it: ``value = offset + scale * code``.

    Integers, and floats that hold integers, that span at most 16 bits come back equal (``lossless``). Other
    floats are cut into 65,534 steps between their extremes; then code 0 stands for NaN and infinities.
    """
    codes, coding = _codes(pixels)
    facts = {"shape": list(pixels.shape), "dtype": pixels.dtype.name, **coding}
    return bytes(imagecodecs.png_encode(codes, level=_LEVEL)), facts


def decode(png: bytes, facts: dict[str, Any]) -> NDArray:
    """The (Y, X) pixels that ``encode`` was given.

    Raises
    ------
    ValueError
        The PNG is damaged or not of the recorded size.
    """
    codes = decode_png(png, facts["shape"])
    dtype, offset, scale = np.dtype(facts["dtype"]), facts.get("offset", 0), facts.get("scale", 1)
    if facts.get("lossless", True):
        plain = (codes.dtype, offset) == (dtype, 0)
        return codes if plain else (codes.astype(np.int64) + offset).astype(dtype)
    values = offset + scale * codes.astype(np.float64)
    if dtype.kind != "f":
        return np.clip(np.rint(values), np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)
    values[codes == 0] = np.nan
    return values.astype(dtype)


def decode_png(png: bytes, shape: list[int]) -> NDArray:
    """A grey PNG whose size is as recorded; checked before anything is allocated (else ``ValueError``)."""
    if len(png) < 33 or png[12:16] != b"IHDR":
        raise ValueError("not a PNG")
    columns, rows, depth, colour = struct.unpack(">IIBB", png[16:26])
    if [rows, columns] != list(shape) or colour != 0 or depth not in (8, 16):
        raise ValueError(f"{rows}x{columns}, {depth} bits, colour type {colour}; recorded is {shape} grey")
    try:
        return imagecodecs.png_decode(png)
    except RuntimeError as error:  # imagecodecs' PngError
        raise ValueError(str(error)) from error


def _check_finite_range(pixels: NDArray) -> None:
    if pixels.dtype.kind in "ui" and pixels.dtype.itemsize < 8:
        return
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        raise UnreadableCine("the frame has no finite pixel (NaN or infinite only). Choose another frame.")
    largest = LARGEST if pixels.dtype.kind == "f" else _EXACT
    if max(abs(float(finite.min())), abs(float(finite.max()))) > largest:
        raise UnreadableCine(f"the frame has values beyond {largest:g}. Bring it to a sensible range.")


def _codes(pixels: NDArray) -> tuple[NDArray, dict[str, Any]]:
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels, {}
    if pixels.dtype in (np.int8, np.int16):
        return _shifted(pixels, int(np.iinfo(pixels.dtype).min))
    finite = pixels[np.isfinite(pixels)]
    low, high = finite.min(), finite.max()
    whole = finite.size == pixels.size and bool((np.rint(pixels) == pixels).all())
    if whole and int(high) - int(low) <= _CODES and max(abs(int(low)), abs(int(high))) < _EXACT:
        return _shifted(pixels, int(low))
    return _scaled(pixels, float(low), float(high))


def _shifted(pixels: NDArray, offset: int) -> tuple[NDArray, dict[str, Any]]:
    codes = pixels.astype(np.int64) - offset
    small = pixels.dtype.itemsize == 1 or int(codes.max()) <= 255
    return codes.astype(np.uint8 if small else np.uint16), {"offset": offset, "lossless": True}


def _scaled(pixels: NDArray, low: float, high: float) -> tuple[NDArray, dict[str, Any]]:
    scale = (high - low) / (_CODES - 1)  # 0: the frame has one value, which the offset holds
    finite = np.isfinite(pixels)
    steps = (np.where(finite, pixels, low).astype(np.float64) - low) / (scale or 1.0)
    codes = np.where(finite, np.clip(np.rint(steps), 0, _CODES - 1) + 1, 0)
    return codes.astype(np.uint16), {"offset": low - scale, "scale": scale, "lossless": False}
