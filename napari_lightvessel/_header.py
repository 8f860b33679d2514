"""The head of the dock: which workspace, which cine, and how far its millimetres can be trusted."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_lightvessel._cine_state import CineState
from napari_lightvessel._marks import count_words
from napari_lightvessel._parts import TellLine, button, name, row, show_part, wide
from napari_lightvessel._received_bar import ReceivedBar
from napari_lightvessel._session import Session
from napari_lightvessel._texts import ElidingLabel, Label, short, tip

_BADGES = {
    "px": "Lengths are in pixels: this cine states no calibration",
    "detector": "Spacing at the detector, not in the patient",
}
_REMARKS = 2  # in sight: the head takes its room from the sections
_REFUSALS = 3  # likewise
_MOST_OF_REFUSAL = 240  # letters in sight, likewise


class Header(QWidget):
    """Workspace, cine and what is known of the cine; long names give way in their middle."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.workspace_name = wide(ElidingLabel())
        self.workspace_name.setProperty("lv", "strong")
        self.new_button = button(
            "&New…", self._ask_new, "Make a workspace: a folder for dataset, models and runs"
        )
        self.open_button = button("&Open…", self._ask_open, "Open a workspace folder")
        self.cine_name = wide(ElidingLabel())
        self.facts = ElidingLabel()
        self.badge = Label()
        self.badge.setProperty("lv", "badge")
        self.remarks = TellLine()
        self.view_line = TellLine()
        self.view_button = button(
            "Show only this cine", session.show, "Hide other cines, and go to a frame of this one"
        )
        self.view_row = row(None, self.view_button)
        self.refused: list[str] = []  # files that were not opened, until the person has read it
        self.refusals = TellLine()
        self.dismiss_button = button("Dismiss", self._dismiss, "You have read which files were not opened")
        self.refusals_row = row(wide(self.refusals), self.dismiss_button)
        self.line = TellLine()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(10, 6, 10, 2)
        rows.setSpacing(4)
        rows.addWidget(row(name("Workspace"), self.workspace_name, self.new_button, self.open_button))
        rows.addWidget(row(name("Cine"), self.cine_name, self.badge))
        self.facts_row = row(name(""), wide(self.facts))
        rows.addWidget(self.facts_row)
        rows.addWidget(self.remarks)
        rows.addWidget(self.view_line)
        rows.addWidget(self.view_row)
        rows.addWidget(self.refusals_row)
        rows.addWidget(self.line)
        self.received = ReceivedBar(session)
        rows.addWidget(self.received)
        session.workspace_changed.connect(self._show_workspace)
        session.cine_changed.connect(self._on_cine)
        session.cine_renamed.connect(self._on_renamed)
        session.frame_changed.connect(self._show_view)
        session.problem.connect(self._show_problem)
        self._show_workspace(session.workspace)
        self._show_cine(session.state)
        self._show_refusals()

    def create_workspace(self, folder: str | Path) -> None:
        """Make a workspace there and open it; what is wrong with the folder is said in place."""
        self.line.tell("making the workspace…", "busy")
        self.session.create_workspace(folder)

    def open_workspace(self, folder: str | Path) -> None:
        """Open a workspace; what is wrong with it is said in place."""
        self.line.tell("opening the workspace…", "busy")
        self.session.open_workspace(folder)

    def _ask_new(self) -> None:
        folder, _ = QFileDialog.getSaveFileName(
            self, "New workspace: name its folder", str(Path.home() / "coronary")
        )
        if folder:
            self.create_workspace(folder)

    def _ask_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a workspace")
        if folder:
            self.open_workspace(folder)

    def _show_workspace(self, workspace: object) -> None:
        known = self.session.workspace
        self.line.tell("")
        self.workspace_name.setText(known.path.name if known else "none yet")
        tip(
            self.workspace_name,
            str(known.path) if known else "Segmenting needs none; accepting and training do.",
        )

    def _on_cine(self, state: CineState | None) -> None:
        self.line.tell("")
        self._show_cine(state)

    def _on_renamed(self, state: CineState) -> None:
        if state is self.session.state:
            self._show_cine(state)
        self._show_view()

    def _show_view(self, _frame: int | None = None) -> None:
        """Say that the canvas shows anything but a frame of the cine named above, and offer to mend it."""
        text = self.session.out_of_view()
        self.view_line.tell(text, "warn")
        self.view_button.setText("Show only this cine" if self.session.blocked() else "Back to its frames")
        self.view_row.setVisible(bool(text))

    def _show_cine(self, state: CineState | None) -> None:
        for part in (self.facts_row, self.badge):
            part.setVisible(state is not None)
        self._show_remarks(state)
        if state is None:
            self.cine_name.setText("none: open an angiogram")
            tip(self.cine_name, "")
            self._show_view()
            return
        cine, shown = state.cine, state.layer_in(self.session.viewer) is state.image
        title = state.image.name if shown else f"{state.image.name} (image taken out)"
        facts = " · ".join(filter(None, (count_words(state.n_frames), cine.projection.label)))
        self.cine_name.setText(title)
        self.facts.setText(facts)
        for part in (self.cine_name, self.facts):
            tip(part, [f"{title} · {facts}", f"{cine.shape[1]} × {cine.shape[2]} px, {cine.dtype}"])
        self._show_view()
        self.badge.setText(cine.calibration.badge)
        tip(self.badge, _BADGES.get(cine.calibration.badge, "How lengths are calibrated"))

    def _show_remarks(self, state: CineState | None) -> None:
        """How the file was read otherwise than one would think, while its cine is here; the rest in the tooltip."""
        lines = [line.removeprefix(f"{state.cine.name}: ") for line in state.cine.remarks] if state else []
        more = f" (+{len(lines) - _REMARKS})" if len(lines) > _REMARKS else ""
        self.remarks.tell(" ".join(lines[:_REMARKS]) + more)
        tip(self.remarks, lines)

    def _show_problem(self, section: str, line: str) -> None:
        if section == "header":
            self.line.tell(line, "bad")
        elif section == "file":
            self.refused = [line, *(known for known in self.refused if known != line)]
            self._show_refusals()

    def _dismiss(self) -> None:
        self.refused = []
        self._show_refusals()

    def _show_refusals(self) -> None:
        """A file that opens after them says nothing of those that did not: they stay until they are dismissed."""
        more = [f"and {len(self.refused) - _REFUSALS} more"] if len(self.refused) > _REFUSALS else []
        seen = [short(one, _MOST_OF_REFUSAL) for one in self.refused[:_REFUSALS]]
        self.refusals.tell([*seen, *more], "bad")
        tip(self.refusals, self.refused)
        show_part(self.refusals_row, bool(self.refused))
