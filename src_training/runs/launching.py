"""Starting the process of a run so that it outlives whoever starts it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from src_training import durable
from src_training.errors import RunError
from src_training.json_objects import json_bytes
from src_training.processes import clean_environment, windows_flags
from src_training.runs.process import Identity

LAUNCH_FILE = (
    "launch.json"  # who vouches for a run before it does so itself: first the launcher, then the child
)
PROCESS_FILE = "process.json"  # the run's own process, written by itself
LOG_FILE = "log.txt"

# Processes started here: kept so that they are reaped, and because only we are told their exit code.
_children: dict[int, subprocess.Popen[bytes]] = {}


def vouch(folder: Path, identity: Identity) -> None:
    """Say which process answers for the run until its own process does."""
    durable.replace(folder / LAUNCH_FILE, durable_json(identity.to_json()))


def spawn(folder: Path, *, detach: bool, threads: int) -> None:
    """Start ``python -m src_training run FOLDER`` in the background.

    Raises RunError when the system refuses.
    """
    try:
        with os.fdopen(durable.open_to_append(folder / LOG_FILE), "ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "src_training", "run", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(threads),
                start_new_session=detach,
                creationflags=windows_flags() if detach else 0,
            )
    except OSError as error:
        raise RunError(f"{folder.name}: cannot be started: {durable.cure_for(error)}") from error
    _children[child.pid] = child
    with contextlib.suppress(OSError):  # it runs, and says so itself; until then its launcher vouches for it
        vouch(folder, Identity.of(child.pid))


def exit_code(process: Identity) -> int | None:
    """How a process started here has ended (negative: by that signal); None for others and the living.

    It, or the launcher that stands in between on Windows and passes its code on.
    """
    child = _children.get(process.pid) or _children.get(process.parent)
    return child.poll() if child is not None else None


def durable_json(record: dict[str, object]) -> bytes:
    """A record as the bytes of a small file that people may read."""
    return json_bytes(record, indent=2) + b"\n"
