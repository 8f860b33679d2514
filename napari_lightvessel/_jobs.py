"""Work beside the GUI thread: one way to start it, with foreseen errors as one line instead of a traceback."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QThreadPool, QTimer
from superqt.utils import create_worker as quiet_worker

from src_training import texts
from src_training.errors import Cancelled, LightVesselError

logger = texts.logger(__name__)

_DOCKS_WAYS = tuple(
    (re.compile(command), way)
    for command, way in (
        (r"Make one in a new folder: lightvessel dataset init \w+", "Make one with New… at the top"),
        (
            r"Run: lightvessel models compare( \w+ [\w.-]*\w)?",
            "Fine-tune again: the new model is compared then",
        ),
        (r"cancel it: lightvessel runs cancel \w+ [\w.-]*\w", "press Cancel"),
        (r" If you know where it is from, run: lightvessel models agree WORKSPACE [\w.-]*\w", ""),
        (r"Resume it: lightvessel runs resume \w+ \w+", "Press Resume"),
        (r" \(Accept, or lightvessel dataset append\)", ""),
    )
)


@dataclass(frozen=True)
class Problem:
    """What went wrong, in one line for the person; ``cancelled`` when they asked for it."""

    line: str
    cancelled: bool = False


def stop(timer: QTimer) -> None:
    """Stop a timer for good; when a program ends without closing its viewer, Qt has deleted it already."""
    with contextlib.suppress(RuntimeError):
        timer.stop()


class Job:
    """A piece of work in another thread; its callbacks run in the GUI thread, none after ``forget``.

    Once it is over it lets go of everything: napari and Qt keep the worker of a task, and with what that
    holds they would keep a closed viewer and all its frames.
    """

    def __init__(
        self,
        work: Callable[[Callable[[], bool]], Any],
        done: Callable[[Any], None],
        failed: Callable[[Problem], None],
        step: Callable[[Any], None] | None,
    ) -> None:
        self._work: Callable[[Callable[[], bool]], Any] | None = work
        self._done: Callable[[Any], None] | None = done
        self._failed: Callable[[Problem], None] | None = failed
        self._step = step
        self._worker: Any = None
        self._outcome: Any = Problem("Cancelled.", cancelled=True)  # until the work says otherwise

    def cancel(self) -> None:
        """Ask the work to stop after its current step; work that has ended is left alone."""
        if self._worker is not None:
            self._worker.quit()

    def forget(self) -> None:
        """Cancel and hear nothing more (the window is closing)."""
        self._done = self._failed = None
        self.cancel()

    @property
    def cancelled(self) -> bool:
        """Whether a stop was asked for; safe to read from the worker's thread."""
        return self._worker is not None and bool(self._worker.abort_requested)

    def body(self) -> Iterator[Any]:
        """What runs in the thread: a generator, which is what napari can cancel."""
        try:
            assert self._work is not None
            result = self._work(lambda: self.cancelled)
            if self._step is not None:
                yield from result
                if self.cancelled:
                    raise Cancelled("Cancelled.")
            yield None
            self._outcome = None if self._step is not None else result
        except GeneratorExit:  # a program that ends over it may have no other names left
            raise
        except Cancelled as error:
            self._outcome = Problem(one_line(error), cancelled=True)
        except (LightVesselError, OSError) as error:
            self._outcome = Problem(one_line(error))
        except Exception as error:
            logger.exception("unexpected error in background work")
            self._outcome = Problem(
                f"Unexpected {type(error).__name__}: {one_line(error)} (details are in the log)"
            )

    def advance(self, item: Any) -> None:
        """In the GUI thread: one item of the work."""
        if self._done is not None and self._step is not None and item is not None:
            self._step(item)

    def finish(self) -> None:
        """In the GUI thread: the work is over, however it ended."""
        done, failed, outcome = self._done, self._failed, self._outcome
        self._work = self._done = self._failed = self._step = self._worker = self._outcome = None
        if isinstance(outcome, Problem):
            if failed is not None:
                failed(outcome)
        elif done is not None:
            done(outcome)


def start(
    work: Callable[[Callable[[], bool]], Any],
    *,
    done: Callable[[Any], None],
    failed: Callable[[Problem], None],
    step: Callable[[Any], None] | None = None,
    visible: bool = True,
) -> Job:
    """Run ``work(cancelled)`` in a thread.

    ``work`` returns a value, or an iterator whose items go to ``step`` one by one. ``visible`` work is
    known to napari, which asks before it closes over it.
    """
    job = Job(work, done, failed, step)

    def body() -> Iterator[Any]:  # a function of its own: napari looks at its name
        yield from job.body()

    worker = job._worker = _napari_worker(body) if visible else quiet_worker(body)
    # Functions, since Qt holds methods weakly. `finished` comes however the work ended, unlike `returned`.
    worker.yielded.connect(lambda item: job.advance(item))
    worker.finished.connect(lambda *_: job.finish())
    # A place of its own beside those of Qt's pool: Qt waits for one of these while it converts a picture,
    # holding Python's lock, and a job that holds one waits for that lock. Both would wait for ever.
    pool = QThreadPool.globalInstance()
    assert pool is not None
    pool.releaseThread()
    worker.finished.connect(lambda *_: pool.reserveThread())
    worker.start()
    return job


def one_line(error: BaseException) -> str:
    """An error's message without line breaks; where the dock has a way of its own, it names that one."""
    return docks_way(" ".join(str(error).split())) or type(error).__name__


def docks_way(line: str) -> str:
    """A line of the core, which speaks to the shell, as it is said in the window."""
    for command, way in _DOCKS_WAYS:
        line = command.sub(way, line)
    return line


def _napari_worker(body: Callable[[], Iterator[Any]]) -> Any:
    from napari.qt.threading import create_worker

    return create_worker(body)
