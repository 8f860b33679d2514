"""Masks as polygons from which `filling` makes them again, to the pixel: a pixel is inside when its centre is.

Coordinates are COCO's: x, y from the image's upper left corner, so that the centre of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from skimage.measure import find_contours, label, regionprops

Polygon = NDArray[np.float64]  # (N, 2) of x, y


def polygons_of(mask: NDArray[np.bool_]) -> list[Polygon]:
    """One polygon for every connected piece of a mask (Y, X); a hole is cut open by a seam of no width."""
    found = []
    for piece in regionprops(label(mask, connectivity=1)):
        top, left = piece.bbox[:2]
        # Contours at 0.5 pass half-way between the centres of neighbours: every centre keeps its side.
        rings = find_contours(np.pad(piece.image.astype(np.float32), 1), 0.5)
        rings.sort(key=_area, reverse=True)
        ring = _joined([one[:-1] for one in rings])
        found.append(ring[:, ::-1] + (left - 0.5, top - 0.5))
    return found


def _joined(rings: list[NDArray]) -> NDArray:
    """The outer ring with its holes, the nearest first, joined by seams: none of them crosses another hole."""
    path, holes = rings[0], rings[1:]
    while holes:
        tree = cKDTree(path)
        near = [tree.query(hole) for hole in holes]
        chosen = min(range(len(holes)), key=lambda index: near[index][0].min())
        distances, places = near[chosen]
        start = int(distances.argmin())
        hole = np.roll(holes.pop(chosen), -start, axis=0)
        at = int(places[start])
        path = np.concatenate([path[: at + 1], hole, hole[:1], path[at:]])
    return path


def _area(ring: NDArray) -> float:
    y, x = ring[:-1].T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2
