"""Image files (PNG, JPEG, JPEG 2000, WebP, BMP), animations among them, and NPY arrays as cines."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np

from src_training.cine import proportions
from src_training.cine.animations import open_animation
from src_training.cine.budget import DECODED_BYTES, check_frames, check_size, readable, unreadable
from src_training.cine.cine import ArrayFrames, Cine, Grey, Header, to_grey
from src_training.cine.codecs import decode_jpeg, decode_jpeg2000, jpeg2000_header, jpeg_header
from src_training.cine.colours import remarks_of, remarks_on
from src_training.cine.orientation import UPRIGHT, of_image, remark, upright, upright_size
from src_training.cine.sniff import Kind

_TURNED = ("png", "jpeg", "webp")  # BMP has no place for such a tag


def open_image(path: Path, kind: Kind) -> Cine:
    """A cine of one frame, or of an animation's; the announced size is checked before anything is decoded."""
    data = _read_bytes(path)
    if kind == "gif" or (kind in _ANIMATED and _ANIMATED[kind](data)):
        _refuse_deep_animation(path.name, kind, data)
        return open_animation(path, kind)
    with readable(path.name, "reading the header"):
        rows, columns, dtype = _HEADERS[kind](data, path.name)
    check_size(path.name, rows, columns, 8)
    turn = of_image(data) if kind in _TURNED else UPRIGHT
    frames = ImageFrames(path, kind, (1, *upright_size(rows, columns, turn)), np.dtype(dtype), turn)
    remarks = (*remark(turn), *proportions.of_image(data), *_remarks_on_colours(kind, data, path.name))
    header = Header(remarks=remarks)
    return Cine(frames, name=path.name, source=path, grey=_full_range(frames.dtype), header=header)


def open_npy(path: Path) -> Cine:
    """(Y, X) or (T, Y, X) grey, or either with a last axis of 3 or 4 colours; mapped, not loaded."""
    with readable(path.name, "reading the array", "Save it with numpy.save as integers or floats."):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind not in "buif":
        raise unreadable(path.name, f"an array of {array.dtype}", "Save integers or floats (T, Y, X).")
    rgb = array.ndim > 2 and array.shape[-1] in (3, 4)
    with readable(path.name, "reading the array"):
        frames = NpyFrames(path, rgb=rgb, array=array)
    check_frames(path.name, frames.shape[0])
    check_size(path.name, *frames.shape[1:], bytes_per_pixel=frames.dtype.itemsize)
    first = array if array.ndim - rgb == 2 else array[0]
    header = Header(is_multiframe_file=array.ndim - rgb == 3, remarks=remarks_on(first) if rgb else ())
    return Cine(frames, name=path.name, source=path, grey=_full_range(frames.dtype), header=header)


@dataclass(frozen=True)
class ImageFrames:
    """The one frame of an image file; ``orientation`` says how its pixels lie."""

    path: Path
    kind: Kind
    shape: tuple[int, int, int]
    dtype: np.dtype
    orientation: int = UPRIGHT

    def decode(self, t: int) -> np.ndarray:
        """The upright picture as grey values; colour as luminance, alpha left out."""
        picture = _DECODERS[self.kind](_read_bytes(self.path))
        channels = 1 if picture.ndim == 2 else picture.shape[2]
        if channels == 2:
            picture = picture[..., 0]
        grey = to_grey(picture, rgb=channels in (3, 4))
        if grey.dtype != self.dtype:  # such as signed numbers in JPEG 2000
            raise unreadable(
                self.path.name, f"its pixels are {grey.dtype}, not {self.dtype}", "Save it as a TIFF."
            )
        return upright(grey, self.orientation)


class NpyFrames(ArrayFrames):
    """Frames of a mapped array, opened anew in another process."""

    def __init__(self, path: Path, *, rgb: bool, array: np.ndarray | None = None) -> None:
        super().__init__(
            np.load(path, mmap_mode="r", allow_pickle=False) if array is None else array, path.name, rgb=rgb
        )
        self._path = path

    def __reduce__(self) -> tuple:
        return _open_again, (self._path, self._rgb)


