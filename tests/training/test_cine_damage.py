"""Bytes flipped, cut and moved, sizes that lie: a file opens or is refused in one line, whatever is done to it."""

from __future__ import annotations

import numpy as np
import pytest
from damaged_files import damaged, mask_refusal_of, refusal_of
from damaged_seeds import CINES, MASKS


@pytest.mark.parametrize("kind", [*CINES, *MASKS])
def test_a_damaged_file_opens_or_is_refused_in_one_line(tmp_path, kind):
    seed, read = (CINES[kind], refusal_of) if kind in CINES else (MASKS[kind], mask_refusal_of)
    path = tmp_path / f"x{seed.ending}"
    path.write_bytes(seed.finish(seed.data))
    assert read(path) is None
    rng = np.random.default_rng(len(seed.data))
    refused = 0
    for _ in range(100):
        path.write_bytes(damaged(seed, rng))
        line = read(path)
        assert line is None or (line.isprintable() and line.startswith(path.name))
        refused += line is not None
    assert refused > 0
