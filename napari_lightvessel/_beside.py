"""Frames beside one another in the canvas: as accepted, as the live model and as a candidate drew them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from napari.layers import Image, Labels, Layer, Points
from napari.utils.colormaps import DirectLabelColormap

from napari_lightvessel._layers import AXES, UNSURE_COLOUR, VESSEL_COLOUR, no_cine
from napari_lightvessel._marks import IGNORE, UNSURE, VESSEL, count_words
from napari_lightvessel._texts import for_napari
from src_training.losing import Drawn, LosingFrame

_MISSED, _TOO_MUCH = 3, 4
MISSED_COLOUR, TOO_MUCH_COLOUR = "#2fb7ff", "#ff4fd8"
_GAP = 0.03  # of a frame's width, between two panels
_CAPTION = 0.05  # of a frame's width, above it
_DARKEST, _BRIGHTEST = 1, 99  # percentiles: every frame is shown in its own window


@dataclass(frozen=True)
class Sheet:
    """Losing frames laid out in three panels of (T, Y, X); smaller frames are padded at right and below.

    ``frames`` uint8 (T, Y, 3 X and two gaps); ``accepted``, ``live`` and ``candidate`` uint8 labels (T, Y, X).
    """

    names: tuple[str, ...]
    frames: np.ndarray
    accepted: np.ndarray
    live: np.ndarray
    candidate: np.ndarray
    dice: tuple[tuple[float, float], ...]  # the live model's and the candidate's

    @property
    def step(self) -> int:
        """From the left edge of a panel to that of the next, in pixels."""
        return (self.frames.shape[2] + _gap(self.accepted.shape[2])) // 3


def lay_out(found: Sequence[LosingFrame]) -> Sheet:
    """Put the frames into panels; takes a moment, and no Qt."""
    height, width = (max(one.frame.shape[axis] for one in found) for axis in (0, 1))
    step = width + _gap(width)
    frames = np.zeros((len(found), height, 2 * step + width), np.uint8)
    accepted, live, candidate = np.zeros((3, len(found), height, width), np.uint8)
    for t, one in enumerate(found):
        rows, columns = one.frame.shape
        shown = _windowed(one.frame)
        for panel in range(3):
            frames[t, :rows, panel * step : panel * step + columns] = shown
        here = (t, slice(rows), slice(columns))
        accepted[here] = np.where(one.accepted == IGNORE, UNSURE, one.accepted)
        live[here] = _against(one.live, one.accepted)
        candidate[here] = _against(one.candidate, one.accepted)
    names, dice = zip(*((one.name, (one.live.dice, one.candidate.dice)) for one in found), strict=True)
    return Sheet(names, frames, accepted, live, candidate, dice)


def sheet_layers(sheet: Sheet, current: str, candidate: str) -> list[Layer]:
    """The layers that show a sheet: the frames, three Labels beside one another, and what each panel is."""
    title = for_napari(sheet.names[0]) if len(sheet.names) == 1 else count_words(len(sheet.names))
    image = Image(
        sheet.frames,
        name=title,
        contrast_limits=(0, 255),
        colormap="gray",
        metadata=no_cine(),
        axis_labels=AXES,
    )
    panels = (
        ("accepted", sheet.accepted),
        (for_napari(f"live {current}"), sheet.live),
        (for_napari(f"candidate {candidate}"), sheet.candidate),
    )
    labels = [
        _panel(data, f"{title} · {name}", place * sheet.step) for place, (name, data) in enumerate(panels)
    ]
    return [image, *labels, _captions(sheet, f"{title} · captions")]


def _panel(data: np.ndarray, name: str, left: int) -> Labels:
    layer = Labels(
        data, name=name, opacity=0.6, colormap=_colours(), axis_labels=AXES, translate=(0, 0, left)
    )
    layer.editable = False
    return layer


def _captions(sheet: Sheet, name: str) -> Points:
    """Text above each panel; the points themselves are not seen."""
    frames = range(len(sheet.names))
    corners = [(t, -sheet.step * _CAPTION, place * sheet.step) for t in frames for place in range(3)]
    words = [
        word
        for live, candidate in sheet.dice
        for word in ("accepted", f"live: Dice {live:.3f}", f"candidate: Dice {candidate:.3f}")
    ]
    return Points(
        corners,
        name=name,
        features={"caption": words},
        text={"string": "{caption}", "anchor": "lower_left", "size": 9, "color": "white"},
        size=1,
        face_color="transparent",
        border_color="transparent",
        axis_labels=AXES,
    )


def _against(drawn: Drawn, accepted: np.ndarray) -> np.ndarray:
    """A model's mask as labels: what is right, missed, too much, and where nobody can say."""
    mask, vessel = drawn.mask != 0, accepted == VESSEL
    labels = np.select([mask & vessel, vessel, mask], [VESSEL, _MISSED, _TOO_MUCH], 0).astype(np.uint8)
    labels[mask & (accepted == IGNORE)] = UNSURE
    return labels


def _windowed(frame: np.ndarray) -> np.ndarray:
    low, high = np.nanpercentile(frame, [_DARKEST, _BRIGHTEST])
    share = (np.nan_to_num(frame.astype(np.float32), nan=low) - low) / max(high - low, 1e-6)
    return (np.clip(share, 0, 1) * 255).astype(np.uint8)


def _gap(width: int) -> int:
    return max(4, round(_GAP * width))


def _colours() -> DirectLabelColormap:
    return DirectLabelColormap(
        color_dict={
            0: "transparent",
            VESSEL: VESSEL_COLOUR,
            UNSURE: UNSURE_COLOUR,
            _MISSED: MISSED_COLOUR,
            _TOO_MUCH: TOO_MUCH_COLOUR,
            None: "transparent",
        }
    )
