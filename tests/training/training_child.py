"""Trainings of a test that run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def run_child(module: str, *arguments: str | Path, launcher: Sequence[str] = ()) -> str:
    """What ``python [launcher] -m tests.training.MODULE ARGUMENTS`` prints with one thread; it must end well."""
    return run_module(f"tests.training.{module}", *arguments, launcher=launcher)


def run_module(module: str, *arguments: str | Path, launcher: Sequence[str] = ()) -> str:
    """What ``python [launcher] -m MODULE ARGUMENTS`` prints with one thread; it must end well."""
    command = [sys.executable, *launcher, "-m", module, *map(str, arguments)]
    path = os.pathsep.join([str(ROOT), str(HERE)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout
