"""Starting the process of a run so that it outlives whoever starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import src_training
from src_training import durable
from src_training.errors import RunError
from src_training.runs.process import Identity

LAUNCH_FILE = (
    "launch.json"  # who vouches for a run before it does so itself: first the launcher, then the child
)
PROCESS_FILE = "process.json"  # the run's own process, written by itself
LOG_FILE = "log.txt"

_CHECKOUT = Path(src_training.__file__).resolve().parent.parent
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
        with open(folder / LOG_FILE, "ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "src_training", "run", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(threads),
                start_new_session=detach,
                creationflags=_windows_flags() if detach else 0,
            )
    except OSError as error:
        raise RunError(f"{folder.name}: cannot be started: {durable.cure_for(error)}") from error
    _children[child.pid] = child
    vouch(folder, Identity.of(child.pid))


def exit_code(pid: int) -> int | None:
    """How a process started here has ended (negative: by that signal); None for others and the living."""
    child = _children.get(pid)
    return child.poll() if child is not None else None


def durable_json(record: dict[str, object]) -> bytes:
    """A record as the bytes of a small file that people may read."""
    import json

    return json.dumps(record, ensure_ascii=False, indent=2).encode() + b"\n"


def clean_environment(threads: int) -> dict[str, str]:
    """The environment of a process of ours: our own package first, and nothing of the folder we happen to be in."""
    paths = [str(_CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONSAFEPATH": "1",  # no module of the folder we happen to be in
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",  # a crash in native code leaves its stack in log.txt
        "PYTHONIOENCODING": "utf-8",
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": str(threads),
    }


def _windows_flags() -> int:
    """No console window, and no share in the Ctrl-C of ours; nothing elsewhere."""
    names = ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP")
    return sum(int(getattr(subprocess, name, 0)) for name in names)
