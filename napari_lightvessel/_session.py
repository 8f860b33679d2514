"""The Session: what the dock knows. Panels read it and listen to it; they do not know each other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import napari
from napari.components import ViewerModel
from napari.layers import Image, Layer
from psygnal import Signal

from napari_lightvessel import _in_view, _jobs, _layers, _preferences, _reader
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._effort import EffortClock
from napari_lightvessel._errands import Errands
from napari_lightvessel._marks import count_words
from napari_lightvessel._shelf import Shelf, read_shelf
from src_training import Model, Workspace
from src_training.errors import LightVesselError

OUTDATED = "The image holds other pixels now, which this mask does not belong to. Select the image."


class Session:
    """Evented state, changed in the GUI thread only.

    It follows layers by identity: renaming, reordering or deleting them never mixes two cines up.
    """

    cine_changed = Signal(object)  # CineState | None: another cine is on the table
    cine_renamed = Signal(object)  # CineState whose layer got another name
    frame_changed = Signal(object)  # int | None: the viewer shows another frame of it, or none
    marks_changed = Signal(object)  # CineState whose frames changed status, mask or area
    areas_changed = Signal(object)  # CineState of which a person painted, erased, undid
    frame_decided = Signal(object, int)  # CineState and its frame whose decision is taken, saved or refused
    mask_removed = Signal(object)  # CineState whose Labels layer somebody took out of the viewer
    opening = Signal()  # a person has chosen a workspace, which is being opened or made
    workspace_changed = Signal(object)  # Workspace | None
    models_changed = Signal()  # the list of models, the current one or the chosen one
    edits_let_go = Signal()  # the person closes napari over unaccepted edits, and knows it
    dataset_grew = Signal()  # a revision became durable
    problem = Signal(str, str)  # section, one line with the cure

    def __init__(self, viewer: ViewerModel) -> None:
        self.viewer = viewer
        self.state: CineState | None = None
        self.workspace: Workspace | None = None
        self.model: Model | None = None
        self.frame: int | None = 0  # None while the viewer shows no frame of the cine
        self.is_open = False
        self.in_sight = True  # a dock that was closed or put behind another tells nobody anything
        self.covered = False
        self._doubt = ""  # why the canvas was not the cine alone, when that was last told
        self._footprint: tuple[float, ...] = ()  # where the cine on the table lies in the canvas
        self._states = _layers.known_states(viewer)  # work of a dock that was closed before
        self.effort = EffortClock(self)
        self._connect()
        for state in self._states:
            self._listen_to(state.image)
        self._errands = Errands()
        self._opening: _jobs.Job | None = None  # the workspace that was chosen last
        self._reading: _jobs.Job | None = None  # the models, as they were asked for last
        self.shelf = Shelf()
        self._take_models(read_shelf(None))
        self._keep_place()
        self._follow_selection()

    def close(self) -> None:
        """Stop listening to the viewer; the work stays with its layers."""
        self._errands.close()
        if self.is_open:
            self.effort.close()
            for emitter, slot in self._connections():
                emitter.disconnect(slot)
            for layer in self.viewer.layers:
                self._look_away_from(layer)
            for state in self._states:
                self._forget(state.image)
        self.is_open = False

    # -- cines ---------------------------------------------------------------------------------------------

    def states(self) -> list[CineState]:
        """Every cine that was worked on and is still open."""
        return list(self._states)

    def unsaved(self) -> list[tuple[CineState, list[int]]]:
        """Cines with edits that are not in a dataset, and the frames."""
        return [(state, frames) for state in self._states if (frames := state.edited_frames())]

    def named(self, state: CineState, line: str) -> str:
        """A line about one of the cines, which is named unless it is the one on the table."""
        return line if state is self.state else f"{state.image.name}: {line}"

    def look_at(self, state: CineState, t: int) -> None:
        """Show frame ``t`` of any cine that is open."""
        if state is not self.state and state.is_in(self.viewer):
            self.viewer.layers.selection.active = state.layer_in(self.viewer)
        if state is self.state:
            self.go_to(t)

    def go_to(self, t: int) -> None:
        """Show frame ``t`` of the present cine."""
        if self.state is not None:
            _layers.go_to_frame(self.viewer, self.state.layer_in(self.viewer), int(t))

    def show(self) -> None:
        """Show the present cine alone, in the 2D view, at the frame where one was in it last or its middle one."""
        if self.state is not None and not self.covered:
            self._put_in_view(self.state, self.state.last_frame)
            self._follow_frame()

    def owner_of(self, layer: Layer | None) -> CineState | None:
        """The cine whose Labels layer this is."""
        return next((s for s in self._states if layer is not None and s.mask and s.mask.layer is layer), None)

    def blocked(self) -> str:
        """Why nothing can be done with the present cine; empty when it can."""
        if self.state is None:
            return "Open an angiogram first."
        if self.covered:
            return "The frames that got worse are in view instead of the cine. Close them first."
        if self.state.outdated:
            return OUTDATED
        return _in_view.refusal(self.viewer, self.state)

    def out_of_view(self) -> str:
        """How the canvas is not a frame of the present cine alone; empty when it is, or something covers the cine."""
        if self.state is None or self.covered:
            return ""
        return _in_view.refusal(self.viewer, self.state) or self.no_frame()

    def no_frame(self) -> str:
        """Why nothing can be done with the frame in view: there is none; empty when there is."""
        if self.state is None or self.frame is not None:
            return ""
        name, last = self.state.image.name, self.state.n_frames - 1
        return f"No frame of {name} is in view. Move the slider to one of frames 0 to {last}, in the 2D view."

    def cover(self, covered: bool) -> None:
        """Something else is shown in place of the cine, which then nobody can work on; or no more."""
        self.covered = covered
        self.frame_changed.emit(self.frame)

    def mask_in_view(self) -> bool:
        """Whether the present cine has its Labels layer in the viewer."""
        return (
            self.state is not None
            and self.state.mask is not None
            and self.state.mask.layer in self.viewer.layers
        )

    def unseen_mask(self) -> str:
        """Why nobody sees the mask that would be accepted; empty when it is in view, or there is none at all."""
        mask = self.state.mask if self.state is not None else None
        if mask is None:
            return ""
        if mask.layer not in self.viewer.layers:
            return f"{mask.layer.name} is not in the layer list: nobody sees what would be saved."
        if not _layers.is_seen(mask.layer):
            return (
                f"{mask.layer.name} is hidden. Show it (its eye in the layer list, its opacity), then accept."
            )
        if self.frame is not None and mask.hides_labels(self.frame):
            return (
                f"{mask.layer.name} shows label {mask.layer.selected_label} alone: nobody sees what else would be "
                "saved. Untick “show selected” in the layer controls, then accept."
            )
        return ""

    # -- workspace and models ------------------------------------------------------------------------------

    def create_workspace(self, folder: str | Path) -> None:
        """Make a workspace in an empty or new folder, and open it."""
        self._open(Path(folder), Workspace.create)

    def open_workspace(self, folder: str | Path) -> None:
        """Open an existing workspace and remember it for next time."""
        self._open(Path(folder), Workspace.open)

    def is_here(self, workspace: Workspace) -> bool:
        """Whether this workspace is the one that is open; what is asked of one may be answered in another."""
        return self.workspace is not None and self.workspace.path == workspace.path

    def told_of(self, workspace: Workspace, line: str) -> str:
        """A line about something in a workspace, which is named when another one is open by now."""
        return line if self.is_here(workspace) else f"In {workspace.path.name}, which was open then: {line}"

    def models(self) -> list[Model]:
        """Models one can segment with: the workspace's, then the built-in ones."""
        return [*self.shelf.own, *self.shelf.builtin]

    def choose_model(self, model: Model | None) -> None:
        """Segment with this model from now on."""
        self.model = model
        self.models_changed.emit()

    def refresh_models(self) -> None:
        """Read the workspace's models again: one was added, promoted or rolled back."""
        workspace = self.workspace
        if workspace is None:
            return
        self._errands.drop(self._reading)  # it may end after this one, and knows less

        def failed(problem: _jobs.Problem) -> None:
            self.problem.emit("header", problem.line)

        self._reading = self._errands.start(
            lambda: read_shelf(workspace), done=self._take_models, failed=failed
        )

    def _take_models(self, shelf: Shelf) -> None:
        """Keep the chosen model; who used the live one goes on with the new live one."""
        chosen = self.model.id if self.model is not None else self.shelf.live_id
        wanted = shelf.live_id if chosen == self.shelf.live_id else chosen
        self.shelf = shelf
        models = {model.id: model for model in self.models()}
        if shelf.warning:
            self.problem.emit("header", shelf.warning)
        known = (models[id_] for id_ in (wanted, shelf.live_id, *models) if id_ in models)
        self.choose_model(next(known, None))

    def adopt(self, workspace: Workspace) -> None:
        """Work with this workspace from now on, and remember it for next time."""
        self._errands.drop(self._reading)
        if self.workspace is not None and not self.is_here(workspace):
            self._take_models(Shelf(self.shelf.builtin))  # those of the former one are none of this one's
        self.workspace = workspace
        for state in self._states:
            state.enter(workspace.path)
        _preferences.put("workspace", str(workspace.path))
        self.workspace_changed.emit(workspace)
        if self.state is not None:
            self.marks_changed.emit(self.state)
        self.refresh_models()

    def _open(self, folder: Path, way: Callable[[Path], Workspace]) -> None:
        """Open or make a workspace; of several that were chosen one after the other, only the last comes."""
        self._errands.drop(self._opening)
        self.opening.emit()

        def failed(problem: _jobs.Problem) -> None:
            named = problem.line.startswith(folder.name)  # else it may seem to be of the one that stays open
            self.problem.emit("header", problem.line if named else f"{folder.name}: {problem.line}")

        self._opening = self._errands.start(lambda: way(folder), done=self.adopt, failed=failed)

    # -- following the viewer ------------------------------------------------------------------------------

    def _connect(self) -> None:
        for emitter, slot in self._connections():
            emitter.connect(slot)
        for layer in self.viewer.layers:
            self._look_at(layer)
        self.is_open = True

    def _look_at(self, layer: Layer) -> None:
        for emitter in _in_view.what_shows_it(layer):
            emitter.connect(self._follow_frame)

    def _look_away_from(self, layer: Layer) -> None:
        for emitter in _in_view.what_shows_it(layer):
            emitter.disconnect(self._follow_frame)

    def _connections(self) -> tuple[tuple[Any, Any], ...]:
        viewer = self.viewer
        return (
            (viewer.dims.events.ndisplay, self._follow_frame),
            (viewer.dims.events.order, self._follow_frame),
            (viewer.layers.selection.events.active, self._on_selected),
            (viewer.layers.events.inserted, self._on_inserted),
            (viewer.layers.events.removed, self._on_removed),
            (viewer.dims.events.current_step, self._follow_frame),
            (viewer.dims.events.point, self._follow_frame),
            (_reader.refused, self._on_refused),
        )

    def _on_refused(self, line: str) -> None:
        """A file of this window is not opened: napari shows the reason for some seconds, cut to one line."""
        current = napari.current_viewer()
        if current is None or current is self.viewer:  # two empty viewers are equal
            self.problem.emit("file", line)

    def _on_inserted(self, event: Any) -> None:
        self._look_at(event.value)
        self._follow_selection()

    def _on_selected(self, _event: Any = None) -> None:
        """To select a cine is to want it in view, also when it is on the table already."""
        self._follow_selection()
        active, state = self.viewer.layers.selection.active, self.state
        if state is None or active is None or not (state.image is active or state is self.owner_of(active)):
            return
        if _in_view.strangers(self.viewer, state) or not _layers.is_seen(active):
            self.show()

    def _keep_place(self) -> None:
        """A dock that is opened leaves the slider where it stands in the cine."""
        with suppress(LightVesselError):  # told when it is looked at
            state = self._wanted_state()
            if state is not None:
                here = _layers.frame_index(self.viewer, state.layer_in(self.viewer), state.n_frames)
                state.last_frame = state.last_frame if here is None else here

    def _follow_selection(self, _event: Any = None) -> None:
        try:
            self._show(self._wanted_state())
        except LightVesselError as error:
            self._show(None)
            _in_view.show_only(self.viewer, [self._wanted_image()])
            self.problem.emit("header", str(error))
        self._follow_frame()

    def _wanted_state(self) -> CineState | None:
        """Of the selected image or Labels, else the one on the table while it is open, else of the top image."""
        active = self.viewer.layers.selection.active
        if _layers.is_image(active):
            return self._state_of(active)
        owner = self.owner_of(active)
        if owner is not None:
            return owner
        if self.state is not None and self.state.is_in(self.viewer):
            return self.state
        image = self._wanted_image()
        return self._state_of(image) if image is not None else None

    def _wanted_image(self) -> Image | None:
        """The selected image, else the top one."""
        active = self.viewer.layers.selection.active
        images = [layer for layer in self.viewer.layers if _layers.is_image(layer)]
        return active if _layers.is_image(active) else images[-1] if images else None

    def _state_of(self, layer: Image) -> CineState:
        for state in self._states:
            if state.image is layer and not state.outdated:
                return state
        path = self.workspace.path if self.workspace is not None else None
        state = CineState(layer, _layers.cine_of(layer), workspace=path)
        self._states.append(state)
        self._listen_to(layer)
        return state

    def _on_removed(self, event: Any) -> None:
        removed = event.value
        self._look_away_from(removed)
        owner = self.owner_of(removed)
        if self.state is not None and self.state.image is removed:
            self.state = None  # off the table, unless its Labels are what is selected
        if owner is not None:
            self.mask_removed.emit(owner)
            self.marks_changed.emit(owner)
        self._forget_closed()
        self._follow_selection()

    def _forget_closed(self) -> None:
        for state in list(self._states):
            if not state.is_in(self.viewer) and not state.edited_frames():
                self._states.remove(state)
                if not any(other.image is state.image for other in self._states):
                    self._forget(state.image)

    # -- following a layer ---------------------------------------------------------------------------------

    def _listen_to(self, layer: Image) -> None:
        for emitter, slot in self._layer_connections(layer):
            emitter.connect(slot)

    def _forget(self, layer: Image) -> None:
        for emitter, slot in self._layer_connections(layer):
            emitter.disconnect(slot)

    def _layer_connections(self, layer: Image) -> tuple[tuple[Any, Any], ...]:
        events = layer.events
        moved = (events.scale, events.translate, events.affine)
        return (
            (events.data, self._on_data),
            (events.name, self._on_renamed),
            *((emitter, self._follow_frame) for emitter in moved),
        )

    def _on_renamed(self, event: Any) -> None:
        for state in self._states:
            if state.image is event.source:
                self.cine_renamed.emit(state)

    def _on_data(self, event: Any) -> None:
        """Other pixels are another cine: start anew, and keep what a person edited."""
        before = next((s for s in self._states if s.image is event.source and not s.outdated), None)
        if before is None:
            return
        line = self._start_anew(before)
        if self.state is before:
            self.state = None
        self._follow_selection()
        if line:
            self.problem.emit("header", line)

    def _start_anew(self, before: CineState) -> str:
        _layers.forget_file(before.image)
        self._states.remove(before)
        edited, name = len(before.edited_frames()), before.image.name
        fresh = self._readable_state_of(before.image)
        if fresh is not None and before.last_frame is not None and before.last_frame < fresh.n_frames:
            fresh.last_frame = before.last_frame
        if fresh is not None and before.mask is not None and fresh.cine.shape == before.cine.shape:
            before.move_edits_to(fresh)
            kept = f" {count_words(edited)} you edited kept their mask; look at them again." if edited else ""
            return f"{name} holds other pixels now. Segment it again.{kept}"
        if edited and before.mask is not None:
            before.outdated = True
            self._states.append(before)
            kept = f"{count_words(edited)} you edited cannot be accepted any more and stay in {before.mask.layer.name}."
            return f"{name} holds other pixels now. {kept}"
        if before.mask is not None and before.mask.layer in self.viewer.layers:
            self.viewer.layers.remove(before.mask.layer)
        return f"{name} holds other pixels now. Segment it again." if fresh is not None else ""

    def _readable_state_of(self, image: Image) -> CineState | None:
        try:
            return self._state_of(image)
        except LightVesselError:  # told as soon as it is looked at
            return None

    def _show(self, state: CineState | None) -> None:
        if state is self.state and state is not None:
            return
        self.state = state
        place = state.last_frame if state is not None else None
        self.cine_changed.emit(
            state
        )  # frames that were shown in place of a cine go, and what was before is back
        if state is not None:
            self._put_in_view(state, place)
        self._follow_frame(force=True)

    def _put_in_view(self, state: CineState, place: int | None) -> None:
        """Show this cine alone, at ``place`` or in its middle; the view fits one that is new or lies elsewhere."""
        viewer, layer = self.viewer, state.layer_in(self.viewer)
        _in_view.show_only(viewer, _in_view.layers_of(viewer, state))
        viewer.dims.ndisplay = 2
        if viewer.dims.ndim - layer.ndim in viewer.dims.displayed and layer.ndim > 2:  # seen from the side
            viewer.dims.order = tuple(range(viewer.dims.ndim))
        _layers.go_to_frame(viewer, layer, (state.n_frames - 1) // 2 if place is None else place)
        before, self._footprint = self._footprint, _in_view.footprint(viewer, layer)
        if place is None or (before and before != self._footprint):
            _in_view.fit(viewer, layer)

    def _follow_frame(self, _event: Any = None, force: bool = False) -> None:
        if self.state is None:
            return
        layer = self.state.layer_in(self.viewer)
        frame = _layers.frame_index(self.viewer, layer, self.state.n_frames)
        if frame is not None:
            self.state.last_frame = frame
        before = self.frame, self._doubt
        self.frame = frame  # of which the doubt is
        self._doubt = self.blocked() or self.unseen_mask()
        if (self.frame, self._doubt) != before or force:
            self.frame_changed.emit(frame)
