"""Promises about checkpoints from elsewhere: read as data, never larger than the file, fitting exactly."""

from __future__ import annotations

import re
import tracemalloc

import pytest
import torch
from hostile_checkpoints import HOSTILE, fresh, record_of

from src_training.errors import RunError
from src_training.training.checkpoint import LAST, load_checkpoint, save_checkpoint, save_durably
from src_training.training.progress import Progress
from src_training.training.saved_tensors import read_saved

LINE = r".*last\.pt: .* (Remove the folder .* to begin anew|Start a new run, or give another folder)\.$"


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other) and one.dtype == other.dtype and one.stride() == other.stride()
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return one == other and type(one) is type(other)


def test_what_torch_saved_is_read_to_the_bit_with_its_layout(tmp_path):
    values = {
        "types": [
            torch.arange(6).to(dtype).view(2, 3) for dtype in (torch.float64, torch.bfloat16, torch.int16)
        ],
        "part of one": torch.arange(20.0)[3:9:2],
        "turned": torch.arange(6.0).view(2, 3).t(),
        "empty": torch.zeros(0, 4),
        "one": torch.tensor(True),
        "plain": [(1, -2.5, None, True, "é\u2028", 2**40, -(2**70)), {}, [], {3: {"x": ()}}],
        "state": fresh().optimiser.state_dict(),
    }
    save_durably(values, tmp_path / "some.pt")
    assert equal(
        read_saved(tmp_path / "some.pt", 1 << 24), torch.load(tmp_path / "some.pt", weights_only=True)
    )


def test_a_checkpoint_goes_on_where_it_was(tmp_path):
    state, other = fresh(), fresh()
    with torch.no_grad():
        state.network.head.bias += 1
    save_checkpoint(tmp_path, state, Progress(step=3, losses=[(1, 0.5)]))
    assert load_checkpoint(tmp_path, other) == Progress(step=3, losses=[(1, 0.5)])
    assert equal(record_of(other)["network"], record_of(state)["network"])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_checkpoint_is_a_line_and_takes_no_more_than_its_file(name, tmp_path):
    (tmp_path / LAST).write_bytes(HOSTILE[name]())
    state = fresh()
    tracemalloc.start()
    with pytest.raises(RunError) as told:
        load_checkpoint(tmp_path, state)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert re.fullmatch(LINE, str(told.value))
    assert peak < 300 << 20
