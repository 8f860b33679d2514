"""How the next training learns: plain fine-tuning or a distillation, with its teacher and its student."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_lightvessel._parts import name, row, slim, wide
from napari_lightvessel._session import Session
from src_training import Model
from src_training.distillation import LITERAL

_ACTIVE = "the active model"
_NO_TEACHER = "There is no teacher: it must be larger than the student, and of the same label protocol."
# Words → settings of the training; with a teacher where True.
_WAYS: tuple[tuple[str, dict[str, Any], bool], ...] = (
    ("Fine-tune", {}, False),
    ("Distill: LightVessel", {"method": "lightvessel"}, True),
    ("Distill: as published", {"method": "as-published", **LITERAL}, True),
    ("Plain: no anchor, no teacher", {"anchor_weight": 0.0}, False),
)
_TIPS = (
    "Learn from the accepted frames, anchored to what the model knew",
    "A larger teacher helps the student: where features shift (FSD), how far predictions are off (ASD), soft labels",
    "The two losses of the paper as they were published",
    "Only the accepted and the replayed frames; for comparison",
)


# Settings that the form leaves out: the boxes decide them, and a run of a workspace computes on one device.
FIELDS = ("base_model", "teacher", "method", "devices")
_WITH_TEACHER, _WITHOUT = ("balance", "ramp", "projector_steps"), ("anchor_weight",)


class MethodChooser(QWidget):
    """Three boxes: way, teacher (for a distillation), student. ``settings()`` is what they stand for.

    ``changed`` tells that another way was chosen, or that there are other models.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.way = slim(QComboBox())
        for index, (words, _, _) in enumerate(_WAYS):
            self.way.addItem(words)
            self.way.setItemData(index, _TIPS[index], Qt.ItemDataRole.ToolTipRole)
        self.teacher, self.student = slim(QComboBox()), slim(QComboBox())
        self.teacher_row = row(name("Teacher"), wide(self.teacher))
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(row(name("Method"), wide(self.way)))
        rows.addWidget(self.teacher_row)
        self.student_row = row(name("Student"), wide(self.student))
        rows.addWidget(self.student_row)
        self.way.currentIndexChanged.connect(lambda _index: self._show_rows())
        self.student.currentIndexChanged.connect(lambda _index: self._offer_teachers())
        session.models_changed.connect(self._fill)
        self._fill()
        self._show_rows()

    def settings(self) -> dict[str, Any]:
        """Fields of FinetuneSettings that the boxes decide."""
        _, fixed, taught = _WAYS[self.way.currentIndex()]
        if not taught:
            return {**fixed, "teacher": "", "base_model": ""}
        return {
            **fixed,
            "teacher": self.teacher.currentData() or "",
            "base_model": self.student.currentData() or "",
        }

    def fixed(self) -> dict[str, Any]:
        """Settings that the chosen way itself brings."""
        return _WAYS[self.way.currentIndex()][1]

    def unused(self) -> tuple[str, ...]:
        """Settings that mean nothing on the chosen way."""
        return _WITHOUT if _WAYS[self.way.currentIndex()][2] else _WITH_TEACHER

    def words(self) -> str:
        """What the start button does now."""
        return "Distill" if _WAYS[self.way.currentIndex()][2] else "Fine-tune"

    def missing(self) -> str:
        """Why the chosen way cannot be gone; empty when it can."""
        needs_teacher = _WAYS[self.way.currentIndex()][2]
        return _NO_TEACHER if needs_teacher and not self.teacher.count() else ""

    def _show_rows(self) -> None:
        taught = _WAYS[self.way.currentIndex()][2]
        self.teacher_row.setVisible(taught)
        self.student_row.setVisible(taught)
        self.way.setToolTip(_TIPS[self.way.currentIndex()])
        self.changed.emit()

    def _fill(self) -> None:
        _offer(self.student, self._models(), first=_ACTIVE)
        self._offer_teachers()

    def _offer_teachers(self) -> None:
        """Whoever is larger than the student and means the same by a vessel."""
        student = self._chosen_student()
        fit = [model for model in self._models() if student is not None and _can_teach(model, student)]
        _offer(self.teacher, sorted(fit, key=lambda model: -model.card.parameters))
        self.changed.emit()

    def _models(self) -> list[Model]:
        return [*self.session.shelf.builtin, *self.session.shelf.own]

    def _chosen_student(self) -> Model | None:
        chosen = self.student.currentData() or self.session.shelf.live_id
        return next((model for model in self._models() if model.id == chosen), None)


def _can_teach(teacher: Model, student: Model) -> bool:
    protocols = {teacher.card.label_protocol, student.card.label_protocol} - {"unknown"}
    return teacher.card.parameters > student.card.parameters and len(protocols) < 2


def _offer(box: QComboBox, models: list[Model], first: str = "") -> None:
    """Fill a box with models, keeping the choice where it still exists."""
    chosen = box.currentData()
    box.clear()
    if first:
        box.addItem(first, "")
    for model in models:
        box.addItem(f"{model.id} · {model.card.parameters / 1e6:.1f} M", model.id)
    box.setCurrentIndex(max(0, box.findData(chosen)))
