"""Where a file says how long, how large and how many: what a lie is written into."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from typing import Literal, NamedTuple

import pydicom


class Field(NamedTuple):
    """A whole number in a file."""

    at: int
    width: int
    order: Literal["little", "big"] = "little"


def fields_of(data: bytes) -> tuple[Field, ...]:
    """Every length, size, count and offset of a sound file of a kind that is read."""
    if data[128:132] == b"DICM":
        return (*_dicom(data), *_codestream(data))
    if data[:2] in (b"II", b"MM"):
        return tuple(_tiff(data, "little" if data[:2] == b"II" else "big"))
    if data[:4] == b"\x89PNG":
        return (
            *_png(data),
            *(Field(at, width, "big") for at, width in ((16, 4), (20, 4), (24, 1), (25, 1), (28, 1))),
        )
    if data[:4] == b"RIFF":
        return tuple(_webp(data))
    if data[:4] == b"GIF8":
        return (Field(6, 2), Field(8, 2), Field(10, 1))
    if data[4:8] == b"ftyp":
        return tuple(_boxes(data))
    if data[:4] == b"\x1aE\xdf\xa3":
        return tuple(Field(at + 4, 1) for name in _EBML for at in _all(data, name))
    if data[:2] == b"BM":
        return tuple(Field(at, 4) for at in (2, 10, 14, 18, 22, 28, 30, 34, 46))
    if data[344:347] == b"n+1":
        return (Field(0, 4), *(Field(at, 2) for at in (*range(40, 56, 2), 70, 72)), Field(108, 4))
    return (Field(8, 2),) if data[:6] == b"\x93NUMPY" else _codestream(data)


_BOXES = (b"moov", b"trak", b"mdia", b"stbl", b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"mdat")
# The head itself, segment, facts, tracks and cluster: behind each of these names stands its length.
_EBML = (b"\x1aE\xdf\xa3", b"\x18S\x80g", b"\x15I\xa9f", b"\x16T\xaek", b"\x1fC\xb6u")


def _boxes(data: bytes) -> Iterator[Field]:
    """The length of each box of an MP4, and how many rows its tables have."""
    for name in _BOXES:
        for at in _all(data, name):
            yield Field(at - 4, 4, "big")
            if name.startswith((b"st", b"ct")):
                yield Field(at + 8, 4, "big")


def with_checksums(data: bytes) -> bytes:
    """A PNG whose checksums fit what it holds, so that a decoder looks at it."""
    whole, at = bytearray(data), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        whole[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(whole)


def data_set_at(data: bytes) -> int:
    """Where the data set of a DICOM file starts: behind the meta group, which says its length first."""
    return min(144 + int.from_bytes(data[140:144], "little"), len(data))


def _dicom(data: bytes) -> Iterator[Field]:
    """Lengths, and the values of two bytes, which are sizes and bits."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    order: Literal["little", "big"] = "little" if dataset.original_encoding[1] else "big"
    # Of a deflated file they are places in the inflated one.
    start = data_set_at(data) if dataset.file_meta.TransferSyntaxUID.is_deflated else 0
    for raw in dataset.values():
        assert isinstance(raw, pydicom.dataelem.RawDataElement)
        at = start + raw.value_tell
        short = not raw.is_implicit_VR and raw.VR not in ("OB", "OW", "SQ", "UN", "UT", "OV")
        yield Field(at - 2, 2, order) if short else Field(at - 4, 4, order)
        if raw.length == 2:
            yield Field(at, 2, order)
    for item in _all(data, b"\xfe\xff\x00\xe0"):
        yield Field(item + 4, 4)


def _codestream(data: bytes) -> tuple[Field, ...]:
    """Of the first JPEG, JPEG-LS or JPEG 2000 stream in a file."""
    jpeg, jpeg2000 = data.find(b"\xff\xd8\xff"), data.find(b"\xff\x4f\xff\x51")
    if jpeg2000 >= 0:
        sizes = [(jpeg2000 + 4, 2), *((jpeg2000 + 8 + 4 * n, 4) for n in range(8)), (jpeg2000 + 40, 2)]
        return tuple(Field(at, width, "big") for at, width in [*sizes, (jpeg2000 + 42, 1)])
    return tuple(_jpeg(data, jpeg)) if jpeg >= 0 else ()


def _jpeg(data: bytes, start: int) -> Iterator[Field]:
    at = start + 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        yield Field(at + 2, 2, "big")
        if marker in (0xC0, 0xC1, 0xC2, 0xC3, 0xF7):
            yield from (Field(at + 4, 1), Field(at + 5, 2, "big"), Field(at + 7, 2, "big"), Field(at + 9, 1))
        if marker == 0xDA:
            yield from (Field(at + n, 1) for n in range(4, 10))
            return
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _tiff(data: bytes, order: Literal["little", "big"]) -> Iterator[Field]:
    """Every number of every directory: tags, types, counts and values."""

    def number(at: int, width: int) -> int:
        return int.from_bytes(data[at : at + width], order)

    big = number(2, 2) == 43
    word, few, link = (8, 8, 8) if big else (4, 2, 4)
    yield Field(link, word, order)
    directory = number(link, word)
    while directory:
        yield Field(directory, few, order)
        at = directory + few
        for entry in range(number(directory, few)):
            tag = at + entry * (4 + 2 * word)
            parts = ((tag, 2), (tag + 2, 2), (tag + 4, word), (tag + 4 + word, word))
            yield from (Field(*part, order) for part in parts)
        link = at + number(directory, few) * (4 + 2 * word)
        yield Field(link, word, order)
        directory = number(link, word)


def _png(data: bytes) -> Iterator[Field]:
    at = 8
    while at + 8 <= len(data):
        yield Field(at, 4, "big")
        at += 12 + int.from_bytes(data[at : at + 4], "big")


def _webp(data: bytes) -> Iterator[Field]:
    yield Field(4, 4)
    at = 12
    while at + 8 <= len(data):
        yield Field(at + 4, 4)
        width = 2 if data[at : at + 4] == b"VP8 " else 3
        yield from (Field(at + 8 + n, width) for n in ((6, 8) if width == 2 else (0, 1, 4, 7)))
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2


def _all(data: bytes, mark: bytes) -> Iterator[int]:
    """Where ``mark`` stands, at most ten times."""
    at = -1
    for _ in itertools.repeat(None, 10):
        at = data.find(mark, at + 1)
        if at < 0:
            return
        yield at
