"""How much memory a distillation takes on a laptop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("memory_child.py")
LIMIT_MIB = 3000


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_distilling_small_on_eight_crops_of_256_px_stays_under_three_gigabytes():
    done = subprocess.run(
        [sys.executable, str(CHILD)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert 300 < int(done.stdout.split()[-1]) < LIMIT_MIB
