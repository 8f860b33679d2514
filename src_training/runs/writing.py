"""What is written into a run folder, and the errors of doing so in one line."""

from __future__ import annotations

import contextlib
import datetime
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src_training import durable
from src_training.errors import RunError
from src_training.texts import lines


@contextlib.contextmanager
def writing(run_id: str) -> Iterator[None]:
    """Turn what the disk refuses into one line."""
    try:
        yield
    except OSError as error:
        raise RunError(f"run {run_id}: cannot write to its folder: {durable.cure_for(error)}") from error


def log(text: str) -> None:
    """Print into log.txt, which is where a run prints to; a log that refuses must not cost the run its last word."""
    with contextlib.suppress(OSError):
        print("\n".join(lines(text)), flush=True)


def utc_now() -> str:
    """This moment, as events give it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def launched_event() -> dict[str, Any]:
    """The event that reopens a run: its process is about to start."""
    return {"event": "launched", "time": utc_now(), "message": "starting"}


def cancelled_event(message: str) -> dict[str, Any]:
    """The event that a person writes who ends a run of which nothing is heard any more."""
    return {"event": "cancelled", "time": utc_now(), "message": message}


def failed_event(message: str) -> dict[str, Any]:
    """The last word of a run that could not be started."""
    return {"event": "failed", "time": utc_now(), "message": message, "exit_code": 2}


def plain(value: Any) -> Any:
    """The nearest thing that JSON can hold: numpy scalars as numbers, paths as text, NaN as null."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Path) or not hasattr(value, "tolist"):
        return str(value)
    return plain(value.tolist())
