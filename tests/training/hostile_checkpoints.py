"""Checkpoints that were made to do harm: each would take memory, run something, or not fit what it is loaded into."""

from __future__ import annotations

import io
import zipfile
from dataclasses import asdict

import torch
from model_folders import TINY

from src_training.networks import build_network
from src_training.training.loop import _fresh_state
from src_training.training.progress import Progress
from src_training.training.settings import LoopSettings


def fresh():
    """What learns, after a step."""
    torch.manual_seed(0)
    network = build_network(TINY).to(memory_format=torch.channels_last)
    state = _fresh_state(network, torch.nn.Module(), LoopSettings())
    network(torch.zeros(2, 1, 64, 64)).logits.mean().backward()
    state.optimiser.step()
    state.average.update_parameters(network)
    return state


def record_of(state, progress=Progress(step=3, losses=[(1, 0.5), (2, 0.25)])):
    parts = {
        name: getattr(state, name).state_dict() for name in ("network", "average", "optimiser", "helper")
    }
    return parts | {"progress": asdict(progress)}


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
    "older format": lambda: (
        lambda b: (torch.save({}, b, _use_new_zipfile_serialization=False), b.getvalue())[1]
    )(io.BytesIO()),
    "much of nothing": lambda: with_program(
        b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x01\x85R."
    ),
    "another function": lambda: with_program(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R."),
    "containers without end": lambda: with_program(b"\x80\x02" + b"]" * 3_000_000 + b"."),
    "nested without end": lambda: with_program(b"\x80\x02]" + b"\x85" * 1_000_000 + b"."),
    "a key that ends the process": lambda: with_program(b"\x80\x02})" + b"\x85" * 1_900_000 + b"Ns."),
    "a list of itself": lambda: with_program(b"\x80\x02]q\x00h\x00a."),
    "a number that has no end": lambda: with_program(b"\x80\x02\x8b\xff\xff\xff\x7f."),
    "no value": lambda: with_program(b"\x80\x02."),
    "nothing to take": lambda: with_program(b"\x80\x02ae."),
    "optimiser of another size": changed("optimiser", grown),
    "optimiser of no weight": changed("optimiser", lambda state: state["state"].update({99: {"step": 1}})),
    "optimiser of other groups": changed(
        "optimiser", lambda state: state["param_groups"][0].update(params=[0])
    ),
    "optimiser's settings deep": changed(
        "optimiser", lambda state: state["param_groups"][0].update(lr=[[[]]])
    ),
    "weight of another size": changed("network", lambda state: state.update({"head.bias": torch.zeros(2)})),
    "losses without end": changed("progress", laughs),
    "parts without end": changed("progress", lambda progress: progress.update(parts=10**9)),
    "step of text": changed("progress", lambda progress: progress.update(step="3")),
    "step below none": changed("progress", lambda progress: progress.update(step=-1)),
    "a field more": changed("progress", lambda progress: progress.update(more=1)),
    "no parts": lambda: saved([1, 2]),
}
