"""A disk that hangs while somebody works in the window: how long does the window stand still?"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from unittest import mock

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_lightvessel._dock import LightVesselWidget
from napari_lightvessel._journalling import journal_folder
from src_training import durable
from src_training.journal import Journal, JournalFacts, Story


class HangingDisk(durable.Disk):
    """The sync of a file takes ``seconds``: of every file, or of the first."""

    def __init__(self, seconds: float, *, once: bool = False) -> None:
        self.seconds, self.once, self.hung = seconds, once, 0

    def sync(self, fd: int) -> None:
        self.hung += 1
        if self.hung == 1 or not self.once:
            time.sleep(self.seconds)
        super().sync(fd)


def longest_gap(disk: HangingDisk, work: Callable[[], None]) -> float:
    """Do some work in the window on this disk; the longest time, in seconds, that its event loop stood still."""
    beats = [time.monotonic()]
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start(10)
    with mock.patch.object(durable, "disk", disk):
        work()
    timer.stop()
    beats.append(time.monotonic())
    return max(later - earlier for earlier, later in pairwise(beats))


def three_strokes(stroke: Callable[[int], None], seconds: float) -> Callable[[], None]:
    """Strokes on three frames, and so many seconds in which their journal is written."""

    def work() -> None:
        for t in (1, 3, 4):
            stroke(t)
            settle(0.3)
        settle(seconds)

    return work


def left_by_the_dead(
    facts: JournalFacts, edits: dict[int, np.ndarray], stories: dict[int, Story | None] | None = None
) -> Journal:
    """A journal as a process leaves it that was killed."""
    journal = Journal.begin(journal_folder(), facts)
    for t, labels in edits.items():
        journal.keep(t, labels, (stories or {}).get(t))
    record = journal.folder / "journal.json"
    record.write_text(record.read_text().replace('"pid": ', '"pid": 9'))
    return journal


def recovery(dock: LightVesselWidget, journal: Journal, seconds: float) -> Callable[[], None]:
    """A press on Recover, and so many seconds in which the journal is taken over."""

    def work() -> None:
        dock.recoverer._found([journal])
        dock.recovery_bar.ask.yes.click()
        settle(seconds)

    return work


def wait(condition: Callable[[], bool]) -> None:
    """Run the event loop until it holds."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it took more than a minute"
        settle(0.01)


def settle(seconds: float) -> None:
    """Run the event loop for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.002)
