"""Handing over what waits in the outbox: when a workspace opens, after a save, and every now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_lightvessel import _jobs
from napari_lightvessel._accepting import Accepter
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._marks import count_words
from napari_lightvessel._session import Session
from src_training import Revision, Workspace
from src_training.dataset import Moved, Outbox

_TRY_AGAIN_MS = 20_000

_Posted = tuple[Path, Revision]


class Postman:
    """Publishes the open workspace's outbox beside the GUI thread; the marks of its frames follow."""

    published = Signal(str)  # a line: so many frames are saved now
    failed = Signal(str)  # a line, once: why some are not
    moved = Signal(Workspace, Moved)  # frames wait for it as it lay elsewhere

    def __init__(self, session: Session, accepter: Accepter) -> None:
        self.session = session
        self._frames: dict[Path, tuple[CineState, int]] = {}
        self._job: _jobs.Job | None = None
        self._count = 0
        self._told = ""
        self._agreed: Path | None = None  # the workspace of which a person said that it has moved
        self._again = QTimer()
        self._again.setSingleShot(True)
        self._again.setInterval(_TRY_AGAIN_MS)
        self._again.timeout.connect(self.try_now)
        accepter.kept.connect(self._on_kept)
        session.workspace_changed.connect(self.try_now)
        session.dataset_grew.connect(self._on_saved)

    @property
    def busy(self) -> bool:
        """Whether it is handing over."""
        return self._job is not None

    def try_now(self, _event: object = None, *, moved: bool = False) -> None:
        """Hand over what waits for the open workspace; ``moved``: also what was kept while it lay elsewhere."""
        workspace = self.session.workspace
        if workspace is None:
            return
        if moved:
            self._agreed = workspace.path
        if self._job is not None:  # which, when it ends, looks whether there is more to do
            return
        moved, self._agreed = self._agreed == workspace.path, None
        self._count = 0
        self._job = _jobs.start(
            _hand_over(workspace, moved),
            step=lambda posted: self._take(workspace, posted),
            done=lambda _outcome: self._end(workspace),
            failed=lambda problem: self._wait(workspace, problem),
            visible=False,
        )

    def close(self) -> None:
        """Hear nothing more; what waits is tried again next time."""
        _jobs.stop(self._again)
        if self._job is not None:
            self._job.forget()

    def _on_kept(self, entry: Path, state: CineState, t: int) -> None:
        self._frames[entry] = (state, t)
        self._again.start()

    def _on_saved(self) -> None:
        if self._frames:  # the disk takes frames again
            self.try_now()

    def _take(self, workspace: Workspace, posted: _Posted | Moved) -> None:
        if isinstance(posted, Moved):
            if self._agreed != workspace.path:  # else a person has answered meanwhile
                self.moved.emit(workspace, posted)
            return
        entry, revision = posted
        self._count += 1
        state, t = self._frames.pop(entry, (None, 0))
        if state is not None and self.session.is_here(workspace) and state.marks[t].decided:
            state.marks[t].saved = revision.text
            state.marks[t].know(revision)
            self.session.frame_decided.emit(state, t)

    def _end(self, workspace: Workspace) -> None:
        self._job = None
        if self._count:
            line = f"Saved · {count_words(self._count)} that waited on this computer"
            self.published.emit(self.session.told_of(workspace, line))
            self.session.dataset_grew.emit()
        self._go_on(workspace)

    def _wait(self, workspace: Workspace, problem: _jobs.Problem) -> None:
        self._job = None
        self._again.start()
        line = self.session.told_of(workspace, problem.line)
        if line != self._told:
            self._told = line
            self.failed.emit(line)
        self._go_on(workspace)

    def _go_on(self, workspace: Workspace) -> None:
        """Another workspace was opened meanwhile, or a person has answered: there is more to hand over."""
        if self._job is None and (self._agreed is not None or not self.session.is_here(workspace)):
            self.try_now()


def _hand_over(
    workspace: Workspace, moved: bool
) -> Callable[[Callable[[], bool]], Iterator[_Posted | Moved | None]]:
    def work(cancelled: Callable[[], bool]) -> Iterator[_Posted | Moved | None]:
        outbox = Outbox(workspace.dataset)
        for posted in outbox.publish(moved=moved):
            yield posted
            if cancelled():
                return
        yield outbox.moved()

    return work
