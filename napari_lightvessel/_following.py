"""Following the workspace: what another window or program saves is seen here within seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qtpy.QtCore import QTimer

from napari_lightvessel import _jobs
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._recalling import Found, Recaller, standing
from napari_lightvessel._session import Session
from src_training import Dataset, texts
from src_training.errors import DatasetError

logger = texts.logger(__name__)
_LOOK_MS = 3000


class Follower:
    """Lists the folders of the present cine's cases every few seconds, beside the GUI thread."""

    def __init__(self, session: Session, recaller: Recaller) -> None:
        self.session, self.recaller = session, recaller
        self._job: _jobs.Job | None = None
        self._timer = QTimer()
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    @property
    def busy(self) -> bool:
        """Whether it is looking."""
        return self._job is not None

    def look(self) -> None:
        """Look for revisions that this window has not shown yet."""
        state, workspace = self.session.state, self.session.workspace
        if self._job is not None or self.recaller.busy or state is None or workspace is None:
            return
        cases = {t: (mark.case, mark.seen) for t, mark in enumerate(state.marks) if mark.case}
        if not cases or self.recaller.hold:
            return
        changed: list[int] = []

        def step(found: Found) -> None:
            here = self.session.workspace is workspace and state.marks[found.t].case == found.case
            if here and self.recaller.take(state, found):
                changed.append(found.t)

        def done(_outcome: object) -> None:
            self._job = None
            if changed:
                self._show(state)

        def failed(problem: _jobs.Problem) -> None:
            self._job = None
            logger.warning("the workspace could not be followed: %s", problem.line)

        work = _news(workspace.dataset, cases)
        self._job = _jobs.start(work, step=step, done=done, failed=failed, visible=False)

    def close(self) -> None:
        """Follow no more."""
        _jobs.stop(self._timer)
        if self._job is not None:
            self._job.forget()

    def _show(self, state: CineState) -> None:
        if state.mask is not None:
            state.mask.refresh()
        self.session.marks_changed.emit(state)


def _news(
    dataset: Dataset, cases: dict[int, tuple[str, frozenset[str]]]
) -> Callable[[Callable[[], bool]], Iterator[Found]]:
    def work(cancelled: Callable[[], bool]) -> Iterator[Found]:
        for t, (case, seen) in cases.items():
            if cancelled():
                return
            try:
                head = dataset.head(case)
                if head is not None and head.sha not in seen:
                    yield standing(dataset, t, case)
            except DatasetError as error:  # one damaged case; verify names it
                logger.warning("case %s could not be followed: %s", case, error)

    return work
