"""Opening a DICOM XA or XRF object: its tags now, its frames when they are asked for."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import pydicom
from pydicom.uid import UID

from src_training.cine import encapsulated
from src_training.cine.budget import check_frames, check_size, unreadable
from src_training.cine.cine import Cine
from src_training.cine.codecs import decode_frame, unpack
from src_training.cine.deflated import inflate
from src_training.cine.dicom_tags import OF_FRAMES, TAGS, PixelLayout, Tags, grey_values, header, pixel_layout
from src_training.cine.instance import instance

# A damaged file is told in our one line; without a handler the library's remarks would go to the terminal.
logging.getLogger("pydicom").addHandler(logging.NullHandler())

_DEFLATED = "1.2.840.10008.1.2.1.99"
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", _DEFLATED)
_COMPRESSED = (
    *(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)),
    # Retired processes that old archives still hold; the stream itself tells the codec.
    *(f"1.2.840.10008.1.2.4.{number}" for number in (52, 53, 54, 55, 56)),
    "1.2.840.10008.1.2.5",
)
_LOSSLESS = (
    "1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{number}" for number in (57, 70, 80, 90, 201, 202)),
)
_CHOOSE_XA = "Choose the XA object of the study."
_PIXEL_DATA = 0x7FE00010
_PIXEL_VRS = (b"OB", b"OW", b"UN", b"OF")
_NOT_IMAGES = (
    ("1.2.840.10008.5.1.4.1.1.104.", "an encapsulated document (PDF)"),
    ("1.2.840.10008.5.1.4.1.1.88.", "a structured report"),
    ("1.2.840.10008.5.1.4.1.1.11.", "a presentation state"),
    ("1.2.840.10008.5.1.4.1.1.66.", "a segmentation or registration"),
)


def open_dicom(path: Path) -> Cine:
    """Read the tags, check them against what can be decoded, and index the frames."""
    syntax, inflated = _syntax_and_inflated(path)
    with _open(path, inflated) as stream:
        tags, implicit = _read_tags(stream)
        pixels = _find_pixels(stream, implicit=implicit, little_endian=tags.little_endian)
        _check_object(path.name, tags, syntax, pixels, at_end=not stream.read(1))
        assert pixels is not None
        layout = pixel_layout(tags, little_endian=tags.little_endian)
        _check_layout(path.name, layout)
        n_frames = _number_of_frames(path.name, stream, tags, pixels, layout)
        pieces = _index(path.name, stream, pixels, layout, n_frames, tags)
    # 8-bit pixels in big-endian words lie swapped in pairs.
    swapped = not tags.little_endian and layout.bits_allocated == 8 and pixels.vr == "OW"
    lossy = syntax not in _LOSSLESS
    compressed = pixels.length is None
    frames = DicomFrames(path, inflated, layout, pieces, compressed=compressed, lossy=lossy, swapped=swapped)
    return Cine(
        frames,
        name=path.name,
        source=path,
        grey=grey_values(tags, layout),
        header=replace(header(tags), instance=instance(tags)),
    )


@dataclass(frozen=True)
class Pixels:
    """Where the pixel data element's value starts, its length (None: encapsulated), and its VR."""

    start: int
    length: int | None
    vr: str


@dataclass(frozen=True)
class DicomFrames:
    """Frames of one file: for each the pieces of the file that hold it."""

    path: Path
    inflated: bytes | None
    layout: PixelLayout
    pieces: list[list[tuple[int, int]]]
    compressed: bool
    lossy: bool = False
    swapped: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.pieces), self.layout.rows, self.layout.columns

    @property
    def dtype(self) -> np.dtype:
        return self.layout.dtype

    def decode(self, t: int) -> np.ndarray:
        """The stored values of frame ``t``; only its bytes are read."""
        name = f"{self.path.name}: frame {t} of {len(self.pieces)}"
        data = self._read(t)
        if self.compressed:
            return decode_frame(data, self.layout, name, lossy=self.lossy)
        return unpack(self._words(data), self.layout)

    def _read(self, t: int) -> bytes:
        with _open(self.path, self.inflated) as stream:
            return b"".join(encapsulated.read_at(stream, *piece) for piece in self.pieces[t])

    def _words(self, data: bytes) -> np.ndarray:
        layout = self.layout
        if self.swapped:
            data = np.frombuffer(data, "u2").byteswap().tobytes()
        word = layout.word.newbyteorder("<" if layout.little_endian else ">")
        words = np.frombuffer(data, word, layout.rows * layout.columns)
        return words.astype(layout.word).reshape(layout.rows, layout.columns)


