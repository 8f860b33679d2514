"""Which pieces of an encapsulated file make which frame, found without reading the pixels."""

from __future__ import annotations

import itertools
import struct
from typing import BinaryIO

from src_training.cine.budget import unreadable

Piece = tuple[int, int]

_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_MAX_FRAGMENTS = 200_000
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")


def frame_pieces(
    stream: BinaryIO, start: int, n_frames: int, extended: bytes | None, name: str
) -> list[list[Piece]]:
    """For each frame the (offset, length) of its fragments in the file.

    Offset tables are believed only where they fit the fragments: 32-bit tables overflow and writers err.

    Raises
    ------
    UnreadableCine
        When the data is cut off or the frames cannot be told apart.
    """
    table, fragments = _scan(stream, start, name)
    if n_frames == 1 and fragments:
        return [fragments]
    for offsets in (_words(extended or b"", "Q"), _words(table, "I")):
        if grouped := _by_offsets(fragments, offsets, n_frames):
            return grouped
    if len(fragments) == n_frames:
        return [[fragment] for fragment in fragments]
    grouped = _by_start(stream, fragments)
    if len(grouped) == n_frames:
        return grouped
    raise unreadable(
        name,
        f"{n_frames} frames announced, {len(grouped) or len(fragments)} found: "
        "the pixel data is truncated or its offset table wrong",
        "Copy or export it again.",
    )


def count_frames(stream: BinaryIO, start: int, name: str) -> int:
    """How many frames the fragments hold, of which nobody tells: codestreams that begin, or offsets in the table."""
    table, fragments = _scan(stream, start, name)
    return max(1, len(_by_start(stream, fragments)), len(_words(table, "I")))


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


def _by_offsets(fragments: list[Piece], offsets: list[int], n_frames: int) -> list[list[Piece]]:
    """Fragments grouped by a table of frame starts, or nothing where the table does not fit them."""
    if len(offsets) != n_frames or offsets != sorted(set(offsets)) or offsets[0] != 0:
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
        if read_at(stream, piece[0], min(piece[1], 4)).startswith(_STARTS):
            grouped.append([piece])
        elif grouped:
            grouped[-1].append(piece)
    return grouped
