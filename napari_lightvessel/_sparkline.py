"""The wash-in curve: vessel area of each frame as bars; a click jumps to the frame."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QRectF, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_lightvessel._style import Colours
from napari_lightvessel._texts import tip


class Sparkline(QWidget):
    """Bars of ``values`` (NaN: not measured), the shown frame marked, the peak named by its owner."""

    frame_clicked = Signal(int)

    def __init__(self, colours: Colours) -> None:
        super().__init__()
        self.colours = colours
        self.values = np.zeros(0)
        self.current: int | None = 0
        self.setFixedHeight(34)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        tip(self, "Vessel area of each frame. Click or use the arrow keys to go there.")
        self.setAccessibleName("Vessel area of each frame")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def show_values(self, values: np.ndarray) -> None:
        """Take new values, one per frame."""
        self.values = np.array(values, float)
        self.update()

    def show_frame(self, t: int | None) -> None:
        """Mark the frame that the viewer shows; None when it shows none."""
        self.current = t
        self.update()

    def peak(self) -> int | None:
        """The frame with the largest area; None before anything was measured."""
        if not self.values.size or np.all(np.isnan(self.values)) or np.nanmax(self.values) <= 0:
            return None
        return int(np.nanargmax(self.values))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # Qt's name
        """Jump to the frame under the pointer."""
        if event is not None and self.values.size:
            share = event.pos().x() / max(1, self.width())
            self.frame_clicked.emit(int(np.clip(share * self.values.size, 0, self.values.size - 1)))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # Qt's name
        """Left and right step through the frames, Home and End go to the first and the last."""
        last, here = self.values.size - 1, -1 if self.current is None else self.current
        goals: dict[int, int] = {
            Qt.Key.Key_Left: here - 1,
            Qt.Key.Key_Right: here + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        goal = goals.get(event.key()) if event is not None else None
        if goal is None:
            super().keyPressEvent(event)
        elif 0 <= goal <= last:
            self.frame_clicked.emit(goal)

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # Qt's name
        """Draw the bars."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        count, peak = self.values.size, self.peak()
        top = float(np.nanmax(self.values)) if peak is not None else 1.0
        step = self.width() / max(1, count)
        for t in range(count):
            share = self.values[t] / top if np.isfinite(self.values[t]) else 0.0
            self._bar(painter, t, step, float(share), t == peak)
        if self.hasFocus():
            painter.setPen(QPen(self.colours.accent, 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _bar(self, painter: QPainter, t: int, step: float, share: float, peak: bool) -> None:
        room = self.height() - 6
        height = max(2.0, share * room)
        gap = 1.0 if step > 3 else 0.0
        painter.setBrush(self._colour(t, peak))
        box = QRectF(t * step + gap / 2, room - height, max(1.0, step - gap), height)
        painter.drawRoundedRect(box, 1.5, 1.5)
        if t == self.current:
            painter.setBrush(self.colours.text)
            painter.drawRoundedRect(QRectF(t * step + gap / 2, room + 2, max(2.0, step - gap), 3), 1.5, 1.5)

    def _colour(self, t: int, peak: bool) -> QColor:
        if t == self.current or peak:
            return self.colours.accent
        return self.colours.border
