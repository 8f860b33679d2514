"""The question about a model that came active with a workspace, and of which nobody here has decided."""

from __future__ import annotations

from pathlib import Path

from napari_lightvessel import _jobs, _preferences
from napari_lightvessel._errands import Errands
from napari_lightvessel._parts import AskBar
from napari_lightvessel._session import Session
from src_training import Model, Workspace
from src_training.models import DEFAULT_MODEL


class ReceivedBar(AskBar):
    """Asked once for each workspace and model in this window; until it is answered the shipped model serves."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._declined: set[tuple[Path, str]] = set()
        self.errands = Errands()
        session.models_changed.connect(self._look)
        session.workspace_changed.connect(lambda _workspace: self.hide())

    def _look(self) -> None:
        model, workspace = self.session.shelf.unjudged, self.session.workspace
        if model is None or workspace is None or (workspace.path, model.id) in self._declined:
            self.hide()
            return
        self.ask(
            f"The active model {model.id} came with this workspace, and was not judged here: {DEFAULT_MODEL} is used. "
            "Use it only if you know where it is from.",
            "Use it",
            f"Use {DEFAULT_MODEL}",
            lambda: self._agree(workspace, model),
            lambda: self._declined.add((workspace.path, model.id)),
            unasked=True,
        )

    def _agree(self, workspace: Workspace, model: Model) -> None:
        by = _preferences.annotator()

        def failed(problem: _jobs.Problem) -> None:
            self.session.problem.emit("header", self.session.told_of(workspace, problem.line))
            self.session.refresh_models()

        self.errands.start(
            lambda: workspace.models.agree(model.id, by=by),
            done=lambda _model: self.session.refresh_models(),
            failed=failed,
        )
