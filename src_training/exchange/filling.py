"""Polygons filled line by line inside their own box: the effort follows their edges, never the whole image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_VERTEX = 1e-12  # a centre this near to a point of a polygon lies on it, as skimage has it
_CROSSINGS = 1 << 20  # of edges and lines, held at once


def fill(mask: NDArray, polygon: NDArray[np.float64], value: int) -> None:
    """Give every pixel of ``mask`` (Y, X) this value whose centre lies in ``polygon`` or on its edge.

    ``polygon`` (N, 2) holds x, y from the image's upper left corner. The result is that of
    ``skimage.draw.polygon``, to the pixel; where edges cross, the even-odd rule holds.
    """
    top, left, rows, columns = _box(polygon, mask.shape)
    if rows and columns:
        inside = _inside(polygon - 0.5, top, left, (rows, columns))
        mask[top : top + rows, left : left + columns][inside] = value


def extent_of(polygon: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[int, int]:
    """What filling a polygon takes: the pixels of its box in an image (Y, X), and the lines that its edges cross.

    Every edge counts as one line at least.
    """
    _top, _left, rows, columns = _box(polygon, shape)
    first, behind = _lines(*_edges(polygon - 0.5)[1::2], 0, shape[0])
    return rows * columns, int(np.maximum(behind - first, 1).sum())


def _box(polygon: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """First row and column, and how many of both, of the part of an image (Y, X) that a polygon can reach."""
    first = np.clip(np.floor(polygon.min(0) - 0.5), 0, shape[::-1]).astype(int)
    behind = np.clip(np.ceil(polygon.max(0) - 0.5) + 1, first, shape[::-1]).astype(int)
    (left, top), (columns, rows) = first.tolist(), (behind - first).tolist()
    return top, left, rows, columns


def _inside(points: NDArray[np.float64], top: int, left: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which centres of a box (Y, X) have an odd number of edges to their right or to their left.

    Both numbers are told by the edges up to a pixel, as a closed polygon crosses every line an even number of times;
    they differ where the centre lies on an edge.
    """
    rows, columns = shape
    ends = np.zeros((2, rows, columns + 1), np.uint8)  # of edges to the right, and to the left; modulo 256
    for side, row, column in _ends(points, top, rows):
        np.add.at(ends[side], (row, np.clip(column - left, 0, columns).astype(int)), 1)
    np.cumsum(ends, axis=2, dtype=np.uint8, out=ends)
    inside = ((ends[0] | ends[1])[:, :columns] & 1).astype(bool)
    x, y = (_on_centres(points) - (left, top)).T
    reached = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    inside[y[reached], x[reached]] = True
    return inside


def _ends(points: NDArray[np.float64], top: int, rows: int) -> Iterator[tuple[int, NDArray, NDArray]]:
    """Row in the box and column from which on an edge is not to the right of a centre (0), or to its left (1)."""
    x0, y0, x1, y1 = _edges(points)
    first, behind = _lines(y0, y1, top, rows)
    at_once = max(1, _CROSSINGS // rows)
    for start in range(0, len(points), at_once):
        counts = (behind - first)[start : start + at_once]
        edge = np.repeat(np.arange(start, start + len(counts)), counts)
        row = np.arange(len(edge)) + np.repeat(
            first[start : start + at_once] - np.cumsum(counts) + counts, counts
        )
        above, below = y0[edge] - (row + top), y1[edge] - (row + top)
        # A level edge crosses nothing; the others count for a line that they only touch on one side of it.
        for side, crosses in enumerate(((above > 0) != (below > 0), (above < 0) != (below < 0))):
            y, z, e = above[crosses], below[crosses], edge[crosses]
            column = np.rint(_distance(x0[e], x1[e], y, z))
            # Decided at the nearest centre, by the very sum that skimage decides with.
            there = _distance(x0[e] - column, x1[e] - column, y, z)
            yield side, row[crosses], column + ((there >= 0) if side else (there > 0))


def _on_centres(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Those of the points that are centres of pixels."""
    near = np.rint(points)
    return near[(np.abs(points - near) < _VERTEX).all(1)].astype(np.int64)


def _distance(x0: NDArray, x1: NDArray, y0: NDArray, y1: NDArray) -> NDArray[np.float64]:
    """Where the line through two points (x, y) crosses y = 0."""
    return (x0 * y1 - x1 * y0) / (y1 - y0)


def _edges(points: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """x, y of the end and of the start of every edge."""
    before = np.roll(points, 1, axis=0)
    return points[:, 0], points[:, 1], before[:, 0], before[:, 1]


def _lines(y0: NDArray, y1: NDArray, top: int, rows: int) -> tuple[NDArray, NDArray]:
    """The first line, from ``top`` on, that each edge touches, and the one behind the last."""
    first = np.clip(np.ceil(np.minimum(y0, y1)) - top, 0, rows)
    behind = np.clip(np.floor(np.maximum(y0, y1)) - top + 1, first, rows)
    return first.astype(int), behind.astype(int)
