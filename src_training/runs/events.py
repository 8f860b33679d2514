"""Reading ``events.jsonl`` while somebody is writing it, and whoever that is: never more of it than is worth a look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from src_training.regular import open_regular, size_of_regular
from src_training.runs.reading import parse_record

EVENTS_FILE = "events.jsonl"
_LARGEST = 1 << 30  # of years of training
_AT_A_TIME = 1 << 20  # bytes; also the longest line
_SHORTEST = len(b'{"event":""}')
# Of a file that is longer than both together, what lies between its beginning and its end is passed over.
_BEGINNING, _END = 1 << 20, 2 << 20

Event = dict[str, Any]


def read_events(path: Path, since_byte: int = 0) -> tuple[list[Event], int]:
    """Events written after ``since_byte``, about 1 MiB at most, and where to go on: the same place when all is read.

    A last line without its end is left for the next call; lines that are no events, or longer than 1 MiB, are passed
    over, and a file that cannot be read holds none.
    """
    try:
        with open_regular(path, _LARGEST) as file:
            file.seek(since_byte)
            data = file.read(_AT_A_TIME)
    except OSError:
        return [], since_byte
    whole = data[: data.rfind(b"\n") + 1]
    if not whole and len(data) == _AT_A_TIME:
        return [], since_byte + len(data)
    return _events(whole), since_byte + len(whole)


def passed_over(path: Path, since_byte: int) -> int:
    """Where to go on for who wants to know what a run has come to, not all of its way there."""
    try:
        size = size_of_regular(path)
    except OSError:
        return since_byte
    return since_byte if since_byte < _BEGINNING // 2 else max(since_byte, size - _END)


def latest_events(path: Path, most: int) -> list[Event]:
    """The events among the last ``most`` bytes."""
    try:
        with open_regular(path, _LARGEST) as file:
            file.seek(max(0, file.seek(0, 2) - most))
            data = file.read(most)
    except OSError:
        return []
    return _events(data[: data.rfind(b"\n") + 1])


def _events(lines: bytes) -> list[Event]:
    found = (parse_record(line) for line in lines.splitlines() if len(line) >= _SHORTEST)
    return [record for record in found if record is not None and isinstance(record.get("event"), str)]
