"""Keys of the Correct section, on our own Labels layers and, while the dock is open, on the viewer.

A accept, N next, comma and full stop step.
"""

from __future__ import annotations

from collections.abc import Callable

from napari.layers import Labels
from napari.qt import QtViewer
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_lightvessel._session import Session


def bind_keys(
    layer: Labels,
    *,
    allowed: Callable[[Labels], bool],
    accept: Callable[[], None],
    go_next: Callable[[], None],
    step: Callable[[int], None],
) -> None:
    """Bind the keys on this layer; no other layer, and nothing of napari's own, is touched.

    ``allowed`` is asked with the layer at every press: a key acts on the cine of its layer or not at all.
    """
    acts = {"A": accept, "N": go_next, ",": lambda: step(-1), ".": lambda: step(1)}
    for key, act in acts.items():
        layer.bind_key(key, lambda pressed, act=act: allowed(pressed) and act(), overwrite=True)


class ViewerKeys:
    """The same keys while another layer is selected: they step through the cine, and accept or say why not.

    A layer's own keys go first, and so do those that the user bound on the viewer.
    """

    def __init__(
        self,
        session: Session,
        *,
        accept: Callable[[], None],
        go_next: Callable[[], None],
        step: Callable[[int], None],
        tell: Callable[[str], None],
    ) -> None:
        self.session = session
        self._accept, self._tell = accept, tell
        self._bound: list[str] = []
        acts = {"A": self._press_accept, "N": go_next, ",": lambda: step(-1), ".": lambda: step(1)}
        for key, act in acts.items():
            self._bind(key, act)

    def close(self) -> None:
        """Give the keys back."""
        for key in self._bound:
            self.session.viewer.bind_key(key, None)
        self._bound = []

    def _bind(self, key: str, act: Callable[[], None]) -> None:
        try:
            self.session.viewer.bind_key(key, lambda _viewer: act())
        except ValueError:  # the user's own
            return
        self._bound.append(key)

    def _press_accept(self) -> None:
        state, active = self.session.state, self.session.viewer.layers.selection.active
        if state is None or active is state.image:
            self._accept()
            return
        other = f"{active.name} is" if active is not None else "no single layer is"
        self._tell(
            f"Nothing was accepted: {other} selected. Select {state.image.name} in the layer list for A."
        )


class KeysOfNapari(QObject):
    """The keys that are down and whose press came to napari: it is owed their release, and no other.

    It gets it at once when the canvas loses the focus: a button that has it then would swallow a space that comes up.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._down: set[int] = set()
        window.installEventFilter(self)
        viewer = window.findChild(QtViewer)
        if viewer is not None:
            viewer.canvas.native.installEventFilter(self)

    def holds(self, key: int) -> bool:
        """Whether napari was told that this key went down, and not yet that it came up."""
        return key in self._down

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # Qt's name
        """Note a key as it comes to the canvas or, from a control that does not want it, to the window."""
        if isinstance(event, QKeyEvent) and not event.isAutoRepeat():
            if event.type() == QEvent.Type.KeyPress:
                self._down.add(event.key())
            elif event.type() == QEvent.Type.KeyRelease:
                self._down.discard(event.key())
        elif event is not None and event.type() == QEvent.Type.FocusOut:
            for key in tuple(self._down):
                come_up = QKeyEvent(QEvent.Type.KeyRelease, key, Qt.KeyboardModifier.NoModifier)
                QApplication.sendEvent(watched, come_up)
        elif event is not None and event.type() == QEvent.Type.WindowDeactivate:
            self._down.clear()  # they come up in another window
        return False
