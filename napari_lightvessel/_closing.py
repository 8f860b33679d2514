"""The one modal question: closing napari over edited frames that were not accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.qt import QtViewer
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_lightvessel._session import Session
from napari_lightvessel._texts import question_box


class AskBeforeClosing(QObject):
    """Watches the viewer's window; a close by a person is held while work would be lost.

    A person closes a window that shows its canvas: by its frame, by File > Close Window or by File > Exit.
    ``viewer.close()`` of a script or of napari itself has emptied and hidden the canvas by then, and could
    not be taken back: nothing is asked.
    """

    def __init__(
        self, session: Session, window: QWidget, ask: Callable[[QWidget, list[str]], bool] | None = None
    ) -> None:
        super().__init__(window)
        self._session, self._ask = session, ask or _ask
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # Qt's name
        """Swallow a close that the person takes back."""
        if event is None or watched is not self._window() or event.type() != QEvent.Type.Close:
            return False
        if not _shows_canvas(self._window()) or self.may_close():
            return False
        # napari's own note that File > Exit was chosen: it was taken back
        self._window()._quit_app = False
        event.ignore()
        return True

    def may_close(self) -> bool:
        """True when nothing would be lost, or the person says so."""
        unsaved = self._session.unsaved() if self._session.is_open else []
        if not unsaved:
            return True
        if not self._ask(self._window(), unsaved_words(unsaved)):
            return False
        self._session.edits_let_go.emit()
        return True

    def _window(self) -> Any:
        return self.parent()  # not an attribute: that would keep a closed window alive


def _shows_canvas(window: QWidget) -> bool:
    canvas = window.findChild(QtViewer)
    return canvas is not None and not canvas.isHidden()


def unsaved_words(unsaved: list) -> list[str]:
    """What would be lost, cine by cine."""
    lines = [f"{state.image.name}: frame {', '.join(map(str, frames[:12]))}" for state, frames in unsaved]
    return ["These edited frames are not accepted and would be lost:", "", *lines]


def _ask(window: QWidget, words: list[str]) -> bool:
    box = question_box(window, words)
    stay = box.addButton("Keep working", QMessageBox.ButtonRole.RejectRole)
    close = box.addButton("Close anyway", QMessageBox.ButtonRole.DestructiveRole)
    box.setDefaultButton(stay)
    box.exec()
    return box.clickedButton() is close
