"""Masks and pictures in NIfTI, NRRD and MetaImage files: for the processes that decode."""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.mask_kinds import kind_of_volume
from src_training.errors import BadMask
from src_training.regular import NotRegular, open_regular

_SIDE = 8192
_MOST = 1 << 30  # bytes
_HEADER = 1 << 16  # bytes in which a file says where its pixels lie
_READERS = {"NIfTI": "NiftiImageIO", "NRRD": "NrrdImageIO", "MetaImage": "MetaImageIO"}
_ELSEWHERE = re.compile(
    rb"^(?:ElementDataFile[ \t]*=|data ?file:)[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_SEGMENT = re.compile(r"Segment(\d+)_(Name|LabelValue|Layer)")
_OFFSET = "Segmentation_ReferenceImageExtentOffset"
_CHUNK = 1 << 20
_NIFTI_COLOURS = (128, 2304)  # types whose bits are those of all colours
_NIFTI_1, _NIFTI_2 = 348, 540  # bytes of a header, which are its first number


@dataclass(frozen=True)
class Volume:
    """What a file holds.

    Attributes
    ----------
    layers : (L, T, Y, X)
        As it lies in the file: nothing is turned or resampled; several layers where Slicer's segments overlap.
    segments : list of (name, value, layer)
        As Slicer names them; empty where the file names none.
    offset : (int, int, int)
        Frame, row and column of the picture where the first pixel lies: Slicer cuts what is empty.
    """

    layers: NDArray
    segments: list[tuple[str, int, int]]
    offset: tuple[int, int, int]

    def planes(self, name: str, frame: int | None, of: int | None, stacked: bool) -> NDArray:
        """(L, Y, X) of one frame; BadMask when it is not there, or ``stacked`` and there is only one."""
        pages = self.layers.shape[1]
        if stacked and (of or 1) > 1 and pages == 1 and self.offset == (0, 0, 0):
            raise BadMask(
                f"{name}: one frame for the {of} of its cine. Give a mask for every frame, or say of which one it is: "
                "lightvessel dataset append with --frame."
            )
        if self.offset != (0, 0, 0) and frame is not None:
            at = frame - self.offset[0]
            return self.layers[:, at] if 0 <= at < pages else np.zeros_like(self.layers[:, 0])
        if pages == 1:
            return self.layers[:, 0]
        if frame is None:
            raise BadMask(
                f"{name}: {pages} frames for one image; which one belongs to it? Save that frame by itself."
            )
        if of is not None and pages != of:
            raise BadMask(f"{name}: {pages} frames, but its cine has {of}. Give one, or one for every frame.")
        if not 0 <= frame < pages:
            raise BadMask(f"{name}: has frames 0 to {pages - 1}, not {frame}. Choose one of them.")
        return self.layers[:, frame]


def read_volume(path: Path) -> Volume:
    """Everything of a file, in this very process; the announced size is checked before anything is unpacked.

    Raises BadMask; without the library, it says what to install.
    """
    kind = kind_of_volume(path)
    try:
        import SimpleITK
    except ImportError as error:
        raise BadMask(
            f"{path.name}: {kind}, needs napari-lightvessel[formats]. "
            "Install it: pip install 'napari-lightvessel[formats]'."
        ) from error
    try:
        _check_whereabouts(path)
        if kind == "NIfTI":
            _check_version(path)
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO(_READERS[kind])
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        shape, components = reader.GetSize()[::-1], reader.GetNumberOfComponents()
        value_type = _type_of(SimpleITK, reader.GetPixelIDValue())
        _check_size(path, shape, components, value_type.itemsize)
        if kind == "NIfTI":
            _check_whole(path, math.prod(shape), components)
        values = SimpleITK.GetArrayFromImage(reader.Execute())
        return Volume(_layers(path, values, components), _segments(reader), _offset(reader))
    except BadMask:
        raise
    except FileNotFoundError as error:
        raise BadMask(f"{path.name}: there is no such file. Check the path.") from error
    except NotRegular as error:
        raise BadMask(f"{path.name}: {error.strerror}. Give the file of the mask.") from error
    # Decoders raise what they like; whatever it is, this file cannot be read.
    except Exception as error:
        raise BadMask(
            f"{path.name}: cannot be read as {kind} ({_reason(error)}). Save it again, or as PNG."
        ) from error


def _type_of(library: Any, pixel: int) -> np.dtype:
    """The type of one value of a scalar or vector picture; ValueError for complex numbers and the like."""
    name = library.GetPixelIDValueAsString(pixel)
    found = re.search(r"(\d+)-bit (un)?signed integer|(\d+)-bit float", name)
    if not found or "complex" in name:
        raise ValueError(f"values of {name}")
    bits, unsigned, float_bits = found.groups()
    return np.dtype(
        f"f{int(float_bits) // 8}" if float_bits else f"{'u' if unsigned else 'i'}{int(bits) // 8}"
    )


def _check_whereabouts(path: Path) -> None:
    """Only a file beside this one may hold its pixels."""
    with open_regular(path, _MOST) as file:
        head = file.read(_HEADER)
    for found in _ELSEWHERE.finditer(head):
        place = found[1].strip().decode("utf-8", "replace")
        if place != "LOCAL" and (not place or re.search(r"[/\\%:]|\bLIST\b", place) or place.startswith(".")):
            raise BadMask(
                f"{path.name}: its pixels lie in another folder or in several files. Save it as one file."
            )
        if place != "LOCAL":
            with open_regular(path.with_name(place), _MOST):
                pass


def _check_version(path: Path) -> None:
    """The library knows NIfTI-1 alone."""
    with open_regular(path, _MOST) as file:
        head = file.read(_CHUNK)
    if path.name.lower().endswith(".gz"):
        head = zlib.decompressobj(wbits=31).decompress(head, 4)
    if head[:4] in (_NIFTI_2.to_bytes(4, "little"), _NIFTI_2.to_bytes(4, "big")):
        raise BadMask(f"{path.name}: NIfTI-2, which is not read. Save it as NIfTI-1, or as NRRD.")


def _check_size(path: Path, shape: tuple[int, ...], components: int, itemsize: int) -> None:
    if any(side > _SIDE for side in shape[-2:]) or math.prod(shape) * components * itemsize > _MOST:
        size = "x".join(map(str, shape))
        raise BadMask(
            f"{path.name}: {size} is larger than any angiogram. Export the mask at the image's size."
        )


def _check_whole(path: Path, pixels: int, components: int) -> None:
    """The library fills up what is missing of a NIfTI file with zeros, that is with background."""
    packed = path.name.lower().endswith(".gz")
    with open_regular(path, _MOST) as file:
        unpacker = zlib.decompressobj(wbits=31)
        length, head = 0, b""
        while chunk := file.read(_CHUNK):
            if packed:
                chunk = unpacker.decompress(chunk, 2 * _MOST - length)
            head = head or chunk
            length += len(chunk)
            if length > 2 * _MOST:
                break
    start, kind, bits = _stored(head)
    values = pixels if kind in _NIFTI_COLOURS else pixels * components
    if length < start + values * bits // 8:
        raise BadMask(f"{path.name}: parts of it are missing. Copy or export it again.")


def _stored(head: bytes) -> tuple[int, int, int]:
    """Where the pixels begin in a NIfTI-1 file, of which type they are, and their bits: before any rescaling."""
    order = "<" if head[:4] == _NIFTI_1.to_bytes(4, "little") else ">"
    kind, bits = np.frombuffer(head[70:74], f"{order}i2").tolist()
    return int(np.frombuffer(head[108:112], f"{order}f4")[0]), kind, bits


def _layers(path: Path, values: NDArray, components: int) -> NDArray:
    """(L, T, Y, X) of (Y, X), (T, Y, X) or (T, 1, Y, X), each with a last axis of several layers or without."""
    values = np.moveaxis(values, -1, 0) if components > 1 else values[None]
    if values.ndim == 3:
        values = values[:, None]
    if values.ndim == 5 and 1 in values.shape[1:3]:  # of time and depth, one is no axis
        values = values.reshape(values.shape[0], -1, *values.shape[3:])
    if values.ndim != 4 or not values.size:
        raise BadMask(
            f"{path.name}: an array of shape {values.shape[1:]} is not a mask (T, Y, X). Export one plane."
        )
    return values


def _segments(reader: Any) -> list[tuple[str, int, int]]:
    facts: dict[int, dict[str, str]] = {}
    for key in reader.GetMetaDataKeys():
        if found := _SEGMENT.fullmatch(key):
            facts.setdefault(int(found[1]), {})[found[2]] = reader.GetMetaData(key)
    return [
        (one["Name"], int(one.get("LabelValue", number + 1)), int(one.get("Layer", 0)))
        for number, one in sorted(facts.items())
        if "Name" in one
    ]


def _offset(reader: Any) -> tuple[int, int, int]:
    if not reader.HasMetaDataKey(_OFFSET):
        return 0, 0, 0
    x, y, t = (int(number) for number in reader.GetMetaData(_OFFSET).split())
    return t, y, x


def _reason(error: Exception) -> str:
    """The last line of what the library says, without addresses and folders."""
    text = str(error).strip().splitlines()
    said = re.sub(r"\(0x[0-9a-f]+\)|\S*/\S*", "", text[-1] if text else "")
    return " ".join(said.split())[:120] or type(error).__name__
