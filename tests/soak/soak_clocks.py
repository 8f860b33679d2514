"""Computers whose clocks are hours apart save into one dataset and repair it: no frame is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

from durable_disks import frame, mask, readable
from forking import forked
from soak_table import Figure, Part, Size, all_of, none_of

from src_training.dataset import Dataset, Revision, commit, repair
from src_training.dataset.repair import quarantined
from src_training.dataset.verify import verify_folder
from src_training.errors import NotSaved

_FRAMES = {"quick": (4, 15), "full": (8, 500)}  # writers, frames of each; twice
_AHEAD_S = (2 * 3600.0, 30 * 3600.0, -2 * 3600.0)  # of the computers that repair
_PAUSE_S = 0.01  # between a save's files and its record: a slow share
_honest = time.time


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """First this computer's clock is wrong, then even the file system's, so that only looking again helps."""
    yield from _crowd(size, folder / "computer", "clocks hours apart", _moved_time)
    yield from _crowd(size, folder / "files", "the files' own clock ahead, too", _moved_files)


def _crowd(size: Size, folder: Path, what: str, moved: Callable[[float], None]) -> Iterator[Figure]:
    writers, each = _FRAMES[size]
    Dataset.create(folder)
    repairers = [forked(partial(_repair_for_ever, folder, moved, ahead)) for ahead in _AHEAD_S]
    told, tell = os.pipe()
    children = [forked(partial(_save_all, folder, writer, each, tell)) for writer in range(writers)]
    os.close(tell)
    with os.fdopen(told) as lines:
        acknowledged = [line.strip() for line in lines]
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    for repairer in repairers:
        os.kill(repairer, signal.SIGKILL)
        os.waitpid(repairer, 0)
    report = verify_folder(folder, deep=True)
    lost = set(acknowledged) - readable(folder)
    saving = f"{what}: {writers * each:,} saves beside {len(repairers)} repairs"
    yield all_of(f"{saving}: saved", len(acknowledged) if not failed else 0, writers * each)
    yield none_of(f"{saving}: frames lost", len(lost), len(acknowledged))
    yield none_of(f"{saving}: records that lack a file", len(report.problems), report.revisions)
    if moved is _moved_time:
        yield none_of(
            f"{what}: files of saves under way taken for left-overs", quarantined(folder), len(acknowledged)
        )


def _save_all(folder: Path, writer: int, count: int, tell: int) -> None:
    dataset, sync = Dataset.open(folder), commit.durable.sync_dir

    def slow(path: Path) -> None:
        sync(path)
        time.sleep(_PAUSE_S)

    commit.durable.sync_dir = slow
    for number in range(count):
        # Every third one corrects a frame that others correct, too.
        revision = _saved(dataset, number % 7 if number % 3 == 0 else 1000 * writer + number, number)
        os.write(tell, f"{revision.case} {revision.name}\n".encode())


def _saved(dataset: Dataset, of: int, number: int) -> Revision:
    """Tried until it is: a half-written file that was taken away is refused in a line, and nothing of it is kept."""
    while True:
        try:
            return dataset.append(frame(of), mask(number))
        except NotSaved:
            continue


def _repair_for_ever(folder: Path, moved: Callable[[float], None], ahead: float) -> None:
    moved(ahead)
    while True:
        for _ in repair.repair(folder, verify_folder(folder)):
            pass


def _moved_time(ahead: float) -> None:
    time.time = lambda: _honest() + ahead


def _moved_files(ahead: float) -> None:
    asked = repair.now_on
    repair.now_on = lambda folder: (asked(folder) or 0) + abs(ahead)


def _told_by_whoever_asks(_folder: Path) -> float:
    return time.time()


@contextlib.contextmanager
def _computers_clock() -> Iterator[None]:
    """Ages by the clock of whoever repairs, and a record is looked for at the beginning only."""
    with (
        mock.patch.object(repair, "now_on", _told_by_whoever_asks),
        mock.patch.object(repair, "_is_named", return_value=False),
        mock.patch.object(commit, "_keep_files"),
    ):
        yield


@contextlib.contextmanager
def _never_again() -> Iterator[None]:
    """The file system's clock is asked, but nobody looks for the record when the file was moved."""
    with (
        mock.patch.object(repair, "_is_named", return_value=False),
        mock.patch.object(commit, "_keep_files"),
    ):
        yield


PART = Part(
    run,
    {"the clock of whoever repairs believed": _computers_clock, "records not looked for again": _never_again},
)
