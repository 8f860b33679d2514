"""Keys of the Correct section, bound on our own Labels layers only: A accept, N next, comma and full stop step."""

from __future__ import annotations

from collections.abc import Callable

from napari.layers import Labels


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
