"""A job that only counts: it proves that runs start, tell, stop and resume on this machine, without torch."""

from __future__ import annotations

import json
from typing import Any

from src_training import durable
from src_training.errors import Cancelled
from src_training.runs.context import RunContext

KIND = "selftest"


def count(settings: dict[str, Any], context: RunContext) -> None:
    """Count to ``steps`` in about ``seconds``, from the checkpoint of an earlier start if there is one.

    Raises Cancelled when asked to stop, after writing a checkpoint.
    """
    steps, seconds = int(settings.get("steps", 10)), float(settings.get("seconds", 1.0))
    checkpoint = context.folder / "checkpoints" / "last.json"
    step = json.loads(checkpoint.read_bytes())["step"] if checkpoint.exists() else 0
    while step < steps:
        context.stop.wait(seconds / steps)
        step += 1
        left = seconds * (steps - step) / steps
        context.emit(
            {"event": "progress", "step": step, "steps": steps, "loss": 1 / step, "seconds_left": left}
        )
        if context.cancelled():
            durable.make_dir(checkpoint.parent)
            durable.replace(checkpoint, json.dumps({"step": step}).encode())
            context.emit({"event": "checkpoint", "step": step})
            raise Cancelled(f"stopped at step {step}; the checkpoint is kept and can be resumed")
