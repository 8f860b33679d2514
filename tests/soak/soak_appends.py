"""Writers of a dataset are killed, fail and crowd each other: what was called saved is there."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest import mock

from durable_disks import frame, mask, readable
from forking import forked
from soak_table import Figure, Part, Size, all_of, none_of

from src_training import durable
from src_training.dataset import Dataset
from src_training.dataset.verify import verify_folder

_CASES = {"quick": 60, "full": 10_000}
_KILLS = {"quick": 40, "full": 1_000}
_WRITERS = {"quick": (4, 25), "full": (8, 200)}


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Kills during append, then many writers at once."""
    yield from _killed(size, folder / "killed")
    yield from _crowded(size, folder / "crowded")


def _killed(size: Size, folder: Path) -> Iterator[Figure]:
    dataset = Dataset.create(folder)
    acknowledged, took = [], []
    for number in range(_CASES[size]):
        began = time.perf_counter()
        acknowledged.append(_append(dataset, number, patient=f"P{number % 500}"))
        took.append(time.perf_counter() - began)
    rng, latest = random.Random(0), 1.5 * statistics.median(took)
    for kill in range(_KILLS[size]):
        acknowledged += _killed_writer(folder, 1_000_000 + 1_000 * kill, rng, latest)
    report = verify_folder(folder, deep=True)
    there = readable(folder)
    killed = f"{_KILLS[size]:,} kill -9 during append on {_CASES[size]:,} cases"
    yield none_of(f"{killed}: acknowledged frames lost", len(set(acknowledged) - there), len(acknowledged))
    yield none_of(f"{killed}: invalid records", len(report.problems), report.revisions)


def _killed_writer(folder: Path, first: int, rng: random.Random, latest: float) -> list[str]:
    """A process that appends until it is killed, up to ``latest`` seconds after some frame; what it acknowledged."""
    told, tell = os.pipe()
    child = forked(lambda: _append_for_ever(folder, first, tell))
    os.close(tell)
    with os.fdopen(told) as lines:
        acknowledged = [lines.readline() for _ in range(rng.randrange(3))]
        time.sleep(rng.uniform(0.0, latest))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        acknowledged += lines.readlines()
    return [line.rstrip("\n") for line in acknowledged if line.endswith("\n")]


def _append_for_ever(folder: Path, first: int, tell: int) -> None:
    dataset = Dataset.open(folder)
    for number in range(first, first + 1_000):
        # Every other one corrects a case that other writers corrected, too.
        name = _append(dataset, number, of=number % 7 if number % 2 else None)
        os.write(tell, f"{name}\n".encode())


def _crowded(size: Size, folder: Path) -> Iterator[Figure]:
    writers, each = _WRITERS[size]
    Dataset.create(folder)
    children = [forked(partial(_append_all, folder, writer, each)) for writer in range(writers)]
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    report, there = verify_folder(folder, deep=True), len(readable(folder))
    crowd = f"{writers} writers x {each} appends"
    yield all_of(f"{crowd}: present", there, writers * each)
    yield none_of(
        f"{crowd}: writers that failed, records that are invalid", failed + len(report.problems), there
    )


def _append_all(folder: Path, writer: int, count: int) -> None:
    dataset = Dataset.open(folder)
    for number in range(count):
        _append(dataset, 10_000 * writer + number, of=number % 5 if number % 2 else None)


def _append(dataset: Dataset, number: int, *, of: int | None = None, patient: str | None = None) -> str:
    revision = dataset.append(frame(number if of is None else of, patient), mask(number))
    return f"{revision.case} {revision.name}"


@contextlib.contextmanager
def _in_place() -> Iterator[None]:
    """A writer that opens the file by its final name and writes there."""

    def publish(path: Path, data: bytes, mode: int, name: object) -> None:
        half = len(data) // 2
        with open(path, "wb", buffering=0) as file:
            file.write(data[:half])
            time.sleep(0.01)
            file.write(data[half:])

    with mock.patch.object(durable, "_publish", publish):
        yield


PART = Part(run, {"files written in place": _in_place})
