"""A harness in its own process: children that append are killed at every step, or write all at once.

``python durable_children.py kills|writers DATASET COUNT`` prints one ``saved <case> <revision>`` a line.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from durable_disks import DyingDisk, frame, mask
from forking import forked

from src_training import durable
from src_training.dataset import Dataset


def kill_at_every_step(folder: Path, count: int) -> None:
    """Child k dies at its k-th operation, appending corrections of shared cases and new ones."""
    for step in range(count):
        child = forked(partial(append_and_die, folder, step, count))
        os.waitpid(child, 0)


def write_all_at_once(folder: Path, writers: int) -> None:
    """All children append to the same cases and to their own."""
    children = [forked(partial(append_some, folder, 1000 * writer, 12)) for writer in range(writers)]
    for child in children:
        assert os.waitpid(child, 0)[1] == 0, "a writer failed"


def append_and_die(folder: Path, step: int, count: int) -> None:
    """Append on a disk that kills its process at its ``step``-th operation."""
    durable.disk = DyingDisk(step)
    append_some(folder, 1000 * step, count)


def append_some(folder: Path, first: int, count: int) -> None:
    """Append and acknowledge."""
    dataset = Dataset.open(folder)
    for number in range(first, first + count):
        shared = number % 2 == 0
        revision = dataset.append(frame(number % 3 if shared else number), mask(number))
        os.write(1, f"saved {revision.case} {revision.name}\n".encode())


if __name__ == "__main__":
    action = {"kills": kill_at_every_step, "writers": write_all_at_once}[sys.argv[1]]
    action(Path(sys.argv[2]), int(sys.argv[3]))
