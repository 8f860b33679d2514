"""Why a run's process is gone, as far as anybody who was not there can tell."""

from __future__ import annotations

import datetime
import signal
from pathlib import Path

from src_training import confined
from src_training.errors import printable
from src_training.file_clock import SKEW_S, age_s
from src_training.runs.launching import LOG_FILE, exit_code
from src_training.runs.log import last_line
from src_training.runs.process import Identity

SILENCE_S = 3600.0  # a run says something every few seconds, a comparison takes minutes
_RESUME = "Resume it, or start a new one."


def cause_of_end(folder: Path, process: Identity | None, events: Path) -> str:
    """One line: what ended the process, its last words, and the cure."""
    last = last_line(folder / LOG_FILE)
    words = f" Its last line: {last.rstrip('.')}." if last else ""
    return f"{_cause(process, events)}.{words} {_RESUME}"


def overdue(events: Path) -> bool:
    """Whether a run has been silent for longer than any run is; a date in the future is no sign of life."""
    try:
        return not -SKEW_S <= age_s(events) <= SILENCE_S
    except OSError:
        return True


def no_sign_of_life(process: Identity, events: Path) -> str:
    """Since when nothing was heard of a run on another computer, and of which."""
    where = f"on another computer ({printable(process.host[:60])})"
    try:
        written = datetime.datetime.fromtimestamp(confined.status(events).st_mtime, datetime.UTC)
        future = ", a date in the future" if age_s(events) < -SKEW_S else ""
    except (OSError, ValueError, OverflowError):
        return f"no sign of life, {where}"
    return f"no sign of life since {written:%Y-%m-%d %H:%M} UTC{future}, {where}"


def _cause(process: Identity | None, events: Path) -> str:
    if process is None:
        return "the run was never started"
    if not process.is_here:
        return no_sign_of_life(process, events)
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
