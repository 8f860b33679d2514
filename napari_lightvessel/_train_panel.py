"""Section 3, Train: says whether training makes sense now, runs it in the background, and asks for the decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QTextCursor
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from napari_lightvessel import _verdict
from napari_lightvessel._losing import LosingViewer
from napari_lightvessel._losing_bar import LosingBar
from napari_lightvessel._method import FIELDS, MethodChooser
from napari_lightvessel._parts import (
    AskBar,
    Section,
    TellLine,
    allow,
    button,
    faint,
    restyle,
    row,
    show_part,
    wide,
)
from napari_lightvessel._session import Session
from napari_lightvessel._style import Colours
from napari_lightvessel._texts import TextBox
from napari_lightvessel._training import Figures, RunView, Trainer
from src_training import FinetuneSettings, Run
from src_training.errors import LightVesselError

if TYPE_CHECKING:
    from napari_lightvessel._curve import Curve
    from napari_lightvessel._form import SettingsForm

_RESUMABLE = ("cancelled", "interrupted", "failed")
_NO_WORKSPACE = "Needs a workspace: New… or Open… at the top."


class TrainPanel(Section):
    """Shows and steers a Trainer."""

    def __init__(
        self, session: Session, trainer: Trainer, losing_viewer: LosingViewer, colours: Colours
    ) -> None:
        super().__init__("3  Train")
        self.session, self.trainer, self.colours = session, trainer, colours
        self.losing_viewer = losing_viewer
        self.curve: Curve | None = None
        self.form: SettingsForm | None = None
        self._method_of: Run | None = None  # whose way the boxes were set to
        self._make_parts()
        self._lay_out()
        self._connect()
        self._show_figures(trainer.figures)
        self._show_run(None)

    # -- building ------------------------------------------------------------------------------------------

    def _make_parts(self) -> None:
        self.words = TellLine()
        self.method = MethodChooser(self.session)
        self.start_button = button(self.method.words(), self.start, primary=True)
        self.more_button = button("Settings", self._toggle_form, "Every setting of the fine-tuning")
        self.more_button.setCheckable(True)
        self.form_holder = QWidget()
        self.form_rows = QVBoxLayout(self.form_holder)
        self.form_rows.setContentsMargins(0, 0, 0, 0)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.run_text = faint("")
        self.run_text.setWordWrap(True)
        self.cancel_button = button(
            "Cancel", self.trainer.cancel, "Stop after this step; the active model stays"
        )
        self.resume_button = button("Resume", self.trainer.resume, "Go on from the last checkpoint")
        self.log_button = button("Log", self._toggle_log, "The last lines of the run's log")
        self.log_button.setCheckable(True)
        self.log = TextBox()
        self.log.setProperty("lv", "log")
        self.log.setAccessibleName("Log of the run")
        self.log.setFixedHeight(92)
        self.verdict = TellLine(lasting=True)
        self.losing = LosingBar(self.losing_viewer)
        self.promote_button = button("Promote", self.promote)
        self.keep_button = button(
            "Keep the old one", self.trainer.keep, "The new model stays in the store, not active"
        )
        self.ask = AskBar()
        self.rollback_button = button("Roll back", self.roll_back, "Back to the model before this one")
        self.line = TellLine()

    def _lay_out(self) -> None:
        self.curve_holder = QWidget()
        self.curve_rows = QVBoxLayout(self.curve_holder)
        self.curve_rows.setContentsMargins(0, 0, 0, 0)
        self.progress = row(wide(self.run_text), self.log_button, self.resume_button, self.cancel_button)
        self.decision = row(self.promote_button, self.keep_button, None)
        self.add(self.words, self.method)
        self.add(row(wide(self.start_button), self.more_button))
        self.add(self.form_holder, self.progress, self.bar, self.curve_holder, self.log)
        self.add(self.verdict, self.losing, self.decision, self.ask, self.line)
        self.add(row(None, self.rollback_button))
        for part in (self.form_holder, self.log, self.decision):
            part.hide()

    def _connect(self) -> None:
        self.trainer.figures_changed.connect(self._show_figures)
        self.trainer.run_changed.connect(self._show_run)
        self.trainer.told.connect(self.line.tell)
        self.trainer.decided.connect(self._on_decided)
        self.session.workspace_changed.connect(self._on_workspace)
        self.session.models_changed.connect(self._show_controls)
        self.method.changed.connect(self._show_controls)
        self.method.changed.connect(self._fit_form)
        self.method.way.activated.connect(lambda _index: self.line.solved())

    # -- acting --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Train on the accepted frames, with the form's settings when it was opened."""
        try:
            settings = self.form.value() if self.form is not None else FinetuneSettings()
            settings = FinetuneSettings(**settings.model_dump() | self.method.settings())
        except LightVesselError as error:
            self.line.tell(str(error), "bad")
            return
        self.trainer.start("finetune", settings.model_dump(mode="json"))

    def promote(self) -> None:
        """Make the new model live; asks for a reason when the gate cannot tell."""
        view = self.trainer.view
        if view is None:
            return
        if _verdict.needs_reason(view.state.compared):
            self.ask.ask(
                "The metrics cannot tell whether it is better. Promote it anyway? Say why; it is recorded.",
                "Promote anyway",
                "Do not",
                self._promote_with_reason,
                reason="needed",
            )
        else:
            self.trainer.promote()

    def roll_back(self) -> None:
        """Go back to the model before the live one; asks why, but does not insist."""
        self.ask.ask(
            "Go back to the model before this one? Say why, if you can; it is recorded.",
            "Roll back",
            "Do not",
            lambda: self.trainer.roll_back(self.ask.reason.text().strip()),
            reason="welcome",
        )

    def settings_form(self) -> SettingsForm:
        """The settings form, made when it is first looked at."""
        if self.form is None:
            from napari_lightvessel._form import SettingsForm

            self.form = SettingsForm(FinetuneSettings, leave_out=FIELDS)
            self.form.changed.connect(self.line.solved)
            self.form_rows.addWidget(self.form.native)
            self._fit_form()
        return self.form

    def _fit_form(self) -> None:
        """Let the form show what will run: the chosen way brings some settings and has no use for others."""
        if self.form is not None:
            self.form.fix(self.method.fixed())
            self.form.hide(self.method.unused())

    def _promote_with_reason(self) -> None:
        self.trainer.promote(self.ask.reason.text().strip())

    def _toggle_form(self) -> None:
        self.settings_form()
        show_part(self.form_holder, self.more_button.isChecked())

    def _toggle_log(self) -> None:
        self._show_log(self.trainer.view)

    # -- showing -------------------------------------------------------------------------------------------

    def follow_theme(self, colours: Colours) -> None:
        """Repaint the curve in the theme's colours."""
        self.colours = colours
        if self.curve is not None:
            self.curve.paint_in(colours)

    def _on_workspace(self, _workspace: object) -> None:
        self.line.tell("")
        show_part(self.ask, False)
        self._show_controls()

    def _on_decided(self, action: str, model_id: str) -> None:
        self.line.tell(_verdict.decided_words(action, model_id), "good")
        show_part(self.ask, False)
        self._show_run(self.trainer.view)

    def _show_figures(self, figures: Figures) -> None:
        if self.session.workspace is None:
            self.words.tell("Accept corrected frames into a workspace; the model then learns from them.")
        else:
            live = self.session.shelf.live
            self.words.tell(_verdict.figures_words(figures, live.id if live else "the built-in model"))
        self._show_controls()

    def _show_controls(self) -> None:
        running = self.trainer.view is not None and not self.trainer.view.over
        reason = _NO_WORKSPACE if self.session.workspace is None else ""
        if not reason and not self.trainer.figures.counted:
            reason = "The accepted frames are not counted yet."
        if not reason and self.trainer.figures.accepted == 0:
            reason = "Needs accepted frames: correct one, then press Accept."
        if not reason and running:
            reason = "A run is under way."
        reason = reason or self.method.missing()
        self.start_button.setText(self.method.words())
        allow(self.start_button, reason, "Train on the accepted frames in the background")
        show_part(self.rollback_button, self.session.shelf.previous is not None)
        waiting = self.trainer.waiting()
        restyle(self.start_button, "lv", "" if waiting else "primary")
        restyle(self.promote_button, "lv", "primary" if waiting else "")
        compared = self.trainer.view.state.compared if self.trainer.view else None
        allow(self.promote_button, _verdict.refusal(compared), "Segment with the new model from now on")
        show_part(self.decision, waiting)

    def _show_run(self, view: RunView | None) -> None:
        running = view is not None and not view.over
        show_part(self.progress, view is not None)
        show_part(self.cancel_button, running)
        show_part(self.resume_button, view is not None and view.state.status in _RESUMABLE)
        show_part(self.bar, running)
        self.summary.setText("running" if running else "")
        if view is not None:
            self._show_method(view)
            self.run_text.setText(_verdict.run_words(view))
            self.bar.setRange(0, view.state.steps)
            self.bar.setValue(view.state.step)
        self._show_curve(view)
        self._show_log(view)
        self.verdict.tell(*_verdict.outcome(view))
        self.losing.offer(view.state.compared if view is not None and view.over else None)
        self._show_controls()

    def _show_method(self, view: RunView) -> None:
        """Once a run: the way that it goes, also when it was started before this window."""
        if view.settings and view.run is not self._method_of:
            self._method_of = view.run
            self.method.show_settings(view.settings)

    def _show_curve(self, view: RunView | None) -> None:
        dice = (
            [(step, metrics["dice"]) for step, metrics in view.state.validations if "dice" in metrics]
            if view
            else []
        )
        drawn = view is not None and len(view.state.losses) + len(dice) > 1
        show_part(self.curve_holder, drawn)
        if not drawn or view is None:
            return
        if self.curve is None:
            from napari_lightvessel._curve import Curve

            self.curve = Curve(self.colours)
            self.curve_rows.addWidget(self.curve)
        self.curve.show_points(view.state.losses, dice)

    def _show_log(self, view: RunView | None) -> None:
        show_part(self.log, self.log_button.isChecked() and view is not None)
        if self.log_button.isChecked():
            self.log.setPlainText(view.log if view is not None else "")
            self.log.moveCursor(QTextCursor.MoveOperation.End)
