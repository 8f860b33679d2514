"""The store's small JSON files, which may come from elsewhere: a record of ours, or nothing, whatever they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from src_training.json_objects import json_object
from src_training.json_size import parsing_bytes
from src_training.regular import read_regular

_LARGEST = 2**20
_MOST_MEMORY = 256 << 20
_DEEPEST = 8  # of what we write the deepest is a list of pairs in a comparison in a decision


def read_record(path: Path) -> dict[str, Any] | None:
    """The file's JSON object; None where it holds none, is no regular file or larger than 1 MiB."""
    text = read_text(path, _LARGEST)
    return None if text is None else parsed(text)


def read_text(path: Path, most: int) -> str | None:
    """A regular file of at most ``most`` bytes; None for a pipe, a device, or what cannot be read."""
    try:
        return read_regular(path, most).decode(errors="replace")
    except OSError:
        return None


def parsed(text: str) -> dict[str, Any] | None:
    """A JSON object that can also be written again, or None."""
    if parsing_bytes(text.encode(errors="replace")) > _MOST_MEMORY:
        return None
    record = json_object(text)
    return record if record is not None and _is_shallow(record) else None


def _is_shallow(record: dict[str, Any]) -> bool:
    level: list[Any] = [record]
    for _ in range(_DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
    return not level


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
