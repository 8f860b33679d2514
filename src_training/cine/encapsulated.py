"""Which pieces of an encapsulated file make which frame, found without reading the pixels."""

from __future__ import annotations

import itertools
import re
import struct
from typing import BinaryIO

from src_training.cine.budget import unreadable

Piece = tuple[int, int]

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_MAX_FRAGMENTS = 200_000
# JPEG, JPEG 2000 bare and boxed, and the header of RLE: its count of segments, the first of which follows it at once.
_STARTS = re.compile(rb"\xff\xd8\xff|\xff\x4f\xff\x51|\0\0\0\x0cjP  |[\x01-\x0f]\0\0\0\x40\0\0\0")
_JPEG_END = b"\xff\xd9"


def frame_pieces(
    stream: BinaryIO, start: int, stated: int | None, extended: bytes | None, name: str
) -> list[list[Piece]]:
    """For each frame the (offset, length) of its fragments in the file: all that are there, if more than ``stated``.

    Offset tables are believed only where they fit the fragments: 32-bit tables overflow and writers err. Beyond what
    is stated only frames count that an offset table or the start of a codestream shows, and that are whole.

    Raises
    ------
    UnreadableCine
        When the data is cut off or the frames cannot be told apart.
    """
    table, fragments = _scan(stream, start, name)
    tables = (_words(extended or b"", "Q"), _words(table, "I"))
    by_start = _by_start(stream, fragments)
    ways = [*(_by_offsets(fragments, offsets) for offsets in tables), by_start]
    n_frames = max(stated or 1, *(_wholes(stream, way, stated) for way in ways))
    if n_frames == 1 and len(by_start) < 2:
        return [fragments]
    # Damaged frames begin with anything; of frames in several pieces each, half of the pieces or fewer are beginnings.
    if len(fragments) == n_frames and (not by_start or 2 * len(by_start) > n_frames):
        return [[fragment] for fragment in fragments]
    for grouped in ways:
        if len(grouped) >= n_frames:
            return grouped[:n_frames]
    raise unreadable(
        name,
        f"{n_frames} frames announced, {len(by_start) or len(fragments)} found: "
        "the pixel data is truncated or its offset table wrong",
        "Copy or export it again.",
    )


def read_at(stream: BinaryIO, offset: int, length: int) -> bytes:
    """``length`` bytes from ``offset``; fewer raise ``EOFError``: the file changed or was cut."""
    stream.seek(offset)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError(f"{length} bytes expected at {offset}, {len(data)} found")
    return data


def _scan(stream: BinaryIO, start: int, name: str) -> tuple[bytes, list[Piece]]:
    """The basic offset table and every fragment behind it."""
    end = stream.seek(0, 2)
    table: bytes | None = None
    fragments: list[Piece] = []
    at = start
    while at + 8 <= end and len(fragments) <= _MAX_FRAGMENTS:
        head = read_at(stream, at, 8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != _ITEM:
            break
        if at + 8 + length > end:
            raise unreadable(name, "the pixel data is truncated", "Copy or export it again.")
        if table is None:
            table = stream.read(length)
        else:
            fragments.append((at + 8, length))
        at += 8 + length
    if not fragments:
        raise unreadable(name, "the pixel data is empty or damaged", "Copy or export it again.")
    return table or b"", fragments


def _words(table: bytes, kind: str) -> list[int]:
    size = struct.calcsize(kind)
    count = len(table) // size
    return list(struct.unpack(f"<{count}{kind}", table[: count * size]))


def _by_offsets(fragments: list[Piece], offsets: list[int]) -> list[list[Piece]]:
    """Fragments grouped by a table of frame starts, or nothing where the table does not fit them."""
    if not offsets or offsets != sorted(set(offsets)) or offsets[0] != 0:
        return []
    # Offsets count from the first byte after the table, which is the first fragment's item tag.
    origin = fragments[0][0] - 8
    starts = {offset - 8 - origin: index for index, (offset, _) in enumerate(fragments)}
    if not all(offset in starts for offset in offsets):
        return []
    firsts = [starts[offset] for offset in offsets] + [len(fragments)]
    return [fragments[a:b] for a, b in itertools.pairwise(firsts)]


def _by_start(stream: BinaryIO, fragments: list[Piece]) -> list[list[Piece]]:
    """Fragments grouped by where a codestream begins."""
    grouped: list[list[Piece]] = []
    for piece in fragments:
        if _STARTS.match(read_at(stream, piece[0], min(piece[1], 8))):
            grouped.append([piece])
        elif grouped:
            grouped[-1].append(piece)
    return grouped


def _wholes(stream: BinaryIO, frames: list[list[Piece]], stated: int | None) -> int:
    """How many of these frames there are without a last one that nobody announced and that is cut off."""
    count = len(frames)
    if stated is None or count <= stated or _has_end(stream, frames[-1]):
        return count
    # Some writers end no frame of theirs: then the last one is as whole as the first.
    return count - _has_end(stream, frames[0])


def _has_end(stream: BinaryIO, frame: list[Piece]) -> bool:
    """Whether a JPEG of any kind ends where its pieces do; of RLE the header does not tell."""
    if read_at(stream, frame[0][0], min(frame[0][1], 8))[4:] == b"\x40\0\0\0":
        return True
    offset, length = frame[-1]
    tail = min(length, 64)
    return _JPEG_END in read_at(stream, offset + length - tail, tail)
