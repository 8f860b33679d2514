"""Reading the files of a run folder, which may be damaged or made to do harm: nothing hangs, nothing else is raised."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_DEEPEST = 64  # levels of nesting; our own records have four


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading; OSError for all else, such as a pipe, which would keep us waiting for ever."""
    fd = os.open(path, _FLAGS)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return open(fd, "rb")
    os.close(fd)
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_record(path: Path) -> dict[str, Any] | None:
    """The JSON object that a file holds; None when it is missing or holds anything else."""
    try:
        with open_file(path) as file:
            return parse_record(file.read())
    except OSError:
        return None


def parse_record(text: bytes) -> dict[str, Any] | None:
    """A JSON object; None for all else, for numbers that are not finite and for nesting without end."""
    try:
        record = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):  # undecodable bytes included
        return None
    if not isinstance(record, dict):
        return None
    brackets = text.count(b"{") + text.count(b"[")
    return None if brackets > _DEEPEST and _is_deeper(record, _DEEPEST) else record


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(part, levels - 1) for part in inner)
