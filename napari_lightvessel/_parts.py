"""Small Qt parts the sections are built of: folding section, buttons, a line that tells, a question in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QDockWidget,
    QFrame,
    QGraphicsView,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMainWindow,
    QScrollArea,
    QScrollBar,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_lightvessel._style import MARGIN, SPACING
from napari_lightvessel._texts import Button, Choice, Label, tip

FADE_MS = 8000  # enough to read a line twice
_AGAIN_MS = 1000
_LAID_OUT_MS = 50
_WIDEST_ANSWER = 120  # pixels: three of them stand side by side


class Section(QFrame):
    """A titled block that folds away; ``summary`` says at a glance how things stand."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.setProperty("lv", "section")
        self.title = QToolButton()
        self.title.setText(title)
        self.title.setProperty("lv", "title")
        self.title.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.title.setCheckable(True)
        self.title.setChecked(True)
        self.title.toggled.connect(self._fold)
        self.summary = faint("")
        self.body = QWidget()
        self.rows = QVBoxLayout(self.body)
        self.rows.setContentsMargins(0, 2, 0, 0)
        self.rows.setSpacing(SPACING)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(MARGIN, 6, MARGIN, MARGIN)
        outer.setSpacing(2)
        self.head = row(self.title, None, self.summary)
        outer.addWidget(self.head)
        outer.addWidget(self.body)
        self._fold(True)

    def add(self, *parts: QWidget) -> None:
        """Append rows to the block."""
        for part in parts:
            self.rows.addWidget(part)

    def _fold(self, opened: bool) -> None:
        self.title.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        tip(self.title, "Fold this section" if opened else "Unfold this section")
        self.body.setVisible(opened)


