"""Section 1, Segment: choose a model, run it, tune threshold and size filter, see the wash-in curve."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QLineEdit,
    QProgressBar,
    QSpinBox,
    QToolButton,
    QWidget,
)
from superqt import QLabeledDoubleSlider
from superqt.utils import signals_blocked

from napari_lightvessel._cine_state import CineState
from napari_lightvessel._parts import (
    AskBar,
    Section,
    TellLine,
    allow,
    button,
    faint,
    name,
    row,
    show_part,
    slim,
    wide,
)
from napari_lightvessel._segmenting import Segmenter
from napari_lightvessel._session import Session
from napari_lightvessel._sparkline import Sparkline
from napari_lightvessel._style import Colours
from napari_lightvessel._texts import tip
from src_training import Model

_NO_CINE = "Open an angiogram first, or try File > Open Sample > LightVessel."


class SegmentPanel(Section):
    """Shows and steers a Segmenter."""

    def __init__(self, session: Session, segmenter: Segmenter, colours: Colours) -> None:
        super().__init__("1  Segment")
        self.session, self.segmenter = session, segmenter
        self._make_parts(colours)
        self._lay_out()
        self._connect()
        self._show_models()
        self._show_cine(session.state)

    # -- building ------------------------------------------------------------------------------------------

    def _make_parts(self, colours: Colours) -> None:
        self.model_box = slim()
        self.card_button = QToolButton()
        self.card_button.setText("i")
        self.card_button.setProperty("lv", "plain")
        tip(self.card_button, "What this model is")
        self.card_button.setAccessibleName("What this model is")
        self.cine_button = button("Segment cine", self.segmenter.run_cine, primary=True)
        self.frame_button = button("This frame", self.segmenter.run_frame)
        self.live_box = QCheckBox("live")
        tip(self.live_box, "Segment each frame as you come to it")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar_text = faint("")
        self.cancel_button = button("Cancel", self.segmenter.cancel, "Stop; frames that are done stay")
        self.progress = row(wide(self.bar), self.bar_text, self.cancel_button)
        self.threshold = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0.05, 0.95)
        self.threshold.setSingleStep(0.01)  # type: ignore[arg-type]
        self.threshold.setDecimals(2)
        for box in self.threshold.findChildren((QAbstractSpinBox, QLineEdit)):
            box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # the number can be typed, without a mouse as well
        self.min_size = QSpinBox()
        self.min_size.setRange(0, 5000)
        self.min_size.setSingleStep(10)
        self.invert_box = QCheckBox("bright vessels")
        self.polarity_line = TellLine()
        self.ask = AskBar()
        self.line = TellLine()
        self.spark = Sparkline(colours)
        self.spark_text = faint("")

    def _lay_out(self) -> None:
        self.curve = QWidget()
        self.add(row(name("&Model"), wide(self.model_box), self.card_button))
        self.card_line = TellLine()
        self.add(self.card_line)
        self.add(row(wide(self.cine_button), self.frame_button, self.live_box))
        self.add(self.progress, self.ask, self.line)
        self.add(row(name("&Threshold"), self.threshold))
        self.add(row(name("Min si&ze, px"), self.min_size, None, self.invert_box))
        self.add(self.polarity_line)
        self.add(self.spark, self.spark_text)
        self.progress.hide()
        self.spark.hide()
        self.spark_text.hide()
        self.card_button.setCheckable(True)

    def _connect(self) -> None:
        session, segmenter = self.session, self.segmenter
        self.model_box.activated.connect(self._on_model)
        self.card_button.toggled.connect(lambda _on: self._show_card())
        self.live_box.toggled.connect(self._on_live)
        self.threshold.valueChanged.connect(self._on_threshold)
        self.min_size.valueChanged.connect(self._on_min_size)
        self.invert_box.toggled.connect(self._on_invert)
        self.spark.frame_clicked.connect(session.go_to)
        session.cine_changed.connect(self._show_cine)
        session.frame_changed.connect(self._on_frame)
        session.marks_changed.connect(self._show_marks)
        session.frame_decided.connect(self._show_marks)
        session.areas_changed.connect(self._show_marks)
        session.models_changed.connect(self._show_models)
        segmenter.started.connect(self._on_started)
        segmenter.advanced.connect(self._on_advanced)
        segmenter.ended.connect(self._on_ended)
        segmenter.asks.connect(self._on_asks)

    # -- showing -------------------------------------------------------------------------------------------

    def _show_models(self) -> None:
        models, live = self.session.models(), self.session.shelf.live
        self.model_box.clear()
        for model in models:
            self.model_box.addItem(_title(model, live is not None and model.id == live.id), model.id)
        chosen = self.session.model
        if chosen is not None:
            self.model_box.setCurrentIndex(max(0, self.model_box.findData(chosen.id)))
        self._show_card()
        self._show_controls()
        self._show_numbers()

    def _show_card(self) -> None:
        model = self.session.model
        text = card_text(model) if model is not None and self.card_button.isChecked() else []
        self.card_line.tell(text, "info")

    def _show_cine(self, state: CineState | None) -> None:
        show_part(self.ask, False)
        self.line.tell("" if state else _NO_CINE)
        self.polarity_line.tell("")
        self.spark.show_frame(self.session.frame)
        self._show_controls()
        self._show_numbers()
        if state is not None:
            self._show_marks(state)

    def _on_frame(self, t: int | None) -> None:
        self.spark.show_frame(t)
        self._show_controls()

    def _reason(self) -> str:
        """Why nothing can be segmented now; empty when it can."""
        if self.session.state is None:
            return _NO_CINE
        if self.session.model is None:
            return "No model is installed."
        return self.session.blocked() or ("Segmenting now." if self.segmenter.busy else "")

    def _show_controls(self) -> None:
        state, reason = self.session.state, self._reason()
        allow(self.cine_button, reason, "Segment every frame; frames you edited keep their mask")
        allow(self.frame_button, reason or self.session.no_frame(), "Segment the frame you see")
        self.cine_button.setText("Segment image" if state and state.n_frames == 1 else "Segment cine")
        show_part(self.frame_button, state is None or state.n_frames > 1)
        show_part(self.live_box, state is None or state.n_frames > 1)
        for part in (self.threshold, self.min_size, self.invert_box):
            part.setEnabled(state is not None)
        tip(self.threshold, "Masks follow at once; frames you edited keep theirs" if state else _NO_CINE)
        tip(self.min_size, "Smaller pieces are left out" if state else _NO_CINE)
        tip(self.invert_box, "Tick when the contrast is bright on dark" if state else _NO_CINE)

    def _show_numbers(self) -> None:
        state = self.session.state
        if state is None or state.threshold is None or state.min_size_px is None:  # there is no model
            return
        with (
            signals_blocked(self.threshold),
            signals_blocked(self.min_size),
            signals_blocked(self.invert_box),
        ):
            self.threshold.setValue(state.threshold)
            self.min_size.setValue(state.min_size_px)
            self.invert_box.setChecked(state.inverted)

    def _show_marks(self, state: CineState) -> None:
        if state is not self.session.state:
            return
        measured = state.mask is not None and state.n_frames > 1
        show_part(self.spark, measured)
        self.spark_text.setVisible(measured)
        self.spark.show_values(state.area_px)
        peak = self.spark.peak()
        self.spark_text.setText("vessel area" if peak is None else f"vessel area · peak at frame {peak}")
        self._tell_polarity(state)

    def _tell_polarity(self, state: CineState) -> None:
        """Say what the pictures tell where it has to be known; what a person said is not questioned."""
        with signals_blocked(self.invert_box):
            self.invert_box.setChecked(state.inverted)
        found = state.polarity if "inverted" not in state.chosen else None
        if found is None or (found.source == "detected" and not found.bright):
            self.polarity_line.tell("")
        elif not found.bright:
            self.polarity_line.tell(
                "Vessels are neither clearly dark nor bright here: taken as dark. Tick “bright vessels” if they are "
                "bright."
            )
        elif state.inverted:
            self.polarity_line.tell(
                "Vessels look bright here: “bright vessels” is ticked. Untick it if they are dark.", "warn"
            )
        else:
            self.polarity_line.tell(
                "Vessels look bright here. Tick “bright vessels” and segment again.", "warn"
            )

    # -- acting --------------------------------------------------------------------------------------------

    def _on_model(self, index: int) -> None:
        wanted = self.model_box.itemData(index)
        self.session.choose_model(next((m for m in self.session.models() if m.id == wanted), None))

    def _on_live(self, on: bool) -> None:
        self.segmenter.live = on
        if on and self.session.state and self.session.frame not in self.session.state.probabilities:
            self.segmenter.run_frame()

    def _on_threshold(self, value: float) -> None:
        self.segmenter.set_threshold(round(float(value), 3))

    def _on_min_size(self, value: int) -> None:
        self.segmenter.set_min_size(int(value))

    def _on_invert(self, on: bool) -> None:
        if self.session.state is not None:
            self.session.state.inverted = on
            self.session.state.chosen.add("inverted")
            self._tell_polarity(self.session.state)
            self.line.tell("Segment again to use it." if self.session.state.probabilities else "")

    def _on_started(self, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(0)
        self.bar_text.setText("loading the model…")
        self.progress.show()
        show_part(self.ask, False)
        self.line.tell("")
        self._show_numbers()
        self._show_controls()

    def _on_advanced(self, done: int, total: int, ms: float) -> None:
        self.bar.setValue(done)
        self.bar_text.setText(f"{done}/{total} · {ms:.0f} ms/frame")

    def _on_ended(self, line: str, kind: str) -> None:
        show_part(self.progress, False)
        self.line.tell(line, kind)
        self._show_controls()

    def _on_asks(self, state: CineState, t: int) -> None:
        question = f"Frame {t} has your edits. Replace them with a new proposal? (Ctrl+Z brings them back.)"
        self.ask.ask(question, "Replace", "Keep mine", lambda: self.segmenter.replace_frame(state, t))


def _title(model: Model, live: bool) -> str:
    where = "in use" if live else "built-in" if model.builtin else "in this workspace"
    return f"{model.id if model.builtin else model.card.name + ' ' + model.id[-6:]} · {where}"


def card_text(model: Model) -> list[str]:
    """A model's card in a few lines."""
    card = model.card
    lines = [
        f"{card.name}: {card.parameters / 1e6:.2f} M parameters, outlines: {card.label_protocol}",
        card.trained_on,
        f"licence: {card.licence or 'not stated'}; data: {card.data_licence or 'not stated'}",
    ]
    figures = [f"{k} {v:.3f}" for k, v in card.metrics.items() if isinstance(v, (int, float))]
    return [*filter(None, lines), *([", ".join(figures)] if figures else [])]
