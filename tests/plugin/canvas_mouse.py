"""A mouse on the real canvas: presses and strokes at pixels of a layer, as Qt delivers them."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest


def show(viewer: Any, qtbot: Any) -> None:
    """Bring the window onto the screen, with the whole frame on its canvas."""
    with qtbot.waitExposed(viewer.window._qt_window):
        viewer.window._qt_window.show()
    viewer.reset_view()
    qtbot.wait(50)


def press(viewer: Any, row: float, column: float) -> None:
    """Press and let go the left button on a pixel (world units of the last two axes)."""
    QTest.mouseClick(_canvas(viewer), Qt.MouseButton.LeftButton, pos=_at(viewer, row, column))


def stroke(viewer: Any, *places: tuple[float, float]) -> None:
    """Drag with the left button through pixels."""
    canvas, points = _canvas(viewer), [_at(viewer, *place) for place in places]
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=points[0])
    for point in points[1:]:
        _move(canvas, point)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=points[-1])


def _move(canvas: Any, point: QPoint) -> None:
    """As `QTest.mouseMove`, with the button held, which that one forgets."""
    from qtpy.QtCore import QEvent, QPointF
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    button = Qt.MouseButton.LeftButton
    where, on_screen = QPointF(point), QPointF(canvas.mapToGlobal(point))
    event = QMouseEvent(
        QEvent.Type.MouseMove, where, on_screen, button, button, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(canvas, event)


def _canvas(viewer: Any) -> Any:
    return viewer.window._qt_viewer.canvas.native


def _at(viewer: Any, row: float, column: float) -> QPoint:
    canvas, camera = _canvas(viewer), viewer.scene.camera
    middle_row, middle_column = camera.center[-2:]
    x = canvas.width() / 2 + (column - middle_column) * camera.zoom
    y = canvas.height() / 2 + (row - middle_row) * camera.zoom
    return QPoint(round(x), round(y))
