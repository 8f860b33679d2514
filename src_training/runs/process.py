"""Is that process still the one it was? Machine, boot, pid and start time together answer it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from src_training.runs.machine import boot_id, machine_id, process_space

_SAME_START_S = 2.0  # where the start comes from the wall clock, two readings of it may differ


@dataclass(frozen=True)
class Identity:
    """One process, never to be mistaken for a later one with the same number.

    ``started`` is in clock ticks since boot on Linux, where setting the clock does not move it, and in
    seconds of the epoch elsewhere; ``boot`` is empty where starts of different boots differ anyway. ``machine`` and
    ``space`` are empty in records of older versions. ``parent`` started it: in a virtual environment on Windows a
    launcher, which is all that who starts a process gets to see.
    """

    host: str
    boot: str
    pid: int
    started: float
    machine: str = ""
    space: str = ""
    parent: int = 0

    @classmethod
    def of(cls, pid: int | None = None) -> Identity:
        """The identity of a running process, by default this one; one that is gone never counts as alive."""
        parent = os.getppid() if pid is None else 0
        pid = os.getpid() if pid is None else pid
        started = _started(pid) or 0.0
        return cls(socket.gethostname(), boot_id(), pid, started, machine_id(), process_space(), parent)

    @classmethod
    def from_json(cls, record: Any) -> Identity | None:
        """Read what ``to_json`` wrote; None when it is anything else."""
        try:
            later = {name: str(record.get(name, "")) for name in ("machine", "space")}
            pid, started, parent = int(record["pid"]), float(record["started"]), int(record.get("parent", 0))
            return cls(str(record["host"]), str(record["boot"]), pid, started, parent=parent, **later)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            return None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_of_this_machine(self) -> bool:
        """Whether it belongs to this computer, whatever that was called then."""
        if self.machine and self.machine == machine_id():
            return True
        same_name, same_boot = self.host == socket.gethostname(), bool(self.boot) and self.boot == boot_id()
        return same_name and same_boot if self.machine else same_name or same_boot

    @property
    def is_here(self) -> bool:
        """Whether ``is_alive`` can know: a running container's processes cannot be seen from another one."""
        unseen = self.is_of_this_boot and self.space not in ("", process_space())
        return self.is_of_this_machine and not unseen

    @property
    def is_of_this_boot(self) -> bool:
        """False once the machine has been restarted since."""
        return self.boot == boot_id()

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
