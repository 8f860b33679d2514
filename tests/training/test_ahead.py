"""Promises of making batches ahead: the same batches in the same order, and one clear line when a process dies."""

from __future__ import annotations

import pytest
from ahead_child import CASES
from training_child import run_child


@pytest.mark.parametrize("case", CASES)
def test_batches_made_ahead(tmp_path, case):
    """In a process of its own: one that holds windows and threads is not to be forked."""
    run_child("ahead_child", case, tmp_path)