def _open_again(path: Path, rgb: bool) -> NpyFrames:
    return NpyFrames(path, rgb=rgb)


def _remarks_on_colours(kind: Kind, data: bytes, name: str) -> tuple[str, ...]:
    if (kind == "png" and data[25] == 0) or (kind == "jpeg" and jpeg_header(data, name).components == 1):
        return ()
    return remarks_of(lambda: _DECODERS[kind](data))


def _read_bytes(path: Path) -> bytes:
    if path.stat().st_size > DECODED_BYTES:
        raise unreadable(path.name, "an image file of more than 1 GiB", "Convert it to a TIFF stack.")
    return path.read_bytes()


def _full_range(dtype: np.dtype) -> Grey:
    if dtype.kind == "f":
        return Grey(low=0.0, high=1.0)
    return Grey(low=float(np.iinfo(dtype).min), high=float(np.iinfo(dtype).max))


def _png_header(data: bytes, name: str) -> tuple[int, int, str]:
    columns, rows, depth = struct.unpack(">IIB", data[16:25])
    return rows, columns, "u2" if depth == 16 else "u1"


def _refuse_deep_animation(name: str, kind: Kind, data: bytes) -> None:
    if kind == "png" and data[24] == 16:
        raise unreadable(name, "an animated PNG of 16 bits", "Save its frames as a TIFF stack.")


def _is_animated_png(data: bytes) -> bool:
    """Whether a PNG announces several frames (acTL) before the data of its first one."""
    at = 8
    while at + 8 <= len(data) and data[at + 4 : at + 8] not in (b"IDAT", b"acTL"):
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return data[at + 4 : at + 8] == b"acTL" and int.from_bytes(data[at + 8 : at + 12], "big") > 1


def _jpeg_size(data: bytes, name: str) -> tuple[int, int, str]:
    header = jpeg_header(data, name)
    if header.components not in (1, 3):
        raise unreadable(name, f"a JPEG of {header.components} components", "Save it as grey or RGB.")
    return header.rows, header.columns, "u1" if header.bits <= 8 else "u2"


def _bmp_header(data: bytes, name: str) -> tuple[int, int, str]:
    old = int.from_bytes(data[14:18], "little") == 12
    columns, rows = struct.unpack("<HH" if old else "<ii", data[18 : 22 if old else 26])
    return abs(rows), abs(columns), "u1"


def _is_animated_webp(data: bytes) -> bool:
    return data[12:16] == b"VP8X" and bool(data[20] & 0x02)


def _jpeg2000_size(data: bytes, name: str) -> tuple[int, int, str]:
    header = jpeg2000_header(data, name)
    if header.components not in (1, 2, 3, 4):
        raise unreadable(name, f"a JPEG 2000 of {header.components} components", "Save it as grey or RGB.")
    return header.rows, header.columns, "u1" if header.bits <= 8 else "u2"


def _webp_header(data: bytes, name: str) -> tuple[int, int, str]:
    chunk = data[12:16]
    if chunk == b"VP8 ":
        columns, rows = struct.unpack("<HH", data[26:30])
        return rows & 0x3FFF, columns & 0x3FFF, "u1"
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1, "u1"
    width, height = int.from_bytes(data[24:27], "little"), int.from_bytes(data[27:30], "little")
    return height + 1, width + 1, "u1"


_HEADERS = {"png": _png_header, "jpeg": _jpeg_size, "bmp": _bmp_header, "webp": _webp_header} | {
    "jpeg2000": _jpeg2000_size
}
_ANIMATED: dict[str, Callable[[bytes], bool]] = {"png": _is_animated_png, "webp": _is_animated_webp}
_DECODERS: dict[str, Callable[[bytes], np.ndarray]] = {
    "png": imagecodecs.png_decode,
    "jpeg": decode_jpeg,
    "jpeg2000": decode_jpeg2000,
    "bmp": imagecodecs.bmp_decode,
    "webp": imagecodecs.webp_decode,
}
