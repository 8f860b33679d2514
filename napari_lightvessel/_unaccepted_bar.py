"""Questions about edits that nobody accepted: their layer was removed, or another cine is on the table now."""

from __future__ import annotations

from napari_lightvessel._accepting import Accepter
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._marks import count_words
from napari_lightvessel._parts import AskBar, allow
from napari_lightvessel._session import Session


class UnacceptedBar(AskBar):
    """Asks about one cine at a time, those whose layer was removed first; in the way of nothing."""

    def __init__(self, session: Session, accepter: Accepter) -> None:
        super().__init__()
        self.session, self.accepter = session, accepter
        self._present = session.state  # the cine that was last on the table
        self._former: CineState | None = None  # one that was left with edits, and not asked about for good
        self._asked: CineState | None = None
        session.cine_changed.connect(self._on_cine)
        session.mask_removed.connect(self._on_mask_removed)
        session.marks_changed.connect(self._on_marks)
        session.frame_decided.connect(self._on_marks)
        session.workspace_changed.connect(self.look)

    def look(self, _event: object = None) -> None:
        """Ask what is to be asked now; hide when there is nothing."""
        removed = next((state for state in self.session.states() if self._is_removed(state)), None)
        former = self._former
        if removed is not None:
            self._ask_about_removed(removed)
        elif former is not None and self._is_in_view(former) and (edited := former.open_edits()):
            self._ask_about_former(former, len(edited))
        else:
            self._asked = None
            self.hide()

    # -- following -----------------------------------------------------------------------------------------

    def _on_cine(self, state: CineState | None) -> None:
        if state is None:
            return
        left, self._present = self._present, state
        if left is not None and left is not state and left.open_edits():
            self._former = left
        elif self._former is state:
            self._former = None
        self.look()

    def _on_mask_removed(self, state: CineState) -> None:
        if not state.edited_frames():
            state.drop_mask()
        self.look()

    def _on_marks(self, state: CineState, _t: int = 0) -> None:
        if state is self._asked:
            self.look()

    def _is_removed(self, state: CineState) -> bool:
        return state.mask is not None and not self._is_in_view(state) and bool(state.edited_frames())

    def _is_in_view(self, state: CineState) -> bool:
        return state.mask is not None and state.mask.layer in self.session.viewer.layers

    # -- asking --------------------------------------------------------------------------------------------

    def _ask_about_removed(self, state: CineState) -> None:
        self._asked = state
        edited = count_words(len(state.edited_frames()))
        self.ask(
            f"{state.image.name}: the vessel layer was removed. It holds {edited} with edits not yet saved.",
            "Bring it back",
            "Let it go",
            lambda: self._bring_back(state),
            lambda: self._let_go(state),
        )

    def _ask_about_former(self, state: CineState, edited: int) -> None:
        self._asked = state
        many = "s" * (edited != 1)
        self.ask(
            f"{edited} edited frame{many} of {state.image.name} {'are' if many else 'is'} not accepted.",
            "Accept them",
            "Go back",
            lambda: self._accept(state),
            lambda: self._go_back(state),
            later=self._not_now,
        )
        allow(self.yes, self.accepter.refusal(state), "Every edited frame of it is right: save them")

    def _bring_back(self, state: CineState) -> None:
        viewer = self.session.viewer
        if not state.outdated and state.image not in viewer.layers:  # a mask alone shows nobody what it is of
            viewer.layers.append(state.image)
        viewer.layers.selection.active = state.ensure_mask(viewer).layer
        self.session.marks_changed.emit(state)
        self.look()

    def _let_go(self, state: CineState) -> None:
        state.drop_mask()
        self.look()

    def _accept(self, state: CineState) -> None:
        self._former = None
        self.accepter.accept_edits(state)
        self.look()

    def _go_back(self, state: CineState) -> None:
        assert state.mask is not None
        self.session.viewer.layers.selection.active = state.mask.layer

    def _not_now(self) -> None:
        self._former = None
        self.look()
