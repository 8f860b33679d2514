"""What the canvas shows: one cine at a time, so that canvas and dock can never speak of two patients."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_lightvessel import _layers

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_lightvessel._cine_state import CineState

_FILL = 0.95  # of the canvas, as napari does


def layers_of(viewer: ViewerModel, state: CineState) -> list[Layer]:
    """The layers of this cine that are in the viewer: image and vessels, whichever are there."""
    mask = state.mask.layer if state.mask is not None else None
    mine = [mask] if state.outdated else [state.image, mask]
    return [layer for layer in viewer.layers if any(layer is one for one in mine)]


def strangers(viewer: ViewerModel, state: CineState | None) -> list[Layer]:
    """Layers of other cines, images and masks, of which the canvas shows pixels now."""
    mine = layers_of(viewer, state) if state is not None else []
    return [
        layer
        for layer in viewer.layers
        if _layers.is_seen(layer)
        and _layers.is_of_a_cine(layer)
        and not any(layer is one for one in mine)
        and has_pixels(viewer, layer)
    ]


def what_shows_it(layer: Layer) -> tuple[Any, ...]:
    """The events after which a person sees more or less of a layer."""
    events = layer.events
    shown_labels = (events.show_selected_label, events.selected_label) if isinstance(layer, Labels) else ()
    return (events.visible, events.opacity, *shown_labels)


def has_pixels(viewer: ViewerModel, layer: Layer) -> bool:
    """Whether the slider stands inside the layer: beside its frames napari shows nothing of it."""
    hidden = [axis for axis in viewer.dims.not_displayed if axis >= viewer.dims.ndim - layer.ndim]
    if not hidden:
        return True
    place = np.round(layer.world_to_data(viewer.dims.point[-layer.ndim :]))
    first, last = layer.extent.data
    axes = [axis - viewer.dims.ndim + layer.ndim for axis in hidden]
    return all(first[axis] <= place[axis] <= last[axis] for axis in axes)


def refusal(viewer: ViewerModel, state: CineState) -> str:
    """Why the canvas is not this cine alone, and what to do about it; empty when it is."""
    name, own = state.image.name, state.layer_in(viewer)
    others = strangers(viewer, state)
    if others:
        how = f"together with {name}" if _layers.is_seen(own) else f"instead of {name}"
        return (
            f"{others[-1].name} is in view {how}. Nothing is segmented or saved until one of them is in view "
            "alone: select the one you mean in the layer list."
        )
    if not _layers.is_seen(own):
        return f"{name} is hidden. Nothing is segmented or saved until it is in view again."
    return ""


def show_only(viewer: ViewerModel, keep: Collection[Layer]) -> None:
    """Hide every other cine's layers, and show these."""
    for layer in viewer.layers:
        if any(layer is one for one in keep):
            layer.visible, layer.opacity = True, layer.opacity or 1.0
        elif _layers.is_of_a_cine(layer):
            layer.visible = False


def footprint(viewer: ViewerModel, layer: Layer) -> tuple[float, ...]:
    """Where a layer lies in the 2D view, in world units: first and last row, first and last column."""
    world = layer.extent.world
    axes = [axis - viewer.dims.ndim for axis in viewer.dims.displayed[-2:]]
    return tuple(round(float(end), 3) for axis in axes if -axis <= layer.ndim for end in world[:, axis])


def fit(viewer: ViewerModel, layer: Layer) -> None:
    """Let a layer fill the 2D view; napari's own way fails for an image among stacks of more dimensions."""
    place = np.reshape(footprint(viewer, layer), (-1, 2))
    size = np.maximum(place[:, 1] - place[:, 0], 1e-6)
    viewer.scene.camera.center = tuple(place.mean(axis=1).tolist())
    viewer.scene.camera.zoom = _FILL * float(np.min(viewer.canvas.viewbox_size(viewer.layers) / size))
