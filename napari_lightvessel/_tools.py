"""The tools on our Labels layer: which one is active, and a Fill that takes a vessel away and closes a gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from napari.layers import Labels
from scipy import ndimage

from napari_lightvessel._marks import UNSURE, VESSEL, is_vessel
from src_training.errors import LightVesselError

PAN, PAINT, ERASE, FILL, UNSURE_PAINT = "pan_zoom", "paint", "erase", "fill", "unsure"

_LARGEST_FILL = 1 / 3  # of the frame: a gap that large is the outside of the vessels
_TOUCHING = np.ones((3, 3), bool)  # a thin vessel hangs together by its corners


def take(layer: Labels, tool: str) -> None:
    """Make one of the tools active on this layer, with the label that it paints with."""
    layer.selected_label = UNSURE if tool == UNSURE_PAINT else VESSEL
    layer.mode = PAINT if tool == UNSURE_PAINT else tool


def active_tool(layer: Labels) -> str:
    """The tool that a press on the canvas uses now, whoever chose it; empty for one that the dock does not have."""
    mode, label = str(layer.mode), int(layer.selected_label)
    if mode == PAINT:
        return {VESSEL: PAINT, UNSURE: UNSURE_PAINT, 0: ERASE}.get(label, "")
    return mode if mode in (PAN, ERASE, FILL) else ""


def equip(layer: Labels, fill: Callable[[tuple[int, ...]], None]) -> None:
    """Let Fill on this layer ask ``fill`` with the pixel that was pressed, and Paint begin with a label of ours."""

    def press(pressed: Labels, event: Any) -> Iterator[None]:
        if tuple(event.dims_displayed)[-2:] == tuple(range(pressed.ndim))[-2:] and pressed.editable:
            place = np.rint(pressed.world_to_data(event.position)).astype(int)
            if all(0 <= at < size for at, size in zip(place, pressed.data.shape, strict=True)):
                fill(tuple(place.tolist()))
        yield  # until the button is let go: a drag fills no further

    def begin(_event: object) -> None:
        if str(layer.mode) == PAINT and layer.selected_label not in (VESSEL, UNSURE):
            layer.selected_label = VESSEL

    modes = layer._drag_modes
    layer._drag_modes = {**modes, layer._modeclass.FILL: press}  # type: ignore[misc]
    layer.events.mode.connect(begin)


def filled(labels: np.ndarray, at: tuple[int, int]) -> np.ndarray:
    """Labels (Y, X) after a press at (row, column): a piece of vessel is gone, or a gap is vessel.

    Raises
    ------
    LightVesselError
        What would be filled is no gap: it is more than a third of the frame.
    """
    vessel = is_vessel(labels)
    if vessel[at]:
        return np.where(_piece(vessel, at, _TOUCHING), 0, labels).astype(labels.dtype)
    gap = _piece(labels == labels[at], at, None)
    if gap.mean() > _LARGEST_FILL:
        raise LightVesselError(
            f"Not filled: that would make {gap.mean():.0%} of the frame vessel. Close the outline first, or paint."
        )
    return np.where(gap, VESSEL, labels).astype(labels.dtype)


def _piece(same: np.ndarray, at: tuple[int, int], structure: np.ndarray | None) -> np.ndarray:
    pieces, _ = ndimage.label(same, structure)
    return pieces == pieces[at]
