"""Opening the workspace of last time, unless the window did not come through with it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_lightvessel import _jobs, _preferences
from src_training import Workspace
from src_training.runs import Identity

if TYPE_CHECKING:
    from napari_lightvessel._session import Session

_KEY, _TRIAL = "workspace", "workspace_trial"
_THROUGH_MS = 8_000  # its models, marks and runs have been read and drawn by then
_STARTING_S = 60.0  # another window that is so young may still be opening it


class LastWorkspace:
    """Opens what was open last. Whatever is opened, by whomever, is on trial: a note says so until the window has
    stood with it for some seconds.

    Who starts and finds the note of a process that is gone, or of one that has been at it for long, does not open that
    workspace again: a received one that hangs the window must not do so at every start.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._trying: Path | None = None
        self._stands = False  # it is open, and the window still on trial
        self._job: _jobs.Job | None = None
        self._through = QTimer()
        self._through.setSingleShot(True)
        self._through.setInterval(_THROUGH_MS)
        self._through.timeout.connect(self._come_through)
        session.opening.connect(self._on_chosen)
        session.workspace_changed.connect(self._on_opened)

    def open(self) -> None:
        """Open it beside the GUI thread, where it is still there."""
        last = _preferences.get(_KEY)
        if not isinstance(last, str) or not last:
            return
        if _did_not_come_through(last):
            self._forget(
                f"{Path(last).name} was not opened by itself: last time the window did not come through with it. "
                "Open… opens it all the same."
            )
            return
        self._try(Path(last))
        self._job = _jobs.start(
            lambda _cancelled: Workspace.open(last) if Path(last).is_dir() else None,
            done=self._opened,
            failed=lambda problem: self._forget(f"{problem.line} It is not opened by itself any more."),
            visible=False,
        )

    def close(self) -> None:
        """The window is closed by a person: it has come through with what it had opened."""
        if self._stands:
            self._come_through()
        _jobs.stop(self._through)
        if self._job is not None:
            self._job.forget()

    def _opened(self, workspace: Workspace | None) -> None:
        if workspace is None:  # a drive that is not there
            self._come_through()
            return
        self.session.adopt(workspace)

    def _on_chosen(self) -> None:
        """A person has chosen another, which must not give way to what comes from a slow drive later."""
        if self._job is not None:
            self._job.forget()
        self._come_through()

    def _on_opened(self, workspace: Workspace | None) -> None:
        """It is open, and is about to be read and drawn."""
        if workspace is None:
            return
        if workspace.path != self._trying:
            self._try(workspace.path)
        self._stands = True
        self._through.start()

    def _try(self, workspace: Path) -> None:
        self._trying = workspace
        trial = {"workspace": str(workspace), "process": Identity.of().to_json(), "began": time.time()}
        _preferences.put(_TRIAL, trial)

    def _come_through(self) -> None:
        self._trying, self._stands = None, False
        _jobs.stop(self._through)
        _preferences.put(_TRIAL, None)

    def _forget(self, line: str) -> None:
        _preferences.put(_KEY, None)
        self._come_through()
        self.session.problem.emit("header", line)


def _did_not_come_through(last: str) -> bool:
    trial: Any = _preferences.get(_TRIAL)
    if not isinstance(trial, dict) or trial.get("workspace") != last:
        return False
    process, began = Identity.from_json(trial.get("process")), trial.get("began")
    if process is None or not process.is_here or not isinstance(began, int | float):
        return False  # of another computer with the same home folder: not to be judged
    return not (process.is_alive and abs(time.time() - began) < _STARTING_S)
