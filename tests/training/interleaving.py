"""Several workers whose operations on the disk come in an order that is given; some are killed in between."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from unittest import mock

from durable_disks import StepDisk

from src_training import durable
from src_training.ledger import Ledger

Work = Callable[[], object]


class Killed(BaseException):
    """Stands for the end of a worker's process: it does nothing to the disk any more."""


class _Worker:
    def __init__(self, work: Work) -> None:
        self.work, self.go = work, threading.Semaphore(0)
        self.killed = self.over = False
        self.outcome: object = None


class Interleaving(StepDisk):
    """A disk, and who may go on when: before each operation, and each look at what is there, a worker waits.

    ``schedule``: numbers, each of which gives one of the workers that are not through its next step; from -1 down
    they kill it there. When it is used up, the workers end one after the other.
    """

    def __init__(self, schedule: Sequence[int]) -> None:
        super().__init__()
        self._schedule = [*schedule]
        self._back = threading.Semaphore(0)
        self._workers: dict[int, _Worker] = {}

    def at(self, step: int, name: str, *arguments: object) -> None:
        self.pause()

    def pause(self) -> None:
        """Give the turn back, and wait for the next one; nothing for who is no worker."""
        worker = self._workers.get(threading.get_ident())
        if worker is None:
            return
        if not worker.killed:
            self._back.release()
            worker.go.acquire()
        if worker.killed:
            raise Killed

    def run(self, works: Sequence[Work]) -> list[object]:
        """What each returned, or raised; ``Killed`` for one that was."""
        workers = [_Worker(work) for work in works]
        with mock.patch.object(durable, "disk", self), self._looks_are_steps():
            threads = [threading.Thread(target=self._live, args=(one,), daemon=True) for one in workers]
            for thread in threads:
                thread.start()
                self._back.acquire()  # it waits for its first turn
            while going := [one for one in workers if not one.over]:
                number = self._schedule.pop(0) if self._schedule else 0
                chosen = going[number % len(going)] if number >= 0 else going[(-number - 1) % len(going)]
                chosen.killed = number < 0
                chosen.go.release()
                self._back.acquire()
            for thread in threads:
                thread.join()
        return [one.outcome for one in workers]

    def _live(self, worker: _Worker) -> None:
        self._workers[threading.get_ident()] = worker
        try:
            self.pause()
            worker.outcome = worker.work()
        except BaseException as error:  # noqa: BLE001 - told as its outcome
            worker.outcome = error
        del self._workers[threading.get_ident()]
        worker.over = True
        self._back.release()

    @contextlib.contextmanager
    def _looks_are_steps(self) -> Iterator[None]:
        names = Ledger._names

        def look(ledger: Ledger) -> list[str]:
            self.pause()
            found = names(ledger)
            self.pause()
            return found

        with mock.patch.object(Ledger, "_names", look):
            yield
