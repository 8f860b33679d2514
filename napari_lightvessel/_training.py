"""Following a background run from the dock: launch, poll beside the GUI thread, re-attach, decide on the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_lightvessel import _jobs, _preferences, _verdict
from napari_lightvessel._errands import Errands
from napari_lightvessel._session import Session
from src_training import Model, ModelStore, Run, Workspace
from src_training.dataset import one_sided
from src_training.errors import DatasetError, RunError
from src_training.runs import RunState

_POLL_MS = 700  # events are read at this pace, however fast the run writes them
_LOG_LINES = 40
_DECIDED_KEPT = 200


@dataclass(frozen=True)
class RunView:
    """A run as the dock shows it: what it has come to, and the end of its log."""

    run: Run
    state: RunState
    log: str = ""
    settings: dict[str, Any] = field(default_factory=dict)  # those it was started with, once they are read

    @property
    def over(self) -> bool:
        """Whether nothing more will happen, unless it is resumed."""
        return self.state.ended


@dataclass(frozen=True)
class Figures:
    """What the workspace holds for training: accepted frames, those the live model has not seen, patients."""

    accepted: int = 0
    new: int = 0
    patients: int = 0
    counted: bool = True  # else nothing is known yet


class Trainer:
    """Launches, follows and decides on runs of the Session's workspace; knows nothing of buttons.

    Signals: ``run_changed(RunView | None)``, ``figures_changed(Figures)``, ``told(line, kind)``,
    ``decided(action, model_id)`` with action promoted, kept or rolled back.
    """

    run_changed = Signal(object)
    figures_changed = Signal(object)
    told = Signal(str, str)
    decided = Signal(str, str)

    def __init__(self, session: Session, parent: QObject) -> None:
        self.session = session
        self.view: RunView | None = None
        self.figures = Figures()
        self._errands = Errands()
        self._counting: _jobs.Job | None = None  # for the figures, as they were asked for last
        self._polled: Run | None = None  # whose state is being read
        self._timer = QTimer(parent)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._poll)
        session.workspace_changed.connect(self._on_workspace)
        session.dataset_grew.connect(self._count)
        session.models_changed.connect(self._count)

    def start(self, kind: str, settings: dict[str, Any]) -> None:
        """Launch a run as its own process; it goes on when napari is closed."""
        workspace = self.session.workspace
        if workspace is None:
            return
        self.told.emit("starting…", "busy")
        self._act(
            workspace,
            lambda: workspace.runs.launch(kind, settings),
            done=self._attach,
            elsewhere="a run was started.",
        )

    def cancel(self) -> None:
        """Ask the run to stop after its step; its checkpoint stays."""
        view, workspace = self.view, self.session.workspace
        if view is not None and workspace is not None and not view.over:
            self.told.emit("cancelling after this step…", "busy")
            by = _preferences.annotator()
            self._act(
                workspace,
                lambda: view.run.cancel(by),
                done=self._tell_cancel,
                elsewhere="the run was asked to stop.",
            )

    def _tell_cancel(self, line: str) -> None:
        """Of a run on another computer: what may happen, and what can be done."""
        if line:
            self.told.emit(line, "busy")

    def resume(self) -> None:
        """Go on with a run that was cancelled, interrupted or failed, from its last checkpoint."""
        view, workspace = self.view, self.session.workspace
        if view is not None and workspace is not None and view.over:
            self.told.emit("resuming…", "busy")
            self._act(
                workspace,
                view.run.resume,
                done=lambda _none: self._attach(view.run),
                elsewhere="the run goes on.",
            )

    def promote(self, reason: str | None = None) -> None:
        """Make the run's model the live one; ``reason`` overrides a gate that cannot tell."""
        by = _preferences.annotator()
        self._decide(
            "promoted",
            lambda models, model_id: models.promote(model_id, override=reason, by=by),
            then=self.session.refresh_models,
        )

    def keep(self) -> None:
        """Leave the live model as it is, and record that; the new one stays in the store."""
        by, seen = _preferences.annotator(), self.session.shelf.live_id
        self._decide("kept", lambda models, model_id: models.keep(model_id, by=by, seen=seen))

    def _decide(
        self,
        word: str,
        record: Callable[[ModelStore, str], object],
        then: Callable[[], object] = lambda: None,
    ) -> None:
        """Record a decision about the run's model beside the window, and tell it once it is durable."""
        view, workspace = self.view, self.session.workspace
        if view is None or workspace is None or view.state.model_id is None:
            return
        model_id = view.state.model_id

        def done(_none: object) -> None:
            then()
            self.decided.emit(word, model_id)

        self._act(
            workspace,
            lambda: record(workspace.models, model_id),
            done=done,
            failed=self._missed,
            settled=lambda: self._settle(view),
            elsewhere=_verdict.decided_words(word, model_id),
        )

    def roll_back(self, reason: str = "") -> None:
        """Go back to the model before the live one; ``reason`` is recorded, even when there is none."""
        workspace = self.session.workspace
        if workspace is None:
            return

        def done(model: Model) -> None:
            self.session.refresh_models()
            self.decided.emit("rolled back", model.id)

        by, seen = _preferences.annotator(), self.session.shelf.live_id
        self._act(
            workspace,
            lambda: workspace.models.rollback(reason, by=by, seen=seen),
            done=done,
            failed=self._missed,
            elsewhere="the model before the active one is active again.",
        )

    def _missed(self, problem: _jobs.Problem) -> None:
        """What was decided did not come to be, perhaps because somebody else switched: show what is live now."""
        self.told.emit(problem.line, "bad")
        self.session.refresh_models()

    def waiting(self) -> bool:
        """Whether a finished run still waits for promote or keep."""
        view = self.view
        if view is None or view.state.status != "finished" or view.state.model_id is None:
            return False
        return view.run.id not in _preferences.get("decided_runs", [])

    def close(self) -> None:
        """Hear nothing more; runs go on."""
        _jobs.stop(self._timer)
        self._errands.close()

    # -- following -----------------------------------------------------------------------------------------

    def _on_workspace(self, workspace: Workspace | None) -> None:
        self._timer.stop()
        self.view = None
        self.run_changed.emit(None)
        self.figures = Figures(counted=workspace is None)
        self.figures_changed.emit(self.figures)
        if workspace is not None:
            self._count()
            self._look(workspace, lambda: _latest(workspace), done=self._reattach)

    def _reattach(self, run: Run | None) -> None:
        if run is not None and self.view is None:
            self._attach(run)

    def _attach(self, run: Run) -> None:
        self.view = RunView(run, RunState())
        self.told.emit("", "info")
        self.run_changed.emit(self.view)
        self._timer.start()
        self._poll()

    def _poll(self) -> None:
        view, workspace = self.view, self.session.workspace
        if view is None or workspace is None or self._polled is view.run:
            return
        run = self._polled = view.run

        def over() -> bool:
            """Whether it is still the one that is shown: that of a workspace on a slow drive answers any time."""
            if self._polled is run:
                self._polled = None
            return self.view is not None and self.view.run is run

        def done(news: RunView) -> None:
            if over():
                self._take(news)

        def failed(problem: _jobs.Problem) -> None:
            if over():
                self._timer.stop()
                self.told.emit(problem.line, "bad")

        self._errands.start(lambda: _state_of(run), done=done, failed=failed)

    def _take(self, news: RunView) -> None:
        self.view = news
        if news.over:
            self._timer.stop()
            self.told.emit("", "info")  # "cancelling…" has come true
            self.session.refresh_models()
        self.run_changed.emit(news)

    def _count(self) -> None:
        workspace, live = self.session.workspace, self.session.shelf.live
        if workspace is None:
            return

        def done(figures: Figures) -> None:
            self.figures = figures
            self.figures_changed.emit(figures)

        self._errands.drop(self._counting)  # it may end after this one, and knows less
        self._counting = self._look(workspace, lambda: count_frames(workspace, live), done=done)

    def _settle(self, view: RunView) -> None:
        known = _preferences.get("decided_runs", [])
        _preferences.put("decided_runs", [*known[-_DECIDED_KEPT:], view.run.id])

    def _tell(self, problem: _jobs.Problem) -> None:
        self.told.emit(problem.line, "bad")

    def _look(
        self, workspace: Workspace, act: Callable[[], Any], *, done: Callable[[Any], None]
    ) -> _jobs.Job | None:
        """Read something of a workspace; who has opened another one meanwhile is told nothing of it."""

        def here(answer: Callable[[Any], None]) -> Callable[[Any], None]:
            return lambda outcome: answer(outcome) if self.session.is_here(workspace) else None

        return self._errands.start(act, done=here(done), failed=here(self._tell))

    def _act(
        self,
        workspace: Workspace,
        act: Callable[[], Any],
        *,
        done: Callable[[Any], None],
        failed: Callable[[_jobs.Problem], None] | None = None,
        settled: Callable[[], None] = lambda: None,
        elsewhere: str,
    ) -> None:
        """Do something in a workspace; who has opened another one meanwhile is told what became of it, and where."""

        def hear(outcome: Any) -> None:
            settled()
            if self.session.is_here(workspace):
                done(outcome)
            else:
                self.told.emit(self.session.told_of(workspace, elsewhere), "good")

        def hear_problem(problem: _jobs.Problem) -> None:
            if self.session.is_here(workspace):
                (failed or self._tell)(problem)
            else:
                self.told.emit(self.session.told_of(workspace, problem.line), "bad")

        self._errands.start(act, done=hear, failed=hear_problem)


