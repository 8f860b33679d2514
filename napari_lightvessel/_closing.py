"""The one modal question: closing napari over edited frames that were not accepted."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_lightvessel._session import Session


class AskBeforeClosing(QObject):
    """Watches the viewer's window; a close by a person is held while work would be lost."""

    def __init__(
        self, session: Session, window: QWidget, ask: Callable[[QWidget, str], bool] | None = None
    ) -> None:
        super().__init__(window)
        self._session, self._window, self._ask = session, window, ask or _ask
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # Qt's name
        """Swallow a close that the person takes back."""
        if event is None or watched is not self._window or event.type() != QEvent.Type.Close:
            return False
        if not event.spontaneous() or self.may_close():
            return False
        event.ignore()
        return True

    def may_close(self) -> bool:
        """True when nothing would be lost, or the person says so."""
        unsaved = self._session.unsaved() if self._session.is_open else []
        return not unsaved or self._ask(self._window, unsaved_words(unsaved))


def unsaved_words(unsaved: list) -> str:
    """What would be lost, cine by cine."""
    lines = [f"{state.image.name}: frame {', '.join(map(str, frames[:12]))}" for state, frames in unsaved]
    return "These edited frames are not accepted and would be lost:\n\n" + "\n".join(lines)


def _ask(window: QWidget, words: str) -> bool:
    box = QMessageBox(window)
    box.setWindowTitle("LightVessel")
    box.setText(words)
    stay = box.addButton("Keep working", QMessageBox.ButtonRole.RejectRole)
    close = box.addButton("Close anyway", QMessageBox.ButtonRole.DestructiveRole)
    box.setDefaultButton(stay)
    box.exec()
    return box.clickedButton() is close
