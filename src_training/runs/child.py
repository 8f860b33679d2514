"""The process of a run: do the job, and leave a true last word in the folder."""

from __future__ import annotations

import os
import signal
import traceback
from pathlib import Path
from typing import Any

from src_training import confined, durable
from src_training.errors import Cancelled, LightVesselError, RunError, is_out_of_memory
from src_training.runs import selftest
from src_training.runs.context import RunContext
from src_training.runs.launching import PROCESS_FILE, durable_json
from src_training.runs.process import Identity, step_back
from src_training.runs.reading import read_record
from src_training.runs.run import Run
from src_training.runs.writing import log


def main(folder: str | Path) -> int:
    """Do the job of a run folder in this process; exit code 0, 1 (unexpected), 2 or 130 (cancelled)."""
    folder = Path(folder).absolute()
    confined.confine(folder.parent.parent)  # the workspace
    config = Run(folder).config()
    _register(folder)
    context = RunContext(folder)
    _listen(context)
    step_back()
    context.emit(
        {
            "event": "started",
            "kind": config["kind"],
            "steps": config["settings"].get("steps"),
            "pid": os.getpid(),
        }
    )
    return _work(config["kind"], config["settings"], context)


def _work(kind: str, settings: dict[str, Any], context: RunContext) -> int:
    try:
        model_id = _execute(kind, settings, context)
    except Cancelled as cancelled:
        context.emit(
            {"event": "cancelled", "step": Run(context.folder).status().step, "message": str(cancelled)}
        )
        return cancelled.exit_code
    except LightVesselError as error:
        return _fail(context, str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001 - the last one who can tell what happened
        log(traceback.format_exc())
        return _fail(context, explain(error), 1)
    context.emit({"event": "finished", "model_id": model_id})
    return 0


def explain(error: Exception) -> str:
    """One line for an error nobody foresaw; its traceback is in the log."""
    text = " ".join(str(error).split())[:300]
    if is_out_of_memory(error):
        place = "the GPU" if "cuda" in text.lower() or "mps" in text.lower() else "the computer"
        return f"{place} ran out of memory. Close other programs, or train with smaller batches, and resume."
    if isinstance(error, OSError) and durable.is_full(error):
        return "the disk is full. Free some space and resume."
    return f"unexpected {type(error).__name__}: {text} (log.txt of the run has the traceback)"


def _execute(kind: str, settings: dict[str, Any], context: RunContext) -> str | None:
    if kind == selftest.KIND:
        selftest.count(settings, context)
        return None
    from src_training.training.jobs import execute

    return execute(kind, settings, context)


def _fail(context: RunContext, message: str, code: int) -> int:
    log(f"lightvessel: {message}")
    context.emit({"event": "failed", "message": message, "exit_code": code})
    return code


def _register(folder: Path) -> None:
    """Put our identity into the folder; RunError when another process has done so."""
    path = folder / PROCESS_FILE
    try:
        fd = confined.open_below(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(fd, "wb") as file:
            file.write(durable_json(Identity.of().to_json()))
    except FileExistsError as error:
        identity = Identity.from_json(read_record(path))
        alive = identity is not None and identity.is_alive
        cure = "Cancel it first." if alive else "Resume it: lightvessel runs resume WORKSPACE RUN."
        raise RunError(
            f"{folder.name}: {'has a process already' if alive else 'was run before'}. {cure}"
        ) from error


def _listen(context: RunContext) -> None:
    """SIGTERM and Ctrl-C ask the job to stop after its step; closing the terminal means nothing to us."""
    for name in ("SIGTERM", "SIGINT"):
        signal.signal(getattr(signal, name), lambda *_: context.stop.set())
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
