"""A job that only counts: it proves that runs start, tell, stop and resume on this machine, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from src_training import durable
from src_training.errors import Cancelled, RunError
from src_training.runs.context import RunContext
from src_training.runs.reading import read_record
from src_training.training.pausing import write_when_there_is_space
from src_training.training.progress import Watcher

KIND = "selftest"
_MOST_STEPS, _MOST_SECONDS = 1_000_000, 86_400.0
Number = TypeVar("Number", int, float)


def count(settings: dict[str, Any], context: RunContext) -> None:
    """Count to ``steps`` in about ``seconds``, from the checkpoint of an earlier start if there is one.

    Raises Cancelled when asked to stop, after writing a checkpoint, if the disk had space for it.
    """
    steps, seconds = _told(settings, "steps", 10, _MOST_STEPS), _told(settings, "seconds", 1.0, _MOST_SECONDS)
    watcher = Watcher(context.emit, context.cancelled)
    checkpoint = context.folder / "checkpoints" / "last.json"
    step = _told(read_record(checkpoint) or {}, "step", 0, _MOST_STEPS)
    while step < steps:
        context.stop.wait(seconds / steps)
        step += 1
        left = seconds * (steps - step) / steps
        context.emit(
            {"event": "progress", "step": step, "steps": steps, "loss": 1 / step, "seconds_left": left}
        )
        if context.cancelled():
            _keep(step, checkpoint, watcher)
            raise Cancelled(f"stopped at step {step}; the checkpoint is kept and can be resumed")


def _told(record: dict[str, Any], name: str, default: Number, most: Number) -> Number:
    """A number of a record that may come from elsewhere; RunError for anything else."""
    value = record.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise RunError(f"{name} {str(value)[:40]}: expected a number from 0 to {most}. Start a new run.")
    return type(default)(value)


def _keep(step: int, checkpoint: Path, watcher: Watcher) -> None:
    def write() -> None:
        durable.make_dir(checkpoint.parent)
        durable.replace(checkpoint, json.dumps({"step": step}).encode())

    write_when_there_is_space(write, step, watcher)
    watcher.emit({"event": "checkpoint", "step": step})
