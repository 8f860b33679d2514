"""Reading ``events.jsonl`` while somebody is writing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from src_training.regular import open_regular
from src_training.runs.reading import parse_record

EVENTS_FILE = "events.jsonl"
_LARGEST = 1 << 30  # of years of training

Event = dict[str, Any]


def read_events(path: Path, since_byte: int = 0) -> tuple[list[Event], int]:
    """Events written after ``since_byte``, and where to go on reading.

    A last line without its end is left for the next call; lines that are no events are passed over, and a file
    that cannot be read holds none.
    """
    try:
        with open_regular(path, _LARGEST) as file:
            file.seek(since_byte)
            data = file.read()
    except OSError:
        return [], since_byte
    whole = data[: data.rfind(b"\n") + 1]
    events = [event for line in whole.splitlines() if (event := _event(line)) is not None]
    return events, since_byte + len(whole)


def _event(line: bytes) -> Event | None:
    record = parse_record(line)
    return record if record is not None and isinstance(record.get("event"), str) else None
