"""The one place where texts become widgets: plain, bounded, and with what cannot be seen written out.

Qt guesses whether a label, a tooltip or a question is HTML, and would load what that names: a pipe that hangs the
window, a device without end, a share of another computer. Names, messages, tags and cards come from elsewhere.
"""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Sequence
from typing import Any, Protocol

from qtpy.QtCore import QChildEvent, QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QInputDialog,
    QLabel,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)
from superqt import QElidingLabel

from src_training.texts import line, lines

MOST_OF_NAME = 60  # letters of a button or an entry: more would not fit
_MOST_LINES = 30
_BREAK = "\u200b"  # Qt may go to the next line here
_WORD = re.compile(r"\S{12,}")
_WIDEST_WORD, _WIDEST_BUTTON = 280, 240  # pixels; the dock has 372
_TIP_WIDTH = 100  # letters; Qt does not wrap a plain tooltip


def shown(text: str | Sequence[str]) -> str:
    """A text as one line, several texts as one each: printable, bounded in length and number."""
    if isinstance(text, str):
        return line(text)
    found = list(text)
    more = [f"and {len(found) - _MOST_LINES} more"] if len(found) > _MOST_LINES else []
    return "\n".join(lines(found[:_MOST_LINES] + more))


def short(text: str, most: int = MOST_OF_NAME) -> str:
    """A name for a button or an entry, or what else has little room."""
    return line(text, most)


def for_napari(text: str) -> str:
    """A name or message that napari shows in widgets of its own: printable, and nothing that Qt takes for HTML."""
    return line(text).replace("<", "‹").replace("&lt;", "＆lt;")


class Label(QLabel):
    """A label that shows its text as it is; a long word may break anywhere where lines are wrapped."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)

    def setText(self, text: str | None) -> None:  # Qt's name
        """Show a line."""
        self.set_lines(text or "")

    def set_lines(self, text: str | Sequence[str]) -> None:
        """Show a line, or several."""
        self._said = shown(text)
        super().setText(_WORD.sub(self._breakable, self._said) if self.wordWrap() else self._said)

    def setWordWrap(self, on: bool) -> None:  # Qt's name
        """Wrap lines."""
        super().setWordWrap(on)
        self.set_lines(self._said.split("\n"))

    def _breakable(self, word: re.Match[str]) -> str:
        """A word that is wider than a line, with places to break; letters of some scripts are wide."""
        letters, width = word.group(), self.fontMetrics().horizontalAdvance(word.group())
        if width <= _WIDEST_WORD:
            return letters
        step = max(1, len(letters) * _WIDEST_WORD // (2 * width))
        return _BREAK.join(letters[start : start + step] for start in range(0, len(letters), step))

    def text(self) -> str:
        """What is said, without the places where it may break."""
        return self._said


class ElidingLabel(QElidingLabel):
    """A label of one line whose middle gives way to the room there is."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setElideMode(Qt.TextElideMode.ElideMiddle)

    def setText(self, txt: str | None) -> None:  # Qt's name
        """Show a line."""
        super().setText(shown(txt or ""))


class Button(QPushButton):
    """A button; only the text that it is made with may name a key by ``&``."""

    def setText(self, text: str | None) -> None:  # Qt's name
        """Show a name, which may come from elsewhere: in its middle it gives way."""
        middle = Qt.TextElideMode.ElideMiddle
        said = self.fontMetrics().elidedText(
            short(text or ""), middle, self.property("lv-widest") or _WIDEST_BUTTON
        )
        super().setText(said.replace("&", "&&"))


class Choice(QComboBox):
    """A box of names that may come from elsewhere."""

    def addItem(self, text: str, userData: Any = None, hint: str = "") -> None:  # type: ignore[override]
        """Offer one more."""
        super().addItem(short(text), userData)
        self.setItemData(self.count() - 1, tip_text(hint), Qt.ItemDataRole.ToolTipRole)


class TextBox(QPlainTextEdit):
    """Lines to be read, such as those of a log."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)

    def setPlainText(self, text: str | None) -> None:  # Qt's name
        """Show a text, line by line."""
        super().setPlainText("\n".join(lines(text or "")))


class _HasTip(Protocol):
    def setToolTip(self, text: str) -> Any: ...  # Qt's name


def tip(part: _HasTip, text: str | Sequence[str]) -> None:
    """Give a part its tooltip: one line, or several."""
    part.setToolTip(tip_text(text))


def tip_text(text: str | Sequence[str]) -> str:
    """What Qt shows as these lines: a tooltip has no format to be set, so what looks like HTML is escaped."""
    said = "\n".join(
        piece
        for one in shown(text).split("\n")
        for piece in (textwrap.wrap(one, _TIP_WIDTH) if len(one) > 2 * _TIP_WIDTH else [one])
    )
    if "<" in said or "&" in said:
        return "<qt>" + html.escape(said).replace("\n", "<br>") + "</qt>"
    return said


def question_box(window: QWidget, text: Sequence[str]) -> QMessageBox:
    """A box over a window that asks in several lines; its buttons are still to come."""
    box = QMessageBox(window)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setWindowTitle("LightVessel")
    box.setText(shown(text))
    make_plain(box)
    return box


def choose(title: str, words: str, entries: Sequence[str]) -> int | None:
    """Let a person choose one of some lines; its place, or None when they want none."""
    dialog = QInputDialog()
    dialog.setWindowTitle(for_napari(title))
    dialog.setLabelText(words)
    dialog.setComboBoxItems([line(entry, 2 * MOST_OF_NAME) for entry in entries])
    dialog.setComboBoxEditable(False)
    make_plain(dialog)
    wanted = bool(dialog.exec())
    box = dialog.findChild(QComboBox)
    return box.currentIndex() if wanted and box is not None else None


class PlainDialogs(QObject):
    """Lets dialogs that others have made over a window, such as napari's choice of a reader, show names as they are.

    They are looked at as they are about to be shown: what a text names has not been loaded by then.
    """

    def __init__(self, *parents: QWidget) -> None:
        super().__init__(parents[0])
        for parent in parents:
            parent.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # Qt's name
        """Make a dialog plain."""
        if isinstance(event, QChildEvent) and event.type() == QEvent.Type.ChildPolished:
            child = event.child()
            if isinstance(child, QDialog):
                make_plain(child)
        return False


def make_plain(root: QWidget) -> None:
    """Let the labels of widgets that others have made take no text for HTML."""
    for label in [*([root] if isinstance(root, QLabel) else []), *root.findChildren(QLabel)]:
        label.setTextFormat(Qt.TextFormat.PlainText)


def notify(text: str, *, error: bool = False) -> None:
    """Say a line where napari says its own."""
    from napari.utils.notifications import show_error, show_info

    (show_error if error else show_info)(for_napari(text))
