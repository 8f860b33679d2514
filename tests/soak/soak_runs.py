"""Runs are killed, stopped, starved of space and resumed: the same weights, and a true label at all times."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from soak_table import Figure, Part, Size

HERE = Path(__file__).resolve().parent
_PATHS = (HERE.parent.parent, HERE.parent / "training")
_BUG = "LIGHTVESSEL_SOAK_BUG"
_BUGS = ("the optimiser is not resumed", "a pid alone counts as alive", "a full disk ends the run")


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Measured by a process of its own, which has never used torch and so may fork its runs."""
    bug = [os.environ[_BUG]] if _BUG in os.environ else []
    path = os.pathsep.join([*map(str, _PATHS), os.environ.get("PYTHONPATH", "")])
    harness = subprocess.Popen(
        [sys.executable, str(HERE / "runs_harness.py"), size, str(folder), *bug],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        text=True,
    )
    assert harness.stdout is not None
    try:
        for line in harness.stdout:
            yield Figure(**json.loads(line))
        if harness.wait() != 0:
            yield Figure("the measuring process ended well", f"code {harness.returncode}", "0", False)
    finally:
        harness.kill()
        harness.wait()
        harness.stdout.close()


def _planted(bug: str) -> contextlib.AbstractContextManager[object]:
    return mock.patch.dict(os.environ, {_BUG: bug})


PART = Part(run, {bug: lambda bug=bug: _planted(bug) for bug in _BUGS})  # type: ignore[misc]
