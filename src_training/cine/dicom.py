"""Opening a DICOM XA or XRF object: its tags now, its frames when they are asked for."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pydicom
from pydicom.uid import UID

from src_training.cine import encapsulated
from src_training.cine.budget import check_frames, check_size, unreadable
from src_training.cine.cine import Cine, about_one_value
from src_training.cine.codecs import decode_frame, unpack
from src_training.cine.colours import MODELS, as_grey
from src_training.cine.deflated import inflate
from src_training.cine.dicom_tags import (
    TAGS,
    PixelLayout,
    Tags,
    grey_values,
    header,
    pixel_layout,
    pixel_shape,
    projection,
    projections,
    shown_window,
    voi_curve,
)
from src_training.cine.frame_groups import values, values_of_frames, voi_lut
from src_training.cine.instance import instance
from src_training.cine.proportions import remark_on_shape

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
_FLOAT_PIXELS = (0x7FE00008, 0x7FE00009)
_PIXELS_ELSEWHERE = {
    "IconImageSequence": "it holds a preview (IconImageSequence), but no pixel data",
    "PixelDataProviderURL": "its pixel data lies on a server, not in the file",
}
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
        common, of_frames, implicit = _read_tags(stream)
        tags = of_frames[0] if of_frames else common
        pixels = _find_pixels(path.name, stream, implicit=implicit, little_endian=tags.little_endian)
        _check_object(path.name, tags, syntax, pixels, at_end=not stream.read(1))
        assert pixels is not None
        layout = pixel_layout(tags, little_endian=tags.little_endian)
        _check_layout(path.name, layout)
        stated = _stated_frames(path.name, tags)
        pieces = _index(path.name, stream, pixels, layout, stated, tags)
    # 8-bit pixels in big-endian words lie swapped in pairs.
    swapped = not tags.little_endian and layout.bits_allocated == 8 and pixels.vr == "OW"
    lossy = syntax not in _LOSSLESS
    compressed = pixels.length is None
    frames = DicomFrames(path, inflated, layout, pieces, compressed=compressed, lossy=lossy, swapped=swapped)
    about = replace(
        header(tags, layout),
        instance=instance(tags),
        remarks=(*_remarks(stated, len(pieces), tags, layout), *_remark_on_bits(frames)),
        **_of_each(common, of_frames, layout, len(pieces)),
    )
    if layout.samples > 1:
        _check_colours(frames)
    return Cine(
        frames,
        name=path.name,
        source=path,
        grey=about.greys[0] if about.greys else grey_values(tags, layout),
        header=about,
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
            frame = decode_frame(data, self.layout, name, lossy=self.lossy)
        else:
            frame = unpack(self._words(data), self.layout)
        if self.layout.samples == 1:
            return frame
        # What a JPEG says of its colour model is not always what it was written in.
        by_components = self.compressed or not self.layout.is_rgb
        return as_grey(frame, name, lossy=self.lossy and self.compressed, by_components=by_components)

    def _swapped_back(self, t: int) -> bytes:
        """A native frame whose bytes lie swapped in pairs, which begin with the first frame, not with each."""
        (start, length), (first, _) = self.pieces[t][0], self.pieces[0][0]
        before = (start - first) % 2
        with _open(self.path, self.inflated) as stream:
            stream.seek(start - before)
            data = stream.read(before + length + 1)
        pairs = np.frombuffer(data, "u2", len(data) // 2).byteswap().tobytes()
        return (pairs + data[len(pairs) :])[before : before + length]

    def _read(self, t: int) -> bytes:
        if self.swapped:
            return self._swapped_back(t)
        with _open(self.path, self.inflated) as stream:
            return b"".join(encapsulated.read_at(stream, *piece) for piece in self.pieces[t])

    def words(self, t: int) -> np.ndarray:
        """The words of an uncompressed frame as they lie in the file."""
        return self._words(self._read(t))

    def _words(self, data: bytes) -> np.ndarray:
        layout = self.layout
        word = layout.word.newbyteorder("<" if layout.little_endian else ">")
        words = np.frombuffer(data, word, layout.rows * layout.columns * layout.samples).astype(layout.word)
        if layout.samples == 1:
            return words.reshape(layout.rows, layout.columns)
        if layout.planes_apart:
            return np.moveaxis(words.reshape(layout.samples, layout.rows, layout.columns), 0, -1)
        return words.reshape(layout.rows, layout.columns, layout.samples)


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


def _read_tags(stream: BinaryIO) -> tuple[Tags, list[Tags], bool]:
    """The tags we know, raw, of all frames and of those that have their own, and whether VRs are implicit.

    The stream is left at the pixel data. What is said of one frame goes before what is said of all, and that before
    what the object says beside its functional groups.
    """
    dataset = pydicom.dcmread(
        stream, stop_before_pixels=True, force=True, defer_size="1 MB", specific_tags=list(TAGS.values())
    )
    implicit, little_endian = dataset.original_encoding
    shared, each = values_of_frames(dataset)
    own = values(dataset, TAGS) | voi_lut(dataset)
    common, *of_frames = [
        Tags(own | shared | frame, little_endian=little_endian is not False) for frame in ({}, *each)
    ]
    return common, of_frames, bool(implicit)


def _find_pixels(name: str, stream: BinaryIO, *, implicit: bool, little_endian: bool) -> Pixels | None:
    """The pixel data element at the stream's position, if it is one of integers."""
    order: Literal["little", "big"] = "little" if little_endian else "big"
    head = stream.read(8)
    tag = int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:4], order)
    if tag in _FLOAT_PIXELS:
        raise unreadable(name, "its pixels are floating-point numbers, no stored grey values", _CHOOSE_XA)
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
    _check_grey(name, tags, is_compressed=pixels.length is None)


