"""Work beside the GUI thread for one part of the dock: none of its answers is heard once that is closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_lightvessel import _jobs


class Errands:
    """Jobs of one part of the dock, as many as there are; each is let go of when it is over."""

    def __init__(self) -> None:
        self._jobs: set[_jobs.Job] = set()
        self._closed = False

    def start(
        self, act: Callable[[], Any], *, done: Callable[[Any], None], failed: Callable[[_jobs.Problem], None]
    ) -> _jobs.Job | None:
        """Do ``act`` in a thread and hear of it in the GUI thread; None, and nothing is done, after ``close``."""
        if self._closed:
            return None

        def over(answer: Callable[[Any], None]) -> Callable[[Any], None]:
            def hear(outcome: Any) -> None:
                self._jobs.discard(job)
                answer(outcome)

            return hear

        job = _jobs.start(lambda _cancelled: act(), done=over(done), failed=over(failed), visible=False)
        self._jobs.add(job)
        return job

    def drop(self, job: _jobs.Job | None) -> None:
        """Hear nothing of a job, whose answer is wanted no more."""
        if job is not None:
            job.forget()
            self._jobs.discard(job)

    def close(self) -> None:
        """Hear nothing more."""
        self._closed = True
        for job in self._jobs:
            job.forget()
        self._jobs.clear()
