"""What an archive may give: counted on what really comes out of it, whatever its headers announce."""

from __future__ import annotations

from pathlib import Path
from typing import IO

MEMBERS = 200_000
LARGEST = 1 << 30  # of one file: what one acquisition may take decoded
TOTAL = 64 << 30
# An empty mask packs a thousand to one, but no data set as a whole; small ones are let through unasked.
RATIO, UNASKED = 250, 64 << 20
HEADER = 64 << 10  # of one member of a TAR: names and attributes
CHUNK = 1 << 20


class TooMuch(Exception):
    """An archive that goes beyond its budget; its text is the reason, without file or cure."""


class Budget:
    """What one archive may still give.

    ``room`` is what the disk has room for, in bytes.
    """

    def __init__(self, archive: Path, room: int) -> None:
        packed = archive.stat().st_size
        self._limits = (
            (TOTAL, f"it holds more than {TOTAL >> 30} GiB"),
            (max(UNASKED, RATIO * packed), f"unpacked it is more than {RATIO} times its size"),
            (room, "its content does not fit on the disk of the temporary folder (TMPDIR chooses another)"),
        )
        self._members = 0
        self._came_out = 0

    def member(self, announced: int) -> None:
        """One more member, with the size that its header announces: a first look, before any byte of it."""
        self._members += 1
        self.listed(self._members, self._came_out + announced)
        self.of_one_file(announced)

    def listed(self, count: int, announced: int) -> None:
        """So many members, and bytes in them, are in the list of an archive: refused before any is unpacked."""
        if count > MEMBERS:
            raise TooMuch(f"it has more than {MEMBERS:,} members")
        self._check_total(announced)

    def came_out(self, size: int) -> None:
        """So many bytes more came out of the compression."""
        self._came_out += size
        self._check_total(self._came_out)

    def of_one_file(self, size: int) -> None:
        """So many bytes belong to one file."""
        if size > LARGEST:
            raise TooMuch(f"one of its files is larger than {LARGEST >> 30} GiB")

    def _check_total(self, total: int) -> None:
        for most, reason in self._limits:
            if total > most:
                raise TooMuch(reason)


class Forwards:
    """The bytes of a TAR as they come out of its compression, read once and counted.

    What ``read`` gives is for tarfile, which keeps it in memory: only ``HEADER`` bytes from one ``next_member`` to
    the next. The content of a member is had by ``chunk``.
    """

    def __init__(self, stream: IO[bytes], budget: Budget) -> None:
        self._stream, self._budget = stream, budget
        self._at = 0
        self._left_of_header = HEADER
        self.last = b""

    def next_member(self) -> None:
        """What is read from now on belongs to the next header."""
        self._left_of_header = HEADER

    def read(self, size: int) -> bytes:
        """As a file gives it."""
        self._left_of_header -= size
        if size < 0 or self._left_of_header < 0:
            raise TooMuch("one of its headers is larger than any name needs")
        self.last = self._take(size)
        return self.last

    def chunk(self, most: int) -> bytes:
        """The next bytes, ``CHUNK`` of them at most."""
        return self._take(min(most, CHUNK))

    def seek(self, to: int, whence: int = 0) -> int:
        """Go forwards to a place."""
        if whence or to < self._at:
            raise TooMuch("one of its headers leads backwards")
        while self._at < to and self.chunk(to - self._at):
            pass
        return self._at

    def tell(self) -> int:
        """How far it was read."""
        return self._at

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._at += len(data)
        self._budget.came_out(len(data))
        return data
