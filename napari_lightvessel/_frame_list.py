"""The list of frames: a dot whose shape and colour tell the status, a mark for unsaved edits."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QKeyEvent, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from napari_lightvessel._cine_state import CineState
from napari_lightvessel._marks import ACCEPTED, NO_VESSEL, NOT_EVALUABLE, PROPOSED, WORDS
from napari_lightvessel._style import Colours
from napari_lightvessel._texts import short, tip

_STATUS, _WORDS, _NOTE, _EDITED = (int(Qt.ItemDataRole.UserRole) + n for n in range(4))


class FrameList(QListWidget):
    """One row per frame; a click, the arrow keys or Return show it."""

    frame_chosen = Signal(int)

    def __init__(self, colours: Colours) -> None:
        super().__init__()
        self.setProperty("lv", "frames")
        self.painter = _RowPainter(colours)
        self.setItemDelegate(self.painter)
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)  # no half rows
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Frames")
        self.itemClicked.connect(lambda item: self.frame_chosen.emit(self.row(item)))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # Qt's name
        """A key that goes to another row shows its frame; Return shows the one of the present row again."""
        before = self.currentRow()
        super().keyPressEvent(event)
        asked = event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if self.currentRow() >= 0 and (asked or self.currentRow() != before):
            self.frame_chosen.emit(self.currentRow())

    def show_state(self, state: CineState | None) -> None:
        """Show every frame's status; rows that did not change are not touched."""
        count = state.n_frames if state is not None else 0
        while self.count() > count:
            self.takeItem(self.count() - 1)
        while self.count() < count:
            self.addItem(QListWidgetItem())
        if state is not None:
            for t in range(count):
                self.show_row(state, t)
        self.setFixedHeight(min(max(count, 1), 5) * self.painter.height + 8)

    def show_frame(self, t: int | None) -> None:
        """Select the row of the frame that the viewer shows; none when it shows none."""
        if t is None:
            self.setCurrentRow(-1)
        elif 0 <= t < self.count() and self.currentRow() != t:
            self.setCurrentRow(t)
            self.scrollToItem(self.item(t))

    def repaint_rows(self) -> None:
        """Draw every row again (the theme changed)."""
        viewport = self.viewport()
        if viewport is not None:
            viewport.update()

    def words(self, t: int) -> str:
        """What row ``t`` says, as a person reads it."""
        index = self.model().index(t, 0)  # type: ignore[union-attr]
        return " ".join(str(index.data(role)) for role in (_WORDS, _NOTE) if index.data(role))

    def show_row(self, state: CineState, t: int) -> None:
        """Show frame ``t``'s status."""
        item = self.item(t)
        if item is None:
            return
        mark, edited = state.marks[t], state.edited(t)
        words = (
            "saving…"
            if mark.saving
            else WORDS[mark.status] + (" (region)" if mark.region and mark.status == ACCEPTED else "")
        )
        note = "edited" if edited else short(mark.saved)
        facts = ((_STATUS, mark.status), (_WORDS, words), (_NOTE, note), (_EDITED, edited))
        for role, value in facts:
            if item.data(role) != value:
                item.setData(role, value)
                said = f"Frame {t}: {words}" + (f", {note}" if note else "")
                item.setText(said)  # for who cannot see the row that is drawn
                tip(item, said)


class _RowPainter(QStyledItemDelegate):
    """Draws: dot, frame number, status, and at the right the edit mark or the saved revision."""

    height = 22

    def __init__(self, colours: Colours) -> None:
        super().__init__()
        self.colours = colours

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # Qt's name
        """Rows of one height."""
        return QSize(option.rect.width(), self.height)

    def paint(self, painter: Any, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw one row."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(option.rect).adjusted(2, 1, -2, -1)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.colours.control)
            painter.drawRoundedRect(box, 4, 4)
        _draw_dot(painter, QPointF(box.left() + 13, box.center().y()), index.data(_STATUS), self.colours)
        self._draw_words(painter, box, index)
        painter.restore()

    def _draw_words(self, painter: QPainter, box: QRectF, index: QModelIndex) -> None:
        left, middle = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignVCenter
        painter.setPen(self.colours.text)
        painter.drawText(box.adjusted(26, 0, 0, 0), left | middle, str(index.row()))
        painter.drawText(box.adjusted(58, 0, 0, 0), left | middle, index.data(_WORDS) or "")
        edited = bool(index.data(_EDITED))
        font = QFont(painter.font())
        font.setItalic(edited)
        painter.setFont(font)
        painter.setPen(self.colours.warn if edited else self.colours.faint)
        note = ("✎ " if edited else "") + (index.data(_NOTE) or "")
        painter.drawText(box.adjusted(0, 0, -8, 0), Qt.AlignmentFlag.AlignRight | middle, note)


def _draw_dot(painter: QPainter, centre: QPointF, status: str, colours: Colours) -> None:
    """A ring, a filled disc, a tick, a bar or a cross: the shape alone tells the status."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if status == PROPOSED:
        painter.setBrush(colours.accent)
        painter.drawEllipse(centre, 4.5, 4.5)
    elif status == ACCEPTED:
        painter.setBrush(colours.good)
        painter.drawEllipse(centre, 7, 7)
        _stroke(painter, colours.background, [(-3.2, 0.2), (-0.8, 2.7), (3.4, -2.5)], centre)
    elif status == NO_VESSEL:
        painter.setBrush(colours.good)
        painter.drawRoundedRect(QRectF(centre.x() - 6.5, centre.y() - 6.5, 13, 13), 3, 3)
        _stroke(painter, colours.background, [(-3.5, 0), (3.5, 0)], centre)
    elif status == NOT_EVALUABLE:
        _stroke(painter, colours.bad, [(-4.5, -4.5), (4.5, 4.5)], centre)
        _stroke(painter, colours.bad, [(-4.5, 4.5), (4.5, -4.5)], centre)
    else:
        painter.setPen(QPen(colours.faint, 1.4))
        painter.drawEllipse(centre, 4.5, 4.5)


def _stroke(painter: QPainter, colour: QColor, points: list[tuple[float, float]], centre: QPointF) -> None:
    painter.setPen(QPen(colour, 1.9))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolyline(QPolygonF([QPointF(centre.x() + x, centre.y() + y) for x, y in points]))
    painter.setPen(Qt.PenStyle.NoPen)
