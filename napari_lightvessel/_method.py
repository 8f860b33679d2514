"""How the next training learns: plain fine-tuning or a distillation, with its teacher and its student."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_lightvessel._parts import name, row, slim, wide
from napari_lightvessel._session import Session
from napari_lightvessel._texts import Choice, tip
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
        self._wanted: dict[str, str] = {}  # a run's models, which may be read only later
        self.way = slim()
        for index, (words, _, _) in enumerate(_WAYS):
            self.way.addItem(words, hint=_TIPS[index])
        self.teacher, self.student = slim(), slim()
        self.teacher_row = row(name("T&eacher"), wide(self.teacher))
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(row(name("Metho&d"), wide(self.way)))
        rows.addWidget(self.teacher_row)
        self.student_row = row(name("St&udent"), wide(self.student))
        rows.addWidget(self.student_row)
        self.way.currentIndexChanged.connect(lambda _index: self._show_rows())
        self.student.currentIndexChanged.connect(lambda _index: self._offer_teachers())
        for box in (self.way, self.student, self.teacher):
            box.activated.connect(lambda _index: self._wanted.clear())
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

    def show_settings(self, settings: dict[str, Any]) -> None:
        """Show the way that a run with these settings goes, with its student and its teacher."""
        taught = bool(settings.get("teacher"))
        fits = [
            (len(fixed), index)
            for index, (_, fixed, with_teacher) in enumerate(_WAYS)
            if with_teacher == taught and all(_same(settings.get(key), value) for key, value in fixed.items())
        ]
        self._wanted = {"student": settings.get("base_model", ""), "teacher": settings.get("teacher", "")}
        self.way.setCurrentIndex(max(fits, default=(0, 0))[1])
        if taught:
            self._fill()

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
        tip(self.way, _TIPS[self.way.currentIndex()])
        self.changed.emit()

    def _fill(self) -> None:
        _offer(self.student, self._models(), self._wanted.get("student"), first=_ACTIVE)
        self._offer_teachers()

    def _offer_teachers(self) -> None:
        """Whoever is larger than the student and means the same by a vessel."""
        student = self._chosen_student()
        fit = [model for model in self._models() if student is not None and _can_teach(model, student)]
        fit.sort(key=lambda model: -model.card.parameters)
        _offer(self.teacher, fit, self._wanted.get("teacher"))
        self.changed.emit()

    def _models(self) -> list[Model]:
        return [*self.session.shelf.builtin, *self.session.shelf.own]

    def _chosen_student(self) -> Model | None:
        chosen = self.student.currentData() or self.session.shelf.live_id
        return next((model for model in self._models() if model.id == chosen), None)


def _can_teach(teacher: Model, student: Model) -> bool:
    protocols = {teacher.card.label_protocol, student.card.label_protocol} - {"unknown"}
    return teacher.card.parameters > student.card.parameters and len(protocols) < 2


def _same(value: Any, wanted: Any) -> bool:
    """Whether a setting is this one; a tuple comes back from a record as a list."""
    return list(value) == list(wanted) if isinstance(wanted, (tuple, list)) and value else value == wanted


def _offer(box: Choice, models: list[Model], wanted: str | None = None, first: str = "") -> None:
    """Fill a box with models, choosing the wanted one, else the one of before, where it exists."""
    ids = [model.id for model in models]
    chosen = wanted if wanted in ids else box.currentData()
    box.clear()
    if first:
        box.addItem(first, "")
    for model in models:
        box.addItem(f"{model.id} · {model.card.parameters / 1e6:.1f} M", model.id)
    box.setCurrentIndex(max(0, box.findData(chosen)))
