"""Section 2, Correct: paint with napari's own tools, decide frame by frame, see what is saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from napari.layers import Labels
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QLineEdit, QMenu

from napari_lightvessel import _layers, _preferences, _tools
from napari_lightvessel._accepting import Accepter
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._frame_list import FrameList
from napari_lightvessel._keys import bind_keys
from napari_lightvessel._parts import Section, TellLine, allow, button, name, row, show_part, wide
from napari_lightvessel._questions import NameBar, QuestionBar
from napari_lightvessel._recalling import Recaller
from napari_lightvessel._session import Session
from napari_lightvessel._style import Colours
from napari_lightvessel._taking_back import TakeBack
from napari_lightvessel._texts import Button, tip
from napari_lightvessel._unaccepted_bar import UnacceptedBar
from src_training import Revision
from src_training.dataset import known_patient
from src_training.errors import LightVesselError

_TOOLS = (
    ("Pan", _tools.PAN),
    ("Paint", _tools.PAINT),
    ("Erase", _tools.ERASE),
    ("Fill", _tools.FILL),
    ("Unsure", _tools.UNSURE_PAINT),
)
_TIPS = {
    _tools.PAN: "Move and zoom (Z)",
    _tools.PAINT: "Paint vessel with the brush; [ and ] change its size (P)",
    _tools.ERASE: "Erase (E)",
    _tools.FILL: "Press a vessel to remove that piece, or a gap to fill it with vessel (F)",
    _tools.UNSURE_PAINT: "Paint what nobody can tell (label 2)",
}
_LOOK_AGAIN_MS = 60  # one look after a burst of paint and refresh events


class CorrectPanel(Section):
    """Shows frames and their status; hands decisions to an Accepter."""

    def __init__(self, session: Session, accepter: Accepter, recaller: Recaller, colours: Colours) -> None:
        super().__init__("2  Correct")
        self.session, self.accepter, self.recaller = session, accepter, recaller
        self.take_back = TakeBack(session)
        self._bound: WeakSet[Labels] = WeakSet()
        self._named: CineState | None = None  # whose patient the field holds
        self._look_again = QTimer(self)
        self._look_again.setSingleShot(True)
        self._look_again.setInterval(_LOOK_AGAIN_MS)
        self._look_again.timeout.connect(self._look)
        self._painted: set[int] = set()  # frames of the cine on the table, each of which an undo may change
        self._make_parts(colours)
        self._lay_out()
        self._connect()
        self._show_cine(session.state)

    # -- building ------------------------------------------------------------------------------------------

    def _make_parts(self, colours: Colours) -> None:
        self.tools = {tool: self._tool(label, tool) for label, tool in _TOOLS}
        self.tool_group = QButtonGroup(self)
        for tool in self.tools.values():
            self.tool_group.addButton(tool)
        self.unsure_button = self.tools[_tools.UNSURE_PAINT]
        self.frames = FrameList(colours)
        self.accept_button = button("Accept", self.accepter.accept, primary=True)
        self.next_button = button("Next", self.go_next)
        self.region_button = Button("Accept region")
        self.region_menu = QMenu(self)
        self.region_menu.addAction("Draw a rectangle", self.draw_region)
        self.region_menu.addAction("Accept inside my rectangle", self.accept_drawn_region)
        self.region_menu.addAction("Accept what the view shows", self.accept_view)
        self.region_button.setMenu(self.region_menu)
        self.no_vessel_button = button("No vessel", self.accepter.no_vessel)
        self.not_evaluable_button = button("Not evaluable", self.accepter.not_evaluable)
        self.withdraw_button = button("Withdraw", self.take_back.withdraw)
        self.who_button = button(
            "", lambda: self.name_bar.open(), "Under which pseudonym your work is recorded"
        )
        self.who_button.setFlat(True)
        self.who_button.setProperty("lv-widest", 110)  # beside the section's title and summary
        self.patient = QLineEdit()
        self.patient.setPlaceholderText("unknown: used for training only")
        tip(
            self.patient,
            "A pseudonym, never a name. Frames of one patient stay on one side of the split.",
        )
        self.ask = UnacceptedBar(self.session, self.accepter)
        self.question = QuestionBar(self.accepter, self.take_back)
        self.name_bar = NameBar(self._show_who)
        self.line = TellLine()

    def _lay_out(self) -> None:
        self.patient_row = row(name("Patient"), self.patient)
        *plain, unsure = self.tools.values()
        self.add(row(*plain, None, unsure))
        self.add(self.frames)
        self.add(row(wide(self.accept_button), self.region_button, self.next_button))
        self.add(row(wide(self.no_vessel_button), wide(self.not_evaluable_button), self.withdraw_button))
        self.add(self.patient_row, self.question, self.ask, self.line, self.name_bar)
        head = self.head.layout()
        assert isinstance(head, QHBoxLayout)
        head.insertWidget(2, self.who_button)
        self._show_who()

    def _tool(self, label: str, tool: str) -> Button:
        made = button(label, lambda: self.use_tool(tool), _TIPS[tool])
        made.setCheckable(True)
        return made

    def _connect(self) -> None:
        session, accepter = self.session, self.accepter
        self.frames.frame_chosen.connect(session.go_to)
        self.patient.editingFinished.connect(self._on_patient)
        session.cine_changed.connect(self._show_cine)
        session.frame_changed.connect(self._on_frame)
        session.marks_changed.connect(self._on_marks)
        session.frame_decided.connect(self._on_decided)
        session.workspace_changed.connect(self._on_workspace)
        session.viewer.layers.selection.events.active.connect(self._show_tool)
        accepter.saving.connect(lambda text: self.line.tell(text, "busy"))
        accepter.saved.connect(lambda text: self.line.tell(text, "good"))
        accepter.failed.connect(lambda text: self.line.tell(text, "bad"))
        accepter.saved.connect(lambda _text: self.name_bar.ask_once())
        accepter.asks.connect(lambda _question: self.line.tell(""))
        accepter.deciding.connect(self._on_patient)
        accepter.renamed.connect(self.recaller.remember_patient)
        self.take_back.told.connect(self.line.tell)
        self.recaller.overtaken.connect(self._on_overtaken)

    # -- acting --------------------------------------------------------------------------------------------

    def use_tool(self, tool: str) -> None:
        """Take one of the tools, on our layer."""
        state = self.session.state
        if state is None:
            return
        mask = state.ensure_mask(self.session.viewer)
        self.session.marks_changed.emit(state)
        self.session.viewer.layers.selection.active = mask.layer
        _tools.take(mask.layer, tool)
        self._show_tool()  # a press on the active tool changes nothing, and Qt has unchecked it

    def go_next(self) -> None:
        """Show the next frame that waits for a decision."""
        state = self.session.state
        if state is None:
            return
        t = state.next_open(-1 if self.session.frame is None else self.session.frame)
        if t is None or t == self.session.frame:
            self.line.tell("No other frame waits for a decision.", "good")
        else:
            self.session.go_to(t)

    def step(self, by: int) -> None:
        """Show the frame before or after; from outside the cine, its last or first."""
        state, here = self.session.state, self.session.frame
        if here is None:
            here = -1 if by > 0 else 0
        if state is not None:
            self.session.go_to((here + by) % state.n_frames)

    def draw_region(self) -> None:
        """Start drawing the rectangle that was reviewed."""
        state = self.session.state
        if state is not None:
            _layers.start_region(self.session.viewer, state.ensure_mask(self.session.viewer).layer)
            self.line.tell("Draw around what you reviewed, then Accept region › Accept inside my rectangle.")

    def accept_drawn_region(self) -> None:
        """Accept the frame inside the drawn rectangle; the rest stays unreviewed."""
        self._accept_in(lambda layer: _layers.drawn_region(self.session.viewer, layer))

    def accept_view(self) -> None:
        """Accept the part of the frame that the canvas shows; the rest stays unreviewed."""
        self._accept_in(_layers.shown_region)

    def _accept_in(self, find: Callable[[Labels], _layers.Region | None]) -> None:
        state = self.session.state
        if state is None or state.mask is None:
            self.line.tell("Segment or paint the frame first.", "bad")
            return
        try:
            region = find(state.mask.layer)
        except LightVesselError as error:
            self.line.tell(str(error), "bad")
            return
        if region is None:
            self.draw_region()
        else:
            self.accepter.accept(region)

    def _fill(self, layer: Labels, place: tuple[int, ...]) -> None:
        """Fill pressed on a pixel of this layer: (row, column), after the frame where there are several."""
        owner = self.session.owner_of(layer)
        if owner is None or owner.mask is None or not self._on_table(layer):
            return
        t = place[0] if len(place) > 2 else 0
        try:
            owner.mask.replace(t, _tools.filled(owner.labels(t), (place[-2], place[-1])))
        except LightVesselError as error:
            self.line.tell(str(error), "warn")
        else:
            self.line.tell("")

    def _on_patient(self) -> None:
        state, typed = self._named, self.patient.text().strip()
        self.patient.setModified(False)
        if state is not None and state.patient != typed:
            self.take_back.seek_strays(state, typed)
            self.recaller.remember_patient(state, typed)

    def _show_patient(self, state: CineState | None) -> None:
        """What is being typed stays as long as its cine does, and is that cine's when another comes."""
        if self.patient.isModified():
            if state is self._named:
                return
            self._on_patient()
        self._named = state
        self.patient.setText(state.patient if state is not None else "")

    # -- showing -------------------------------------------------------------------------------------------

    def _show_cine(self, state: CineState | None) -> None:
        show_part(self.frames, state is not None and state.n_frames > 1)
        self.frames.show_state(state)
        show_part(self.next_button, state is None or state.n_frames > 1)
        self.line.tell("")
        self._painted.clear()
        self._show_patient(state)
        if state is not None:
            show_part(self.patient_row, known_patient(state.cine.patient_id) is None)
            self._follow_layer(state)
        self._on_frame(self.session.frame)

    def _on_frame(self, t: int | None) -> None:
        self.frames.show_frame(t)
        self._show_summary()
        self._show_controls()

    def _on_marks(self, state: CineState) -> None:
        if state is self.session.state:
            self._show_patient(state)
            self._follow_layer(state)
            self._show_edits()
            self._show_controls()

    def _on_decided(self, state: CineState, t: int) -> None:
        """One row is all that a decision changes: to compare every frame's pixels would take too long here."""
        if state is self.session.state:
            self.frames.show_row(state, t)
            self._show_summary()
            self._show_controls()

    def _on_overtaken(self, state: CineState, t: int, revision: Revision) -> None:
        if state is self.session.state:
            by = revision.annotator or "somebody unnamed"
            self.line.tell(
                f"Frame {t} was saved meanwhile by {by} as revision {revision.seq}. Your edits stay; Accept asks.",
                "warn",
            )

    def _show_who(self) -> None:
        self.who_button.setText(_preferences.annotator() or "unnamed")

    def show_trouble(self, line: str) -> None:
        """Say that edits cannot be kept safe until they are accepted; empty when they can again."""
        self.line.tell(line, "bad" if line else "info")

    def _on_workspace(self, _workspace: object) -> None:
        self.line.tell("")
        self._show_controls()

    def _look(self) -> None:
        state, here = self.session.state, self.session.frame
        if state is not None and state.mask is not None:
            state.measure(self._painted | ({here} if here is not None else set()))
            self.session.areas_changed.emit(state)
        self._show_edits()

    def _show_edits(self) -> None:
        self.frames.show_state(self.session.state)
        self.frames.show_frame(self.session.frame)
        self._show_summary()

    def _show_summary(self) -> None:
        state = self.session.state
        decided = sum(mark.decided for mark in state.marks) if state else 0
        self.summary.setText(f"{decided}/{state.n_frames} decided" if state and decided else "")

    def _show_controls(self) -> None:
        reason, no_cine = self.accepter.blocked(), self.session.blocked()
        seen = self.session.mask_in_view()
        no_mask = self.session.unseen_mask() if seen else "Segment or paint the frame first."
        allow(self.accept_button, reason or no_mask, "This frame is right: save it (A)")
        allow(self.region_button, reason or no_mask, "Only a part was reviewed: save that part")
        allow(self.no_vessel_button, reason, "There is no vessel on this frame: save an empty mask")
        allow(self.not_evaluable_button, reason, "Nobody could judge this frame: keep it out of training")
        allow(
            self.withdraw_button,
            self.take_back.blocked(),
            "Take the decision on this frame back, as a new revision: nothing is deleted",
        )
        allow(self.next_button, no_cine, "Next frame that waits for a decision (N)")
        for known, tool in self.tools.items():
            allow(tool, no_cine, _TIPS[known])
        self._show_tool()

    def _follow_layer(self, state: CineState) -> None:
        """Listen to a new Labels layer: its edits, its tool, and our keys on it alone."""
        if state.mask is None or state.mask.layer in self._bound:
            return
        layer = state.mask.layer
        self._bound.add(layer)
        layer.events.set_data.connect(self._on_pixels)
        layer.events.paint.connect(self._on_paint)
        layer.events.mode.connect(self._show_tool)
        layer.events.selected_label.connect(self._show_tool)
        _tools.equip(layer, lambda place: self._fill(layer, place))
        bind_keys(
            layer,
            allowed=self._on_table,
            accept=self.accepter.accept_by_key,
            go_next=self.go_next,
            step=self.step,
        )

    def _on_table(self, layer: Labels) -> bool:
        """Whether this Labels layer is the present cine's; told when it is not."""
        if not self.session.is_open:  # the keys stay with the layer
            return False
        owner = self.session.owner_of(layer)
        if owner is not None and owner is self.session.state:
            return True
        self.line.tell(f"{layer.name} is no mask of the cine above. Select that cine's own layer.", "bad")
        return False

    def _on_pixels(self, _event: object) -> None:
        if self.session.is_open:
            self.session.effort.touch()
            self._look_again.start()

    def _on_paint(self, event: Any) -> None:
        owner = self.session.owner_of(event.source)
        if self.session.is_open and owner is not None:
            frames = _layers.painted_frames(event.value, event.source)
            self.session.effort.stroke(owner, frames)
            self._painted |= frames if owner is self.session.state else set()
            self._look_again.start()

    def _show_tool(self, _event: object = None) -> None:
        """Check the tool that a press on the canvas uses: none of ours while another layer is selected."""
        if not self.session.is_open:
            return
        state = self.session.state
        ours = state is not None and state.mask is not None and self._is_selected(state.mask.layer)
        active = _tools.active_tool(state.mask.layer) if ours and state and state.mask else ""
        self.tool_group.setExclusive(False)
        for known, tool in self.tools.items():
            tool.setChecked(known == active)
        self.tool_group.setExclusive(True)

    def _is_selected(self, layer: Labels) -> bool:
        return self.session.viewer.layers.selection.active is layer
