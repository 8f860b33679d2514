"""Is that process still the one it was? Host, boot, pid and start time together answer it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

_SAME_START_S = 2.0  # where the start comes from the wall clock, two readings of it may differ


@dataclass(frozen=True)
class Identity:
    """One process, never to be mistaken for a later one with the same number.

    ``started`` is in clock ticks since boot on Linux, where setting the clock does not move it, and in
    seconds of the epoch elsewhere; ``boot`` is empty where starts of different boots differ anyway.
    """

    host: str
    boot: str
    pid: int
    started: float

    @classmethod
    def of(cls, pid: int | None = None) -> Identity:
        """The identity of a running process, by default this one; one that is gone never counts as alive."""
        pid = os.getpid() if pid is None else pid
        return cls(socket.gethostname(), _boot(), pid, _started(pid) or 0.0)

    @classmethod
    def from_json(cls, record: Any) -> Identity | None:
        """Read what ``to_json`` wrote; None when it is anything else."""
        try:
            return cls(str(record["host"]), str(record["boot"]), int(record["pid"]), float(record["started"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_here(self) -> bool:
        """Whether it belongs to this machine, so that ``is_alive`` can know."""
        return self.host == socket.gethostname()

    @property
    def is_of_this_boot(self) -> bool:
        """False once the machine has been restarted since."""
        return self.boot == _boot()

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs on this machine."""
        if not (self.is_here and self.is_of_this_boot):
            return False
        started = _started(self.pid)
        tolerance = 0.0 if sys.platform == "linux" else _SAME_START_S
        return started is not None and abs(started - self.started) <= tolerance


def step_back() -> None:
    """Give this process a lower priority than what a person is working with."""
    process = psutil.Process()
    with contextlib.suppress(psutil.Error, OSError):
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        elif process.nice() < 10:
            process.nice(10)


def _started(pid: int) -> float | None:
    """When the process started, or None when there is none, or only its corpse."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return _ticks(pid) if sys.platform == "linux" else process.create_time()
    except (psutil.Error, OSError, ValueError, OverflowError, IndexError):
        return None


def _ticks(pid: int) -> float:
    # The name in parentheses may itself hold spaces and parentheses; field 22 is counted after it.
    return float(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19])


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
