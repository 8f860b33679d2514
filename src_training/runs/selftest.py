"""A job that only counts: it proves that runs start, tell, stop and resume on this machine, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src_training import durable
from src_training.errors import Cancelled
from src_training.runs.context import RunContext
from src_training.runs.reading import read_record
from src_training.training.pausing import write_when_there_is_space
from src_training.training.progress import Watcher

KIND = "selftest"


def count(settings: dict[str, Any], context: RunContext) -> None:
    """Count to ``steps`` in about ``seconds``, from the checkpoint of an earlier start if there is one.

    Raises Cancelled when asked to stop, after writing a checkpoint, if the disk had space for it.
    """
    steps, seconds = int(settings.get("steps", 10)), float(settings.get("seconds", 1.0))
    watcher = Watcher(context.emit, context.cancelled)
    checkpoint = context.folder / "checkpoints" / "last.json"
    step = int((read_record(checkpoint) or {}).get("step", 0))
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


def _keep(step: int, checkpoint: Path, watcher: Watcher) -> None:
    def write() -> None:
        durable.make_dir(checkpoint.parent)
        durable.replace(checkpoint, json.dumps({"step": step}).encode())

    write_when_there_is_space(write, step, watcher)
    watcher.emit({"event": "checkpoint", "step": step})
