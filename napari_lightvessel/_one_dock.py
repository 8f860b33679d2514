"""One dock in a window: a second would have a workspace of its own, and share keys and layers with the first."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from weakref import WeakSet

from qtpy.QtCore import QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QVBoxLayout, QWidget

from napari_lightvessel._texts import Label

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_lightvessel._dock import LightVesselWidget

_docks: WeakSet[LightVesselWidget] = WeakSet()


def enter(dock: LightVesselWidget) -> None:
    """This dock works in its viewer from now on."""
    _docks.add(dock)


def dock_of(viewer: ViewerModel) -> LightVesselWidget | None:
    """The dock that works in this viewer's window, if there is one; one that napari took out of it works no more."""
    for dock in list(_docks):
        if dock.viewer is not viewer or not dock.session.is_open:
            continue
        with contextlib.suppress(RuntimeError):  # Qt has deleted it
            if dock.parentWidget() is not None:
                return dock
        if dock.was_shown:
            dock.close_session()
    return None


class AlreadyOpen(QWidget):
    """Stands in for a second dock: napari makes one where the first was opened in another way than this time.

    As soon as it is shown it brings the first one to sight, and goes.
    """

    def __init__(self, first: LightVesselWidget) -> None:
        super().__init__()
        self._first: LightVesselWidget | None = first
        QVBoxLayout(self).addWidget(Label("LightVessel is open in this window."))

    def showEvent(self, event: QShowEvent | None) -> None:  # Qt's name
        """Hand over, once napari has put this into its window."""
        super().showEvent(event)
        QTimer.singleShot(0, self._hand_over)

    def _hand_over(self) -> None:
        first, self._first = self._first, None
        holder, own = first.parentWidget() if first is not None else None, self.parentWidget()
        if first is None or not isinstance(own, QDockWidget):
            return
        if isinstance(holder, QDockWidget):
            holder.show()
            holder.raise_()
        first.viewer.window.remove_dock_widget(own)  # type: ignore[attr-defined]
        self.deleteLater()
