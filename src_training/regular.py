"""Reading what may come from elsewhere: an ordinary file of a sensible size, or a refusal at once.

A pipe makes whoever opens it wait for a writer, a device may never end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from src_training import confined

# Windows has neither: there no name in a folder is a pipe or a terminal.
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


class NotRegular(OSError):
    """What is no ordinary file, or larger than it may be; ``strerror`` is the reason, without the name."""

    def __init__(self, reason: str, path: Path) -> None:
        super().__init__(errno.EINVAL, reason, str(path))


def read_regular(path: Path, most: int) -> bytes:
    """The content of an ordinary file of at most ``most`` bytes, as long as it was when it was opened.

    Raises NotRegular, and OSError when the system refuses.
    """
    with open_regular(path, most) as file:
        return file.read(os.fstat(file.fileno()).st_size)


@contextlib.contextmanager
def open_regular(path: Path, most: int | None = None) -> Iterator[BinaryIO]:
    """An ordinary file, open for reading.

    Raises NotRegular, and OSError when the system refuses.
    """
    descriptor = confined.open_below(path, os.O_RDONLY | _FLAGS)
    try:
        # Before Python makes a file of it: for a folder that would fail without our reason.
        _check(os.fstat(descriptor), path, most)
        file = os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    with file:
        yield file


def size_of_regular(path: Path, most: int | None = None, *, follow: bool = True) -> int:
    """Bytes in an ordinary file, without opening it; a link is one as well, where links are followed.

    Raises NotRegular, and OSError when the system refuses.
    """
    facts = confined.status(path) if follow else os.lstat(path)
    if follow and confined.leads_elsewhere(facts):
        raise confined.Leads(confined.LINK.format(path.name), path)
    _check(facts, path, most)
    return facts.st_size


def _check(facts: os.stat_result, path: Path, most: int | None) -> None:
    if not stat.S_ISREG(facts.st_mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(facts.st_mode)), "a device")
        raise NotRegular(f"{kind}, not a file", path)
    if most is not None and facts.st_size > most:
        raise NotRegular(f"larger than {most / (1 << 20):,.4g} MiB", path)