def _open(path: Path, inflated: bytes | None) -> BinaryIO:
    return open(path, "rb") if inflated is None else io.BytesIO(inflated)


def _syntax_and_inflated(path: Path) -> tuple[str | None, bytes | None]:
    """The transfer syntax, and for a deflated file its data set in memory."""
    with open(path, "rb") as stream:
        syntax, start = _meta(stream)
        if syntax != _DEFLATED:
            return syntax, None
        stream.seek(start)
        return syntax, inflate(stream.read(), path.name)


def _meta(stream: BinaryIO) -> tuple[str | None, int]:
    """The transfer syntax of the file meta group, and where the data set behind it starts."""
    if stream.read(132)[128:] != b"DICM":
        stream.seek(0)
    syntax = None
    while True:
        start, head = stream.tell(), stream.read(8)
        if len(head) < 8 or head[:2] != b"\x02\0":
            return syntax, start
        length = int.from_bytes(head[6:8], "little")
        if head[4:6] in (b"OB", b"UN", b"UT"):
            length = int.from_bytes(stream.read(4), "little")
        value = stream.read(length)
        if head[2:4] == b"\x10\0":
            syntax = value.decode("ascii", "replace").strip(" \0")


def _read_tags(stream: BinaryIO) -> tuple[Tags, bool]:
    """The tags we know, raw, and whether VRs are implicit; the stream is left at the pixel data."""
    dataset = pydicom.dcmread(
        stream, stop_before_pixels=True, force=True, defer_size="1 MB", specific_tags=list(TAGS.values())
    )
    raw = _values_of_frames(dataset) | _values(dataset, TAGS)
    implicit, little_endian = dataset.original_encoding
    return Tags(raw, little_endian=little_endian is not False), bool(implicit)


def _values(dataset: pydicom.Dataset, keywords: Iterable[str]) -> dict[str, bytes]:
    found = {}
    for keyword in keywords:
        if (tag := TAGS[keyword]) in dataset:
            value = getattr(dataset.get_item(tag), "value", None)
            found[keyword] = value if isinstance(value, bytes) else b""
    return found


def _values_of_frames(dataset: pydicom.Dataset) -> dict[str, bytes]:
    """What the functional groups of all frames say, and those of the first one anew; nothing if malformed."""
    found: dict[str, bytes] = {}
    try:
        for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
            frames = dataset[TAGS[keyword]].value if TAGS[keyword] in dataset else []
            for group in frames[0] if frames else ():
                if group.VR == "SQ" and group.value:
                    found |= _values(group.value[0], OF_FRAMES)
    except Exception:  # noqa: BLE001 - whatever somebody wrote there, and the library thinks of it: the frames open
        return {}
    return found


def _find_pixels(stream: BinaryIO, *, implicit: bool, little_endian: bool) -> Pixels | None:
    """The pixel data element at the stream's position, if it is one of integers."""
    order: Literal["little", "big"] = "little" if little_endian else "big"
    head = stream.read(8)
    tag = int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:4], order)
    if len(head) < 8 or tag != _PIXEL_DATA:
        return None
    implicit = _is_implicit(head, implicit)
    vr = "OW" if implicit else head[4:6].decode("ascii", "replace")
    length = int.from_bytes(head[4:8] if implicit else stream.read(4), order)
    return Pixels(stream.tell(), None if length == 0xFFFFFFFF else length, vr)


def _is_implicit(head: bytes, stated: bool) -> bool:
    """Whether the pixel data element has no VR: its own bytes tell, for the file meta is not always right.

    A length never looks like one of these VRs, whose first letters are odd numbers: lengths are even.
    """
    if head[4:6] in _PIXEL_VRS and head[6:8] == b"\0\0":
        return False
    # Some writers put "??" for a VR they do not know.
    return stated or head[4:6] != b"??"


