"""Why a run's process is gone, as far as anybody who was not there can tell."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from src_training import confined
from src_training.runs.launching import LOG_FILE, exit_code
from src_training.runs.log import last_line
from src_training.runs.process import Identity

_SILENCE_S = 3600.0  # a run says something every few seconds, a comparison takes minutes
_RESUME = "Resume it, or start a new one."


def cause_of_end(folder: Path, process: Identity | None) -> str:
    """One line: what ended the process, its last words, and the cure."""
    last = last_line(folder / LOG_FILE)
    words = f" Its last line: {last.rstrip('.')}." if last else ""
    return f"{_cause(process)}.{words} {_RESUME}"


def overdue(events: Path) -> bool:
    """Whether a run has been silent for longer than any run is."""
    try:
        return time.time() - confined.status(events).st_mtime > _SILENCE_S
    except OSError:
        return True


def _cause(process: Identity | None) -> str:
    if process is None:
        return "the run was never started"
    if not process.is_here:
        return f"no sign of life from {process.host} for an hour"
    if not process.is_of_this_boot:
        return "the computer was restarted while it ran"
    return _ended_by(exit_code(process))


def _ended_by(code: int | None) -> str:
    if code is None:
        return "its process is gone without a word: killed, or the computer ran out of memory"
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    # The kernel's out-of-memory killer leaves no other trace than this signal.
    hint = " (by hand, or because the computer ran out of memory)" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{hint}"
