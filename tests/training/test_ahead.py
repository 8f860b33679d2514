"""Promises of making batches ahead: the same batches in the same order, and one clear line when a process dies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ahead_child import CASES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@pytest.mark.parametrize("case", CASES)
def test_batches_made_ahead(tmp_path, case):
    """In a process of its own: one that holds windows and threads is not to be forked."""
    path = os.pathsep.join([str(ROOT), str(HERE)])
    command = [sys.executable, "-m", "tests.training.ahead_child", case, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
