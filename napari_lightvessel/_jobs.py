"""Work beside the GUI thread: one way to start it, with foreseen errors as one line instead of a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from superqt.utils import create_worker as quiet_worker

from src_training.errors import Cancelled, LightVesselError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """What went wrong, in one line for the person; ``cancelled`` when they asked for it."""

    line: str
    cancelled: bool = False


class Job:
    """A piece of work in another thread; its callbacks run in the GUI thread, none after ``forget``."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._heard = True

    def cancel(self) -> None:
        """Ask the work to stop after its current step."""
        self._worker.quit()

    def forget(self) -> None:
        """Cancel and hear nothing more (the window is closing)."""
        self._heard = False
        self.cancel()

    @property
    def cancelled(self) -> bool:
        """Whether a stop was asked for; safe to read from the worker's thread."""
        return bool(self._worker.abort_requested)


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
    job: Job
    outcome: list[Any] = [Problem("Cancelled.", cancelled=True)]  # until the work says otherwise

    def body() -> Iterator[Any]:
        try:
            result = work(lambda: job.cancelled)
            if step is not None:
                yield from result
                if job.cancelled:
                    raise Cancelled("Cancelled.")
            yield None  # makes this a generator, which is what napari can cancel
            outcome[0] = None if step is not None else result
        except Cancelled as error:
            outcome[0] = Problem(one_line(error), cancelled=True)
        except (LightVesselError, OSError) as error:
            outcome[0] = Problem(one_line(error))
        except Exception as error:
            logger.exception("unexpected error in background work")
            outcome[0] = Problem(
                f"Unexpected {type(error).__name__}: {one_line(error)} (details are in the log)"
            )

    def finish(_none: object = None) -> None:
        if job._heard:
            failed(outcome[0]) if isinstance(outcome[0], Problem) else done(outcome[0])

    def advance(item: Any) -> None:
        if job._heard and step is not None and item is not None:
            step(item)

    worker = _napari_worker(body) if visible else quiet_worker(body)
    job = Job(worker)
    worker.yielded.connect(advance)
    worker.finished.connect(finish)  # comes however the work ended, unlike `returned`
    worker.start()
    return job


def one_line(error: BaseException) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def _napari_worker(body: Callable[[], Iterator[Any]]) -> Any:
    from napari.qt.threading import create_worker

    return create_worker(body)