def _check_object(name: str, tags: Tags, syntax: str | None, pixels: Pixels | None, *, at_end: bool) -> None:
    """Refuse what is not a greyscale image in a known encoding."""
    _check_kind(name, tags, has_pixels=pixels is not None, at_end=at_end)
    assert pixels is not None
    _check_syntax(name, syntax, encapsulated=pixels.length is None)
    _check_grey(name, tags)


def _number_of_frames(name: str, stream: BinaryIO, tags: Tags, pixels: Pixels, layout: PixelLayout) -> int:
    """As the header says; where it says nothing, as many as the pixel data has."""
    stated = tags.text("NumberOfFrames")
    frames = _counted(name, stream, pixels, layout) if stated is None else tags.number("NumberOfFrames")
    if frames is None or frames != int(frames):
        raise unreadable(name, f"NumberOfFrames is {stated!r}, not a number", "Export the cine again.")
    check_frames(name, int(frames))
    return int(frames)


def _counted(name: str, stream: BinaryIO, pixels: Pixels, layout: PixelLayout) -> int:
    if pixels.length is None:
        return encapsulated.count_frames(stream, pixels.start, name)
    # An odd number of bytes is padded to an even one.
    frames, rest = divmod(pixels.length, layout.frame_bytes)
    return max(frames, 1) if rest <= 1 else 1


def _check_kind(name: str, tags: Tags, *, has_pixels: bool, at_end: bool) -> None:
    kind = tags.text("SOPClassUID") or ""
    if kind == "1.2.840.10008.1.3.10" or "DirectoryRecordSequence" in tags.raw:
        raise unreadable(name, "the index of a disc (DICOMDIR), not a cine", "Open the files beside it.")
    for start, what in _NOT_IMAGES:
        if kind.startswith(start):
            raise unreadable(name, f"{what}, not an angiogram", _CHOOSE_XA)
    if not has_pixels:
        what = UID(kind).name if kind else "unknown kind"
        if at_end and (not kind or "Rows" in tags.raw or what.endswith("Image Storage")):
            raise unreadable(
                name, "truncated: the file ends before its pixel data", "Copy or export it again."
            )
        raise unreadable(name, f"no pixel data in this object ({what})", _CHOOSE_XA)


def _check_syntax(name: str, syntax: str | None, *, encapsulated: bool) -> None:
    if syntax is not None and syntax not in (*_NATIVE, *_COMPRESSED):
        raise unreadable(
            name,
            f"transfer syntax {UID(syntax).name} is not supported",
            "Export the cine as JPEG Lossless or uncompressed.",
        )
    if syntax is not None and encapsulated != (syntax in _COMPRESSED):
        found = "compressed" if encapsulated else "uncompressed"
        raise unreadable(
            name,
            f"the pixels are {found}, but the transfer syntax is {UID(syntax).name}",
            "Export the cine again.",
        )


def _check_grey(name: str, tags: Tags) -> None:
    samples = tags.short("SamplesPerPixel") or 1
    colours = (tags.text("PhotometricInterpretation") or "MONOCHROME2").upper()
    if samples != 1 or not colours.startswith("MONOCHROME"):
        raise unreadable(
            name,
            f"a colour capture ({colours}, {samples} samples a pixel), not the angiogram itself",
            "Export the original greyscale XA object.",
        )


def _check_layout(name: str, layout: PixelLayout) -> None:
    check_size(name, layout.rows, layout.columns, layout.bits_allocated // 8)
    if layout.bits_allocated not in (8, 16, 32):
        raise unreadable(
            name,
            f"{layout.bits_allocated} bits allocated a pixel; 8, 16 or 32 are read",
            "Export the cine as 8 or 16 bit grey.",
        )


def _index(
    name: str, stream: BinaryIO, pixels: Pixels, layout: PixelLayout, n_frames: int, tags: Tags
) -> list[list[tuple[int, int]]]:
    if pixels.length is None:
        table = tags.raw.get("ExtendedOffsetTable")
        return encapsulated.frame_pieces(stream, pixels.start, n_frames, table, name)
    size = layout.frame_bytes
    there = min(pixels.length, stream.seek(0, io.SEEK_END) - pixels.start)
    if there < size * n_frames:
        raise unreadable(
            name,
            f"the pixel data is truncated: {there} bytes, {n_frames} frame(s) need {size * n_frames}",
            "Copy or export it again.",
        )
    return [[(pixels.start + t * size, size)] for t in range(n_frames)]
