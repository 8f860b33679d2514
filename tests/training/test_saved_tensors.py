"""Promises about checkpoints that may come from elsewhere: read as data, never larger than the file, fitting exactly."""

from __future__ import annotations

import io
import re
import tracemalloc
import zipfile
from dataclasses import asdict

import pytest
import torch
from model_folders import TINY

from src_training.errors import RunError
from src_training.networks import build_network
from src_training.training.checkpoint import LAST, load_checkpoint, save_checkpoint, save_durably
from src_training.training.loop import _fresh_state
from src_training.training.progress import Progress
from src_training.training.saved_tensors import read_saved
from src_training.training.settings import LoopSettings

LINE = r".*last\.pt: .* (Remove the folder .* to begin anew|Start a new run, or give another folder)\.$"


def fresh():
    torch.manual_seed(0)
    network = build_network(TINY).to(memory_format=torch.channels_last)
    state = _fresh_state(network, torch.nn.Module(), LoopSettings())
    network(torch.zeros(2, 1, 64, 64)).logits.mean().backward()
    state.optimiser.step()
    state.average.update_parameters(network)
    return state


def record_of(state, progress=Progress(step=3, losses=[(1, 0.5), (2, 0.25)])):
    parts = {name: getattr(state, name).state_dict() for name in ("network", "average", "optimiser", "helper")}
    return parts | {"progress": asdict(progress)}


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
        "types": [torch.arange(6).to(dtype).view(2, 3) for dtype in (torch.float64, torch.bfloat16, torch.int16)],
        "part of one": torch.arange(20.0)[3:9:2],
        "turned": torch.arange(6.0).view(2, 3).t(),
        "empty": torch.zeros(0, 4),
        "one": torch.tensor(True),
        "plain": [(1, -2.5, None, True, "é\u2028", 2**40, -(2**70)), {}, [], {3: {"x": ()}}],
        "state": fresh().optimiser.state_dict(),
    }
    save_durably(values, tmp_path / "some.pt")
    assert equal(read_saved(tmp_path / "some.pt", 1 << 24), torch.load(tmp_path / "some.pt", weights_only=True))


def test_a_checkpoint_goes_on_where_it_was(tmp_path):
    state, other = fresh(), fresh()
    with torch.no_grad():
        state.network.head.bias += 1
    save_checkpoint(tmp_path, state, Progress(step=3, losses=[(1, 0.5)]))
    assert load_checkpoint(tmp_path, other) == Progress(step=3, losses=[(1, 0.5)])
    assert equal(record_of(other)["network"], record_of(state)["network"])


# -- hostile ones --------------------------------------------------------------------------------------------


def saved(record):
    content = io.BytesIO()
    torch.save(record, content)
    return content.getvalue()


def packed(record):
    """Deflated: tensors of zeros shrink a thousandfold."""
    source, target = zipfile.ZipFile(io.BytesIO(saved(record))), io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    return target.getvalue()


def with_program(program):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/data/0", bytes(64))
    return target.getvalue()


def changed(part, change):
    """A record in which one part was changed."""

    def make():
        record = record_of(fresh())
        change(record[part])
        return saved(record)

    return make


def grown(state):
    state["state"][0]["exp_avg"] = torch.zeros(1, dtype=torch.float64).expand(10**9)


def laughs(progress):
    inner = [(1, 0.5)] * 10
    for _ in range(8):
        inner = [inner] * 10
    progress["losses"] = inner


HOSTILE = {
    "packed": lambda: packed(record_of(fresh()) | {"more": torch.zeros(2**22)}),
    "larger than it can be": lambda: saved(record_of(fresh()) | {"more": torch.zeros(18 << 20)}),
    "older format": lambda: (lambda b: (torch.save({}, b, _use_new_zipfile_serialization=False), b.getvalue())[1])(
        io.BytesIO()
    ),
    "much of nothing": lambda: with_program(b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x01\x85R."),
    "another function": lambda: with_program(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R."),
    "containers without end": lambda: with_program(b"\x80\x02" + b"]" * 3_000_000 + b"."),
    "nested without end": lambda: with_program(b"\x80\x02]" + b"\x85" * 1_000_000 + b"."),
    "a list of itself": lambda: with_program(b"\x80\x02]q\x00h\x00a."),
    "a number that has no end": lambda: with_program(b"\x80\x02\x8b\xff\xff\xff\x7f."),
    "no value": lambda: with_program(b"\x80\x02."),
    "nothing to take": lambda: with_program(b"\x80\x02ae."),
    "optimiser of another size": changed("optimiser", grown),
    "optimiser of no weight": changed("optimiser", lambda state: state["state"].update({99: {"step": 1}})),
    "optimiser of other groups": changed("optimiser", lambda state: state["param_groups"][0].update(params=[0])),
    "optimiser's settings deep": changed("optimiser", lambda state: state["param_groups"][0].update(lr=[[[]]])),
    "weight of another size": changed("network", lambda state: state.update({"head.bias": torch.zeros(2)})),
    "losses without end": changed("progress", laughs),
    "parts without end": changed("progress", lambda progress: progress.update(parts=10**9)),
    "step of text": changed("progress", lambda progress: progress.update(step="3")),
    "step below none": changed("progress", lambda progress: progress.update(step=-1)),
    "a field more": changed("progress", lambda progress: progress.update(more=1)),
    "no parts": lambda: saved([1, 2]),
}


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
