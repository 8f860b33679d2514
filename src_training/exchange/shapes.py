"""Shapes of other programs become a mask here, within an effort that no file can exceed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training.errors import BadMask, printable
from src_training.exchange.filling import extent_of, fill

LARGEST_SIDE = 8192
# Of the shapes of one image, seconds in all: 2,000 of them over a whole frame of 512x512.
_MOST_EFFORT = 1 << 29  # pixels
_A_LINE = 128  # pixels that take as long as an edge on one line of the image, or as one run length
_A_SHAPE = 1 << 15  # pixels that take as long as the smallest polygon
_FARTHEST = 1e6  # of a polygon's points, in pixels


class Canvas:
    """A mask (Y, X) that shapes are drawn on one after the other; ``name`` is what messages call it."""

    def __init__(self, name: str, shape: tuple[int, int]) -> None:
        self.mask = np.zeros(shape, np.uint8)
        self._name, self._left = name, _MOST_EFFORT

    def polygon(self, numbers: Any, value: int) -> None:
        """Fill x, y, x, y… in COCO's coordinates; ValueError or TypeError for what is none, BadMask for too much."""
        polygon = points_of(numbers)
        pixels, lines = extent_of(polygon, self.mask.shape)
        self._spend(_A_SHAPE + pixels + _A_LINE * lines)
        fill(self.mask, polygon, value)

    def ellipse(
        self,
        centre: Sequence[float],
        radii: Sequence[float],
        value: int,
        turn: NDArray[np.float64] | None = None,
    ) -> None:
        """Fill what lies in an ellipse, centre and radii as (x, y); ``turn`` (2, 2) turned it, as rows of (x, y)."""
        (x, y), (rx, ry) = map(float, centre), map(float, radii)
        if not (np.isfinite([x, y, rx, ry]).all() and 0 < rx < _FARTHEST and 0 < ry < _FARTHEST):
            raise ValueError("an ellipse without a size")
        self._spend(_A_SHAPE + self.mask.size)
        rows, columns = (np.arange(side) + 0.5 for side in self.mask.shape)
        down, right = rows[:, None] - y, columns - x
        if turn is not None:
            (xx, xy), (yx, yy) = turn
            right, down = right * xx + down * xy, right * yx + down * yy
        self.mask[(down / ry) ** 2 + (right / rx) ** 2 <= 1] = value

    def pieces(self, count: int) -> None:
        """Account for ``count`` run lengths or the like over the whole image; BadMask when that is too much."""
        self._spend(_A_SHAPE + self.mask.size + _A_LINE * count)

    def patch(self, inside: NDArray[np.bool_], top: int, left: int, value: int) -> None:
        """Set the pixels ``inside`` a small mask whose first pixel is (``top``, ``left``); what reaches out is cut."""
        self._spend(_A_SHAPE + inside.size)
        rows, columns = self.mask.shape
        cut = inside[max(0, -top) : max(0, rows - top), max(0, -left) : max(0, columns - left)]
        top, left = max(0, top), max(0, left)
        self.mask[top : top + cut.shape[0], left : left + cut.shape[1]][cut] = value

    def _spend(self, effort: int) -> None:
        if effort > self._left:
            raise BadMask(
                f"{self._name}: its annotations are more, or have more points, than any angiogram needs. "
                "Export one annotation for each vessel, with fewer points."
            )
        self._left -= effort


def points_of(numbers: Any) -> NDArray[np.float64]:
    """(N, 2) of x, y from numbers in turn or in pairs; ValueError or TypeError for what is no polygon."""
    points = np.asarray(numbers, np.float64).reshape(-1, 2)
    if len(points) < 3 or not np.isfinite(points).all():
        raise ValueError("a polygon needs three finite points")
    if np.abs(points).max() > _FARTHEST:
        raise ValueError("a point lies far outside of any image")
    return points


def size_of(height: Any, width: Any) -> tuple[int, int]:
    """(Y, X) as a file announces it; ValueError or TypeError for what no image has."""
    rows, columns = int(height), int(width)
    if not (0 < rows <= LARGEST_SIDE and 0 < columns <= LARGEST_SIDE):
        raise ValueError(f"an image of {rows}x{columns}")
    return rows, columns


def unreadable_shape(name: str, error: Exception) -> BadMask:
    """The line for a shape that is none."""
    return BadMask(
        printable(f"{name}: a segmentation cannot be read ({str(error)[:120]}). Export it as polygons.")
    )