def count_frames(workspace: Workspace, live: Model | None) -> Figures:
    """Count accepted frames that can be learnt from or judged on, and those newer than the live model."""
    heads = [h for status in ("accepted", "no_vessel") for h in workspace.dataset.heads(status=status)]
    heads = one_sided(heads)
    seen = _seen(workspace, live)
    patients = {head.patient_key for head in heads if head.patient_key}
    return Figures(len(heads), sum(head.sha not in seen for head in heads), len(patients))


def _seen(workspace: Workspace, live: Model | None) -> set[str]:
    """Revisions that the live model learnt from; none when nobody can tell any more."""
    if live is None or not live.card.run:
        return set()
    try:
        return {revision.sha for revision in workspace.dataset.load_snapshot(live.card.run).revisions}
    except DatasetError:
        return set()


def _latest(workspace: Workspace) -> Run | None:
    """The run to show on opening: the newest one."""
    runs = workspace.runs.list()
    return runs[-1] if runs else None


def _state_of(run: Run) -> RunView:
    state = run.status()
    if state.status == "interrupted":  # a link or a pipe in place of its events is no sign that it was killed
        state.message = run.damage() or state.message
    return RunView(run, state, run.log_tail(_LOG_LINES), _settings_of(run))


def _settings_of(run: Run) -> dict[str, Any]:
    try:
        return dict(run.config()["settings"])
    except RunError:  # what is damaged is told by its state
        return {}
