"""Keys of the Correct section, bound on our own Labels layers only: A accept, N next, comma and full stop step."""

from __future__ import annotations

from collections.abc import Callable

from napari.layers import Labels


def bind_keys(
    layer: Labels,
    *,
    accept: Callable[[], None],
    go_next: Callable[[], None],
    step: Callable[[int], None],
) -> None:
    """Bind the keys on this layer; no other layer, and nothing of napari's own, is touched."""
    layer.bind_key("A", lambda _layer: accept(), overwrite=True)
    layer.bind_key("N", lambda _layer: go_next(), overwrite=True)
    layer.bind_key(",", lambda _layer: step(-1), overwrite=True)
    layer.bind_key(".", lambda _layer: step(1), overwrite=True)
