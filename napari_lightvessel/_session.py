"""The Session: what the dock knows. Panels read it and listen to it; they do not know each other."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer
from psygnal import Signal

from napari_lightvessel import _jobs, _layers, _preferences
from napari_lightvessel._cine_state import CineState
from src_training import Model, Workspace, builtin_models
from src_training.errors import LightVesselError

_IDLE_S = 30.0  # a frame looked at for longer than this without a step counts no more towards its effort


class Session:
    """Evented state, changed in the GUI thread only.

    It follows layers by identity: renaming, reordering or deleting them never mixes two cines up.
    """

    cine_changed = Signal(object)  # CineState | None: another cine is on the table
    frame_changed = Signal(int)  # the viewer shows another frame of it
    marks_changed = Signal(object)  # CineState whose frames changed status, mask or area
    mask_removed = Signal(object)  # CineState whose Labels layer somebody took out of the viewer
    workspace_changed = Signal(object)  # Workspace | None
    models_changed = Signal()  # the list of models, the current one or the chosen one
    dataset_grew = Signal()  # a revision became durable
    problem = Signal(str, str)  # section, one line with the cure

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.state: CineState | None = None
        self.workspace: Workspace | None = None
        self.model: Model | None = None
        self.frame = 0
        self.is_open = False
        self._states = _layers.known_states(viewer)  # work of a dock that was closed before
        self._frame_since = time.monotonic()
        self._connect()
        self._jobs: list[_jobs.Job] = []
        self.shelf = Shelf()
        self._take_models(_shelf_of(None))
        self._follow_selection()

    def close(self) -> None:
        """Stop listening to the viewer; the work stays with its layers."""
        for job in self._jobs:
            job.forget()
        if self.is_open:
            for emitter, slot in self._connections():
                emitter.disconnect(slot)
        self.is_open = False

    # -- cines ---------------------------------------------------------------------------------------------

    def states(self) -> list[CineState]:
        """Every cine that was worked on and is still open."""
        return list(self._states)

    def unsaved(self) -> list[tuple[CineState, list[int]]]:
        """Cines with edits that are not in a dataset, and the frames."""
        return [(state, frames) for state in self._states if (frames := state.edited_frames())]

    def go_to(self, t: int) -> None:
        """Show frame ``t`` of the present cine."""
        if self.state is not None:
            _layers.go_to_frame(self.viewer, self.state.image, int(t))

    def mask_in_view(self) -> bool:
        """Whether the present cine has its Labels layer in the viewer."""
        return (
            self.state is not None
            and self.state.mask is not None
            and self.state.mask.layer in self.viewer.layers
        )

    # -- workspace and models ------------------------------------------------------------------------------

    def create_workspace(self, folder: str | Path) -> None:
        """Make a workspace in an empty or new folder, and open it."""
        self._aside(lambda: Workspace.create(Path(folder)), self._adopt)

    def open_workspace(self, folder: str | Path) -> None:
        """Open an existing workspace and remember it for next time."""
        self._aside(lambda: Workspace.open(Path(folder)), self._adopt)

    def open_last_workspace(self) -> None:
        """Open the workspace of last time, if it is still there."""
        last = _preferences.get("workspace")
        if last:
            self._aside(lambda: Workspace.open(last) if Path(last).is_dir() else None, self._adopt)

    def models(self) -> list[Model]:
        """Models one can segment with: the workspace's, then the built-in ones."""
        return [*self.shelf.own, *self.shelf.builtin]

    def choose_model(self, model: Model | None) -> None:
        """Segment with this model from now on."""
        self.model = model
        self.models_changed.emit()

    def refresh_models(self) -> None:
        """Read the workspace's models again (one was added, promoted or rolled back) and take the live one."""
        workspace = self.workspace
        if workspace is not None:
            self._aside(lambda: _shelf_of(workspace), self._take_models)

    def _take_models(self, shelf: Shelf) -> None:
        self.shelf = shelf
        wanted = shelf.live.id if shelf.live else "small"
        models = self.models()
        if shelf.warning:
            self.problem.emit("header", shelf.warning)
        self.choose_model(next((m for m in models if m.id == wanted), models[0] if models else None))

    def _adopt(self, workspace: Workspace | None) -> None:
        if workspace is None:
            return
        self.workspace = workspace
        _preferences.put("workspace", str(workspace.path))
        self.workspace_changed.emit(workspace)
        self.refresh_models()

    def _aside(self, act: Callable[[], Any], done: Callable[[Any], None]) -> None:
        def failed(problem: _jobs.Problem) -> None:
            self.problem.emit("header", problem.line)

        job = _jobs.start(lambda _cancelled: act(), done=done, failed=failed, visible=False)
        self._jobs = [*self._jobs[-8:], job]

    # -- following the viewer ------------------------------------------------------------------------------

    def _connect(self) -> None:
        for emitter, slot in self._connections():
            emitter.connect(slot)
        self.is_open = True

    def _connections(self) -> tuple[tuple[Any, Any], ...]:
        viewer = self.viewer
        return (
            (viewer.layers.selection.events.active, self._follow_selection),
            (viewer.layers.events.inserted, self._follow_selection),
            (viewer.layers.events.removed, self._on_removed),
            (viewer.dims.events.current_step, self._follow_frame),
        )

    def _follow_selection(self, _event: Any = None) -> None:
        layer = self._wanted_layer()
        if layer is None:
            self._show(None)
        elif self.state is None or layer is not self.state.image:
            self._show_layer(layer)
        self._follow_frame()

    def _show_layer(self, layer: Image) -> None:
        try:
            self._show(self._state_of(layer))
        except LightVesselError as error:
            self._show(None)
            self.problem.emit("header", str(error))

    def _wanted_layer(self) -> Image | None:
        """The selected image, else the image of the selected labels, else the one on the table, else the top."""
        active = self.viewer.layers.selection.active
        if _layers.is_image(active):
            return active
        owner = self._owner_of(active)
        if owner is not None and owner.image in self.viewer.layers:
            return owner.image
        if self.state is not None and self.state.image in self.viewer.layers:
            return self.state.image
        images = [layer for layer in self.viewer.layers if _layers.is_image(layer)]
        return images[-1] if images else None

    def _owner_of(self, layer: Layer | None) -> CineState | None:
        return next((s for s in self._states if layer is not None and s.mask and s.mask.layer is layer), None)

    def _state_of(self, layer: Image) -> CineState:
        for state in self._states:
            if state.image is layer:
                return state
        state = CineState(layer, _layers.cine_of(layer))
        self._states.append(state)
        return state

    def _on_removed(self, event: Any) -> None:
        removed = event.value
        for state in list(self._states):
            if state.image is removed and not state.edited_frames():
                self._states.remove(state)
        if self.state is not None and self.state.image is removed:
            self.state = None
            self._follow_selection()
            if self.state is None:
                self.cine_changed.emit(None)
        owner = self._owner_of(removed)
        if owner is not None:
            self.mask_removed.emit(owner)
            self.marks_changed.emit(owner)

    def _show(self, state: CineState | None) -> None:
        if state is self.state and state is not None:
            return
        self.state = state
        self.cine_changed.emit(state)
        self._follow_frame(force=True)

    def _follow_frame(self, _event: Any = None, force: bool = False) -> None:
        if self.state is None:
            return
        frame = _layers.frame_index(self.viewer, self.state.image, self.state.n_frames)
        if frame != self.frame or force:
            self._count_time()
            self.frame = frame
            self.frame_changed.emit(frame)

    def _count_time(self) -> None:
        now = time.monotonic()
        if self.state is not None and self.frame < self.state.n_frames:
            self.state.marks[self.frame].seconds += min(now - self._frame_since, _IDLE_S)
        self._frame_since = now


@dataclass(frozen=True)
class Shelf:
    """The models there are, read beside the GUI thread: reading one checks its weights."""

    builtin: tuple[Model, ...] = ()
    own: tuple[Model, ...] = ()
    live: Model | None = None
    previous: Model | None = None
    warning: str | None = None


def _shelf_of(workspace: Workspace | None) -> Shelf:
    builtin = tuple(builtin_models())
    if workspace is None:
        return Shelf(builtin)
    store = workspace.models
    return Shelf(builtin, tuple(store.list()), store.current(), store.previous(), store.warning())
