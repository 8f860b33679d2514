"""Walks through the widgets of a window and finds what Qt may take for HTML, what is not seen, and what is too long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from qtpy.QtCore import QAbstractItemModel, QModelIndex, QObject, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QGroupBox,
    QLabel,
    QMenu,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

sys.path.append(str(Path(__file__).resolve().parent.parent / "training"))

from hostile_texts import faults_of, made_texts

__all__ = ["faults", "made_texts", "texts", "width"]

_BREAK = "\u200b"  # a place where a long word may break: ours, and only in labels
_SHOWN_TIP = "qtooltip_label"  # Qt's own, which shows what some part has as its tooltip
_TIP_ENDS = ("<qt>", "</qt>")


def faults(root: QWidget) -> list[str]:
    """What is wrong with the texts of a widget and all that is in it, a line each."""
    parts = [part for part in (root, *root.findChildren(QWidget)) if part.objectName() != _SHOWN_TIP]
    return [f"{_called(part)}: {fault}" for part in parts for fault in _faults_of_part(part)]


def width(dock: QWidget) -> int:
    """Pixels that the dock needs: of its column nothing may stand where it cannot be scrolled to."""
    return max(dock.minimumSizeHint().width(), dock.scroll_area.widget().minimumSizeHint().width())


def texts(root: QWidget) -> list[str]:
    """Whatever a widget and all that is in it says."""
    return [text for part in [root, *root.findChildren(QWidget)] for _, text in _said(part)]


def _faults_of_part(part: QWidget) -> Iterator[str]:
    if isinstance(part, QLabel) and part.textFormat() != Qt.TextFormat.PlainText:
        yield f"guesses the format of {part.text()[:40]!r}"
    if isinstance(part, QTextEdit):
        yield "shows rich text"
    for what, text in _said(part):
        for fault in faults_of(text):
            yield f"{what} {text[:40]!r}: {fault}"
    for what, text in _tips(part):
        for fault in _faults_of_tip(text):
            yield f"{what} {text[:40]!r}: {fault}"


def _said(part: QWidget) -> Iterator[tuple[str, str]]:
    if isinstance(part, QLabel):
        yield "text", QLabel.text(part).replace(_BREAK, "")
    if isinstance(part, QAbstractButton):
        yield "text", part.text()
    if isinstance(part, QPlainTextEdit):
        yield "text", part.toPlainText()
    if isinstance(part, QGroupBox):
        yield "title", part.title()
    if part.isWindow():
        yield "window title", part.windowTitle()
    if isinstance(part, QMenu):
        yield from (("action", action.text()) for action in part.actions())
    for model in _models(part):
        yield from (("entry", text) for text in _entries(model, Qt.ItemDataRole.DisplayRole))
    yield "spoken name", part.accessibleName()


def _tips(part: QWidget) -> Iterator[tuple[str, str]]:
    yield "tooltip", part.toolTip()
    yield "what's this", part.whatsThis()
    yield "status tip", part.statusTip()
    yield from (("tooltip", action.toolTip()) for action in part.actions())
    for model in _models(part):
        yield from (("tooltip", text) for text in _entries(model, Qt.ItemDataRole.ToolTipRole))


def _faults_of_tip(text: str) -> list[str]:
    """A tooltip that may be taken for HTML has to be one in which all is escaped but the ends of lines."""
    inner = text
    if "<" in text or "&" in text:
        if not (text.startswith(_TIP_ENDS[0]) and text.endswith(_TIP_ENDS[1])):
            return ["Qt may take it for HTML"]
        inner = text.removeprefix(_TIP_ENDS[0]).removesuffix(_TIP_ENDS[1]).replace("<br>", "\n")
        if "<" in inner or ">" in inner:
            return ["it is HTML"]
    return faults_of(inner, 6 * 500)  # an escaped letter may take six


def _models(part: QWidget) -> Iterator[QAbstractItemModel]:
    if isinstance(part, QComboBox | QAbstractItemView) and part.model() is not None:
        yield part.model()


def _entries(model: QAbstractItemModel, role: int) -> Iterator[str]:
    for row in range(min(model.rowCount(QModelIndex()), 200)):
        text = model.data(model.index(row, 0), role)
        if isinstance(text, str):
            yield text


def _called(part: QObject) -> str:
    return f"{type(part).__name__} {part.objectName()}".strip()
