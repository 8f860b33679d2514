"""The frames that a candidate got worse, shown in the viewer in place of the cine until they are closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from napari_lightvessel import _jobs, _layers
from napari_lightvessel._beside import Sheet, lay_out, sheet_layers
from napari_lightvessel._session import Session
from src_training import Workspace
from src_training.errors import DatasetError, LightVesselError
from src_training.evaluation import Comparison
from src_training.models import LosingFrame, losing_frames


@dataclass
class _Shown:
    """What is in the viewer now, and what was."""

    sheet: Sheet
    layers: list[Layer]
    before: _Before


@dataclass(frozen=True)
class _Before:
    """What the viewer showed before."""

    visible: tuple[Layer, ...]
    active: Layer | None
    point: tuple[float, ...]
    camera: dict[str, Any]

    @classmethod
    def of(cls, viewer: ViewerModel) -> _Before:
        """Remember a viewer."""
        camera = {name: getattr(viewer.scene.camera, name) for name in ("center", "zoom", "angles")}
        visible = tuple(layer for layer in viewer.layers if layer.visible)
        return cls(visible, viewer.layers.selection.active, tuple(viewer.dims.point), camera)

    def restore(self, viewer: ViewerModel) -> None:
        """Let it look like that again."""
        for layer in self.visible:
            layer.visible = True
        viewer.dims.point = self.point[-viewer.dims.ndim :]
        viewer.scene.camera.update(self.camera)
        if self.active in viewer.layers and viewer.layers.selection.active is None:
            viewer.layers.selection.active = self.active


class LosingViewer:
    """Segments the frames that a comparison names beside the GUI thread, and shows them side by side.

    Signals: ``changed`` when they are shown, another of them is in view, or they are closed; ``told(line, kind)``.
    """

    changed = Signal()
    told = Signal(str, str)

    def __init__(self, session: Session) -> None:
        self.session = session
        self._shown: _Shown | None = None
        self._job: _jobs.Job | None = None
        session.cine_changed.connect(self.close_frames)
        for emitter, slot in self._connections():
            emitter.connect(slot)

    @property
    def busy(self) -> bool:
        """Whether the frames are being segmented."""
        return self._job is not None

    @property
    def sheet(self) -> Sheet | None:
        """What is shown; None when nothing is."""
        return self._shown.sheet if self._shown else None

    @property
    def here(self) -> int | None:
        """Which of the frames is in view."""
        if self._shown is None:
            return None
        return _layers.frame_index(self.session.viewer, self._shown.layers[0], len(self._shown.sheet.names))

    def show(self, comparison: Comparison) -> None:
        """Show the frames that this comparison names, worst first."""
        workspace = self.session.workspace
        if workspace is None or self.busy:
            return
        self.close_frames()
        self.told.emit("segmenting the frames with both models…", "busy")
        self._job = _jobs.start(
            lambda cancelled: _sheet_of(workspace, comparison, cancelled),
            done=lambda found: self._take(comparison, *found),
            failed=self._failed,
            visible=False,
        )

    def step(self, by: int) -> None:
        """Show the frame after (1) or before (-1) the one in view, around the ends."""
        if self._shown is not None:
            here = self.here if self.here is not None else -1 if by > 0 else 0
            self._go_to((here + by) % len(self._shown.sheet.names))

    def close_frames(self, _event: object = None) -> None:
        """Take the frames out of the viewer, which then looks as it did before; those on their way do not come."""
        if self._job is not None:
            self._job.forget()
            self._job = None
            self.told.emit("", "info")
        shown, self._shown = self._shown, None
        if shown is None:
            return
        viewer = self.session.viewer
        for layer in shown.layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)
        shown.before.restore(viewer)
        self.session.cover(False)
        self.changed.emit()

    def close(self) -> None:
        """The dock closes: leave the viewer as it was, and hear nothing more."""
        self.close_frames()
        self.session.cine_changed.disconnect(self.close_frames)
        for emitter, slot in self._connections():
            emitter.disconnect(slot)

    # -- showing -------------------------------------------------------------------------------------------

    def _take(self, comparison: Comparison, sheet: Sheet | None, problems: list[str]) -> None:
        self._job = None
        self.told.emit(" ".join(problems[:2]), "bad")
        if sheet is None:
            return
        viewer = self.session.viewer
        layers = sheet_layers(sheet, comparison.current, comparison.candidate)
        self._shown = _Shown(sheet, layers, _Before.of(viewer))
        for layer in self._shown.before.visible:
            layer.visible = False
        viewer.layers.extend(layers)
        viewer.layers.selection.active = layers[0]
        viewer.reset_view(layers=layers)
        self.session.cover(True)
        self._go_to(0)
        self.changed.emit()

    def _go_to(self, t: int) -> None:
        assert self._shown is not None
        _layers.go_to_frame(self.session.viewer, self._shown.layers[0], t)

    def _failed(self, problem: _jobs.Problem) -> None:
        self._job = None
        self.told.emit(problem.line, "bad")

    # -- following the viewer ------------------------------------------------------------------------------

    def _connections(self) -> tuple[tuple[Any, Callable[..., None]], ...]:
        events = self.session.viewer.layers.events
        step = self.session.viewer.dims.events.current_step
        return ((events.inserted, self._on_layer), (events.removed, self._on_layer), (step, self._on_step))

    def _on_layer(self, event: Any) -> None:
        """A layer that comes would lie over the frames, and one of theirs that goes is a person's wish."""
        if self._shown is not None and (
            (event.type == "inserted") != any(event.value is layer for layer in self._shown.layers)
        ):
            self.close_frames()

    def _on_step(self, _event: object) -> None:
        if self._shown is not None:
            self.changed.emit()


def _sheet_of(
    workspace: Workspace, comparison: Comparison, cancelled: Callable[[], bool]
) -> tuple[Sheet | None, list[str]]:
    found: list[LosingFrame | DatasetError] = list(losing_frames(workspace, comparison, cancelled))
    frames = [one for one in found if isinstance(one, LosingFrame)]
    problems = [_jobs.one_line(one) for one in found if isinstance(one, LightVesselError)]
    return lay_out(frames) if frames else None, problems
