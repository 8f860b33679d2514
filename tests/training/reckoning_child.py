"""Run by a process of its own: what networks really take; one JSON object a line, of each spec that it is given.

``python reckoning_child.py SIDE SPEC…``: the memory of a frame of SIDE px that is segmented, and of one batch of two
half as large that is trained on, in bytes. Each is measured in a fork that ends with it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from src_training.networks import Architecture, build_network


def main(side: int, specs: list[str]) -> None:
    """Measure each."""
    torch.set_num_threads(1)
    for spec in specs:
        architecture = Architecture.model_validate_json(spec)
        frame = in_a_fork(lambda: segmented(architecture, side))  # noqa: B023 - called at once
        batch = in_a_fork(lambda: trained(architecture, side // 2))  # noqa: B023
        print(json.dumps({"frame": frame, "batch": batch}), flush=True)


def segmented(architecture: Architecture, side: int) -> int:
    """Bytes that a frame takes beside the loaded network."""
    network = build_network(architecture).eval().fused().to(memory_format=torch.channels_last)
    with torch.inference_mode():
        network(torch.zeros(1, 1, 64, 64))
        before = rest()
        torch.sigmoid(network(torch.zeros(1, 1, side, side)).logits)
    return peak() - before


def trained(architecture: Architecture, side: int) -> int:
    """Bytes that a step takes on two crops beside the network and its gradient."""
    network = build_network(architecture).to(memory_format=torch.channels_last).train()
    network(torch.zeros(2, 1, 64, 64)).logits.mean().backward()
    before = rest()
    network(torch.zeros(2, 1, side, side)).logits.mean().backward()
    return peak() - before


def rest() -> int:
    """Forget the peak until now; the resident memory."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _told("VmRSS")


def peak() -> int:
    """The largest resident memory since then."""
    return _told("VmHWM")


def in_a_fork(measure: Callable[[], int]) -> int:
    """What it gives; a fork's memory is not that of the measurement before."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(measure()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        found = told.read()
    os.waitpid(child, 0)
    return int(found)


def _told(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split(f"{name}:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
