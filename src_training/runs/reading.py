"""Reading the files of a run folder, which may be damaged or made to do harm: nothing hangs, nothing else is raised."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from src_training.json_objects import json_object
from src_training.regular import read_regular

_LARGEST = 1 << 20  # bytes of a record; its settings are the largest part
_DEEPEST = 64  # levels of nesting; our own records have four
_MOST_BRACKETS = 10_000  # lists and objects; ours have some dozens


def read_record(path: Path) -> dict[str, Any] | None:
    """The JSON object that a file holds; None when it is missing or holds anything else."""
    try:
        return parse_record(read_regular(path, _LARGEST))
    except OSError:
        return None


def parse_record(text: bytes) -> dict[str, Any] | None:
    """A JSON object; None for all else, for numbers that are not finite and for lists and nesting without end."""
    brackets = text.count(b"{") + text.count(b"[")
    if brackets > _MOST_BRACKETS:
        return None
    record = json_object(text, _DECODER)
    return None if record is None or (brackets > _DEEPEST and _is_deeper(record, _DEEPEST)) else record


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_DECODER = json.JSONDecoder(
    parse_float=_finite, parse_constant=_finite
)  # made once: that takes longer than a line


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(part, levels - 1) for part in inner)
