"""What every process that we start has in common: whose code it runs, and how many threads it takes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import src_training

_CHECKOUT = Path(src_training.__file__).resolve().parent.parent


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


def windows_flags() -> int:
    """No console window, and no share in the Ctrl-C of ours; nothing elsewhere."""
    names = ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP")
    return sum(int(getattr(subprocess, name, 0)) for name in names)
