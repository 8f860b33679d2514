"""How much memory a distillation takes on a laptop."""

from __future__ import annotations

import sys

import pytest
from training_child import run_child

LIMIT_MIB = 3000


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_distilling_small_on_eight_crops_of_256_px_stays_under_three_gigabytes():
    assert 300 < int(run_child("memory_child").split()[-1]) < LIMIT_MIB