class FollowingScroll(QScrollArea):
    """A column that scrolls; once told to follow, its end stays in sight until somebody scrolls away.

    The wheel scrolls it wherever the mouse is, and changes no number or choice that happens to lie there.
    """

    def __init__(self, body: QWidget) -> None:
        super().__init__()
        self._following = False
        self._body = body
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(body)
        bar = self.verticalScrollBar()
        assert bar is not None  # for the type checker: a scroll area always has one
        self._bar = bar
        self._bar.rangeChanged.connect(self._on_range)
        self._bar.valueChanged.connect(self._on_value)

    def follow(self) -> None:
        """Show the end of the column, and go on showing it as it grows."""
        self._following = True
        self._bar.setValue(self._bar.maximum())

    def minimumSizeHint(self) -> QSize:  # Qt's name
        """As wide as the column needs beside its scroll bar: it is not scrolled sideways."""
        # The theme draws a frame, though there is to be none.
        beside = self._bar.sizeHint().width() + 2 * self.frameWidth()
        return QSize(self._body.minimumSizeHint().width() + beside, super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # Qt's name
        """Hand the wheel on to the column, from any control that is in it by now."""
        kind = event.type() if event is not None else None
        if kind == QEvent.Type.LayoutRequest and watched is self._body:
            self._keep_wheel_off()
            self.updateGeometry()
        if event is not None and kind == QEvent.Type.Wheel and _takes_wheel(watched):
            self.viewportEvent(event)
            return True
        return super().eventFilter(watched, event)

    def _keep_wheel_off(self) -> None:
        for part in filter(_takes_wheel, self._body.findChildren(QWidget)):
            if part.focusPolicy() == Qt.FocusPolicy.WheelFocus:
                part.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            part.installEventFilter(self)

    def _on_range(self, _least: int, most: int) -> None:
        if self._following:
            self._bar.setValue(most)

    def _on_value(self, value: int) -> None:
        self._following = self._following and value >= self._bar.maximum()


def _takes_wheel(part: QObject | None) -> bool:
    """Whether the wheel would set something here, or end at a drawing that swallows it."""
    if isinstance(part, QWidget) and isinstance(part.parent(), QGraphicsView):
        return True
    return isinstance(part, QAbstractSpinBox | QComboBox | QAbstractSlider) and not isinstance(
        part, QScrollBar
    )


class TellLine(Label):
    """One wrapped line (or a few) that says what happened or how to go on; hidden while it has nothing to say.

    What went well is read and gone after some seconds, unless the line is a ``lasting`` one.
    """

    def __init__(self, lasting: bool = False) -> None:
        super().__init__()
        self._lasting = lasting
        self._fade = QTimer(self)
        self._fade.setSingleShot(True)
        self._fade.timeout.connect(self._fade_out)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.tell("")

    def tell(self, text: str | Sequence[str], kind: str = "info") -> None:
        """Show ``text``, or one text a line, as info, busy, good, warn or bad."""
        self.set_lines(text)
        self.setVisible(bool(text))
        restyle(self, "lv-kind", kind)
        if text and kind == "good" and not self._lasting:
            self._fade.start(FADE_MS)
        else:
            self._fade.stop()

    def _fade_out(self) -> None:
        """Go, unless somebody is about to press something below, which would move away from under the mouse."""
        column: QWidget = self
        while (holder := column.parentWidget()) is not None and not column.isWindow():
            if isinstance(holder, QMainWindow | QDockWidget):
                break
            column = holder
        if column.underMouse():
            self._fade.start(_AGAIN_MS)
        else:
            self.tell("")

    def solved(self, _event: object = None) -> None:
        """The cause of an error is gone, and so is its line; anything else stays."""
        if self.property("lv-kind") == "bad":
            self.tell("")


class AskBar(QFrame):
    """A question in place, instead of a dialog in the way."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("lv", "ask")
        self.text = Label()
        self.text.setWordWrap(True)
        self.reason = QLineEdit()
        self.reason.setPlaceholderText("reason")
        self.reason.setAccessibleName("Reason")
        self.reason.textChanged.connect(self._on_reason)
        self.yes, self.no = button("", self._on_yes), button("", self._on_no)
        self.later = button("Later", self._on_later)
        for one in (self.yes, self.no, self.later):
            one.setProperty("lv-widest", _WIDEST_ANSWER)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(8, 6, 8, 6)
        rows.addWidget(self.text)
        rows.addWidget(self.reason)
        rows.addWidget(row(self.later, None, self.no, self.yes))
        self._answer: Callable[[], object] | None = None
        self._refused: Callable[[], object] | None = None
        self._needs_reason = False
        self._put_off: Callable[[], object] | None = None
        self.hide()

    def ask(
        self,
        question: str,
        yes: str,
        no: str,
        answer: Callable[[], object],
        refused: Callable[[], object] | None = None,
        *,
        reason: Literal["none", "welcome", "needed"] = "none",
        later: Callable[[], object] | None = None,
        unasked: bool = False,
    ) -> None:
        """Show ``question``; ``answer`` is called on yes, which may want a written reason first.

        ``later`` is called when the question is put off; without it, it cannot be. Whoever caused it goes on by typing
        the reason; with ``unasked`` they are at something else, whose keys stay there.
        """
        self._needs_reason = reason == "needed"
        self.reason.clear()
        self.reason.setVisible(reason != "none")
        self._on_reason("")
        self.text.setText(question)
        self.yes.setText(yes)
        self.no.setText(no)
        self._answer, self._refused, self._put_off = answer, refused, later
        self.later.setVisible(later is not None)
        self.show()
        if reason != "none":
            bring_into_sight(self)  # nobody types into what is not seen
        if reason != "none" and not unasked:
            self.reason.setFocus()

    def _on_reason(self, text: str) -> None:
        allow(self.yes, "Write the reason first." if self._needs_reason and not text.strip() else "")

    def _put_away(self) -> None:
        show_part(self, False)

    def _on_yes(self) -> None:
        self._put_away()
        if self._answer is not None:
            self._answer()

    def _on_no(self) -> None:
        self._put_away()
        if self._refused is not None:
            self._refused()

    def _on_later(self) -> None:
        self._put_away()
        if self._put_off is not None:
            self._put_off()


def button(text: str, clicked: Callable[[], None], hint: str = "", primary: bool = False) -> Button:
    """A button; ``primary`` fills it (one in each section)."""
    made = Button(text)
    if primary:
        made.setProperty("lv", "primary")
    tip(made, hint)
    made.clicked.connect(lambda: clicked())
    return made


def faint(text: str) -> Label:
    """Secondary text."""
    label = Label(text)
    label.setProperty("lv", "faint")
    return label


def legend(entries: Sequence[tuple[str, str]], mark: str) -> QWidget:
    """What colours stand for: (colour, word) each, the word after a ``mark`` in its colour."""
    parts: list[QWidget | None] = []
    for colour, word in entries:
        sign = Label(mark)
        sign.setStyleSheet(f"color: {colour}")
        parts += [sign, faint(word)]
    return row(*parts, None)


def name(text: str, width: int = 92) -> Label:
    """The name of a row, all of one width so that what follows lines up."""
    label = Label(text)
    label.setProperty("lv", "name")
    label.setFixedWidth(width)
    return label


def row(*parts: QWidget | None) -> QWidget:
    """Parts side by side; None takes the room that is left. What follows a name is called by it."""
    holder = QWidget()
    line = QHBoxLayout(holder)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(SPACING)
    for part in parts:
        line.addStretch(1) if part is None else line.addWidget(part)
    for label, part in pairwise(parts):
        if isinstance(label, QLabel) and label.property("lv") == "name" and part is not None:
            call(part, label.text().replace("&", ""))
            label.setBuddy(part)
    return holder


def call(part: QWidget, spoken: str) -> None:
    """Give a control, and what one can set in it, the name that a screen reader says."""
    for one in (part, *part.findChildren(QWidget)):
        if one.focusPolicy() != Qt.FocusPolicy.NoFocus and not one.accessibleName():
            one.setAccessibleName(spoken)


def wide(part: QWidget) -> QWidget:
    """Let a part take the width that is left."""
    part.setSizePolicy(QSizePolicy.Policy.Expanding, part.sizePolicy().verticalPolicy())
    return part


def slim() -> Choice:
    """A box that may be narrower than its longest entry."""
    box = Choice()
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    return box


def allow(part: QWidget, reason: str, hint: str = "") -> None:
    """Enable a control when ``reason`` is empty; else disable it and let its tooltip say why."""
    if reason:
        _hand_focus_up(part)
    part.setEnabled(not reason)
    tip(part, reason or hint)


def show_part(part: QWidget, on: bool) -> None:
    """Show or hide a part; one that goes leaves the focus to what holds it."""
    if not on:
        _hand_focus_up(part)
    part.setVisible(on)


def bring_into_sight(bar: QWidget) -> None:
    """Scroll the dock's column to a question, once Qt has given it a place."""

    def scroll() -> None:
        part = bar.parentWidget()
        while part is not None and not isinstance(part, QScrollArea):
            part = part.parentWidget()
        if isinstance(part, QScrollArea) and bar.isVisible():
            part.ensureWidgetVisible(bar)

        timer.deleteLater()

    timer = QTimer(bar)
    timer.setSingleShot(True)
    timer.timeout.connect(scroll)
    timer.start(_LAID_OUT_MS)


def _hand_focus_up(part: QWidget) -> None:
    """Let what holds a part that goes have its focus: Qt gives it to the next field, which then takes the next key."""
    window, holder = part.window(), part.parentWidget()
    focus = window.focusWidget() if window is not None else None
    if focus is not None and holder is not None and (focus is part or part.isAncestorOf(focus)):
        holder.setFocus()


def restyle(part: QWidget, key: str, value: str) -> None:
    """Change a style property and let Qt look at it again."""
    if part.property(key) != value:
        part.setProperty(key, value)
        style = part.style()
        if style is not None:
            style.unpolish(part)
            style.polish(part)
