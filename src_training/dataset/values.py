"""The values that a revision record may hold: what is of another kind or size reaches neither code nor decoder."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Iterator
from typing import Any

from src_training.dataset.frame import CALIBRATIONS, STATUSES

#: Rows and columns of a stored frame; larger ones are never made, and would take a decoder's memory.
LARGEST_SIDE = 4096

_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64))
_DTYPES = (*_INTEGERS, "float16", "float32", "float64")
_HEX = {digits: re.compile(f"[0-9a-f]{{{digits}}}") for digits in (24, 64)}
_MOST = 2**53
Check = Callable[[Any], bool]


def value_problems(record: dict[str, Any]) -> Iterator[str]:
    """What is missing, of the wrong kind or out of range; unknown keys are free. Raises TypeError and the like."""
    yield from _wrong("", record, _NEEDED, _OPTIONAL)
    for kind, needed in (("image", _BLOB), ("mask", _BLOB | _MASK)):
        yield from _wrong(f"{kind}: ", record[kind], needed, _CODING)


def _wrong(
    where: str, facts: dict[str, Any], needed: dict[str, Check], free: dict[str, Check]
) -> Iterator[str]:
    for name, is_right in needed.items():
        if not is_right(facts[name]):
            yield f"{where}{name} cannot be {reprlib.repr(facts[name])}"
    for name, is_right in free.items():
        if name in facts and not is_right(facts[name]):
            yield f"{where}{name} cannot be {reprlib.repr(facts[name])}"


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_number(value: Any) -> bool:
    return (type(value) is int and abs(value) <= _MOST) or (type(value) is float and math.isfinite(value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_shape(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(_is_count(side) and 0 < side <= LARGEST_SIDE for side in value)
    )


def _hex(digits: int) -> Check:
    return lambda value: isinstance(value, str) and _HEX[digits].fullmatch(value) is not None


def _one_of(words: tuple[str, ...]) -> Check:
    return lambda value: isinstance(value, str) and value in words


def _or_null(is_right: Check) -> Check:
    return lambda value: value is None or is_right(value)


def _each(is_right: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(is_right, value))


def _named(**checks: Check) -> Check:
    """An object whose known keys are right; keys that are not known here are free."""
    return lambda value: (
        isinstance(value, dict)
        and all(is_right(value[name]) for name, is_right in checks.items() if name in value)
    )


_number_or_null = _or_null(_is_number)
_NEEDED: dict[str, Check] = {
    "case": _hex(24),
    "seq": lambda value: _is_count(value) and value > 0,
    "status": _one_of(STATUSES),
    "created_utc": _is_text,
    "self_sha256": _hex(64),
    "parent": _or_null(_hex(64)),
    "patient_key": _or_null(_hex(64)),
}
_OPTIONAL: dict[str, Check] = {
    "supersedes": _each(_hex(64)),
    "annotator": _is_text,
    "model_id": _or_null(_is_text),
    "proposal_sha256": _or_null(_is_text),
    "frame_index": _or_null(_is_count),
    "vessels_bright": _is_flag,
    "projection": _named(primary_deg=_number_or_null, secondary_deg=_number_or_null),
    "calibration": _named(status=_one_of(CALIBRATIONS), row_mm=_number_or_null, column_mm=_number_or_null),
    "grey": _or_null(
        _named(
            low=_number_or_null,
            high=_number_or_null,
            slope=_number_or_null,
            intercept=_number_or_null,
            inverted=_is_flag,
            padding=_or_null(lambda value: _each(_number_or_null)(value) and len(value) == 2),
        )
    ),
    "effort": _or_null(
        _named(
            seconds=_number_or_null,
            strokes=_number_or_null,
            pixels_added=_number_or_null,
            pixels_removed=_number_or_null,
        )
    ),
}
_BLOB: dict[str, Check] = {
    "file": _is_text,
    "sha256": _hex(64),
    "shape": _is_shape,
    "dtype": _one_of(_DTYPES),
}
_MASK: dict[str, Check] = {"dtype": _one_of(("uint8",)), "pixels_sha256": _hex(64)}
_CODING: dict[str, Check] = {
    "bytes": _is_count,
    "offset": _is_number,
    "scale": _is_number,
    "lossless": _is_flag,
}
