"""How long "Saved" takes, and how long the window stands still for it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from durable_disks import ScratchDisk, frame, mask
from journal_kills import child
from soak_table import Figure, Part, Size, measured

from src_training import Frame, durable, synthetic_cine
from src_training.dataset import Dataset

_CASES = {"quick": 100, "full": 10_000}
_APPENDS = {"quick": 20, "full": 300}
_ACCEPTS = {"quick": 10, "full": 100}
_FROZEN_MS = 1_000

_bug = ""


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Accepts in a real napari, then appends of the core."""
    yield from _accepts(size, folder / "ws")
    seconds = _timed_appends(_grown(folder / "grown", _CASES[size]), _APPENDS[size])
    saved = f"saving 512x512 frames on {_CASES[size]:,} cases"
    yield measured(f"{saved}: p50", float(np.percentile(seconds, 50)), "none")
    yield measured(f"{saved}: p95", float(np.percentile(seconds, 95)), "150 ms")


def _accepts(size: Size, workspace: Path) -> Iterator[Figure]:
    bug = [_bug] if _bug else []
    said = child("accept_child.py", str(workspace), str(_ACCEPTS[size]), *bug)
    ms = json.loads(said.splitlines()[-1])
    for when, what in (("pressed", "from the press to the save under way"), ("saved", 'to show "Saved"')):
        yield measured(
            f"an accept, {what}: the window's thread, p95", np.percentile(ms[when], 95) / 1000, "5 ms"
        )
    (frozen,) = ms["frozen"]
    yield Figure(
        "an accept on a disk that hangs for 2 s: longest stop of the window",
        f"{frozen:,.0f} ms",
        f"at most {_FROZEN_MS:,} ms",
        frozen < _FROZEN_MS,
    )


def _grown(folder: Path, cases: int) -> Dataset:
    made = Dataset.create(folder)
    with mock.patch.object(durable, "disk", ScratchDisk()):
        for number in range(cases):
            made.append(frame(number, f"P{number % 500}"), mask(number))
    return Dataset.open(folder)


def _timed_appends(dataset: Dataset, count: int) -> list[float]:
    """Seconds of every append, durable, of frames as large and as noisy as real ones."""
    drawn = synthetic_cine(seed=1, n_frames=2, shape=(512, 512))
    labels, seconds = (drawn.cine.frame(1) < 100).astype(np.uint8), []
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 4, (512, 512))
        noisy = np.clip(drawn.cine.frame(1) + noise, 0, 255).astype(np.uint8)
        began = time.perf_counter()
        dataset.append(Frame(noisy, f"P{number}"), labels)
        seconds.append(time.perf_counter() - began)
    return seconds


@contextlib.contextmanager
def _in_the_windows_thread() -> Iterator[None]:
    """An accept that saves before it gives the window back."""
    with mock.patch.dict(globals(), _bug="saved in the window's thread"):
        yield


PART = Part(run, {"saved by the window": _in_the_windows_thread}, windows=True)
