"""Keys of the Correct section, on our own Labels layers and, while the dock is open, on the viewer.

A accept, N next, comma and full stop step.
"""

from __future__ import annotations

from collections.abc import Callable

from napari.layers import Labels

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