def _stated_frames(name: str, tags: Tags) -> int | None:
    """How many frames the header announces; None where it says nothing."""
    stated = tags.text("NumberOfFrames")
    if stated is None:
        return None
    frames = tags.number("NumberOfFrames")
    if frames is None or frames != int(frames):
        raise unreadable(name, f"NumberOfFrames is {stated!r}, not a number", "Export the cine again.")
    check_frames(name, int(frames))
    return int(frames)


def _check_kind(name: str, tags: Tags, *, has_pixels: bool, at_end: bool) -> None:
    kind = tags.text("SOPClassUID") or ""
    if kind == "1.2.840.10008.1.3.10" or "DirectoryRecordSequence" in tags.raw:
        raise unreadable(name, "the index of a disc (DICOMDIR), not a cine", "Open the files beside it.")
    for start, what in _NOT_IMAGES:
        if kind.startswith(start):
            raise unreadable(name, f"{what}, not an angiogram", _CHOOSE_XA)
    if not has_pixels:
        for keyword, reason in _PIXELS_ELSEWHERE.items():
            if keyword in tags.raw:
                raise unreadable(name, reason, _CHOOSE_XA)
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


def _check_grey(name: str, tags: Tags, *, is_compressed: bool) -> None:
    samples = tags.short("SamplesPerPixel") or 1
    colours = (tags.text("PhotometricInterpretation") or "MONOCHROME2").upper()
    # Of uncompressed 4:2:2 two pixels share their chroma: nobody stores grey so.
    if samples == 3 and colours in MODELS and (is_compressed or colours != "YBR_FULL_422"):
        return
    if samples != 1 or not colours.startswith("MONOCHROME"):
        raise unreadable(
            name,
            f"a colour capture ({colours}, {samples} samples a pixel), not the angiogram itself",
            "Export the original greyscale XA object.",
        )


def _check_colours(frames: DicomFrames) -> None:
    """Refuse a colour capture when it is opened, by its first, middle and last frame; the others are checked later."""
    for t in sorted({0, len(frames.pieces) // 2, len(frames.pieces) - 1}):
        frames.decode(t)


def _check_layout(name: str, layout: PixelLayout) -> None:
    check_size(name, layout.rows, layout.columns, layout.bits_allocated // 8)
    if layout.bits_allocated not in ((8, 16, 32) if layout.samples == 1 else (8, 16)):
        raise unreadable(
            name,
            f"{layout.bits_allocated} bits allocated a pixel; 8, 16 or 32 are read",
            "Export the cine as 8 or 16 bit grey.",
        )


def _of_each(common: Tags, of_frames: list[Tags], layout: PixelLayout, n_frames: int) -> dict[str, Any]:
    """Grey values, angles and windows of each frame, where they are not the same for all of them."""
    found: dict[str, Any] = {"projections": projections(common, n_frames)}
    if of_frames:
        # Of frames without a group of their own only that is known which is true of all.
        tags = [*of_frames, *[common] * n_frames][:n_frames]
        found = {
            "greys": about_one_value(tuple(grey_values(frame, layout) for frame in tags)),
            "windows": tuple(shown_window(frame, layout) for frame in tags),
            "projections": tuple(map(projection, tags)),
        }
    return {name: values if len(set(values)) > 1 else () for name, values in found.items()}


def _remarks(stated: int | None, there: int, tags: Tags, layout: PixelLayout) -> Iterator[str]:
    if layout.samples > 1:
        yield "it is stored in colour; its frames are grey in fact and are read as grey"
    curve = voi_curve(tags, layout)
    if curve is not None and curve.falls:
        yield "its VOI lookup table turns grey over, and so it is shown"
    if curve is not None and curve.falls is None:
        yield "its VOI lookup table neither rises nor falls and is not applied"
    yield from remark_on_shape(*pixel_shape(tags))
    if stated is not None and stated != there:
        yield f"NumberOfFrames is {stated}, but the pixel data holds {there} frames: all {there} are read"


def _remark_on_bits(frames: DicomFrames) -> Iterator[str]:
    """Whether an uncompressed frame in the middle has bits beyond those that the header calls grey values."""
    layout = frames.layout
    beyond = (1 << layout.bits_allocated) - (1 << (layout.high_bit + 1))
    if frames.compressed or layout.samples > 1 or not beyond:
        return
    found = frames.words(len(frames.pieces) // 2) & layout.word.type(beyond)
    if (
        found[found != beyond] if layout.signed else found
    ).any():  # the sign may go on to the end of the word
        yield (
            f"bits beyond its BitsStored ({layout.bits_stored}) are set and not shown: an overlay, or "
            "grey values that are cut off, as the header is wrong"
        )


def _index(
    name: str, stream: BinaryIO, pixels: Pixels, layout: PixelLayout, stated: int | None, tags: Tags
) -> list[list[tuple[int, int]]]:
    """The pieces of every frame: what the pixel data holds goes before what the header says of it."""
    if pixels.length is None:
        table = tags.raw.get("ExtendedOffsetTable")
        pieces = encapsulated.frame_pieces(stream, pixels.start, stated, table, name)
        check_frames(name, len(pieces))
        return pieces
    size = layout.frame_bytes
    there = min(pixels.length, stream.seek(0, io.SEEK_END) - pixels.start)
    n_frames = max(stated or 1, there // size)
    check_frames(name, n_frames)
    if there < size * n_frames:
        raise unreadable(
            name,
            f"the pixel data is truncated: {there} bytes, {n_frames} frame(s) need {size * n_frames}",
            "Copy or export it again.",
        )
    return [[(pixels.start + t * size, size)] for t in range(n_frames)]
