"""A heart that never was, and its arteries as a C-arm would see them.

The heart is half an ellipsoid: h runs from base (0) to apex (1), the angle theta around it from the anterior
groove (0) over the left border to the posterior groove (pi) or over the right one (-pi), depth is 1 on the
surface. Vessels lie there and are projected, so that branches overlap, cross and foreshorten as in a heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src_training.training.drawn_rays import STEP_PX, Tube

Array = NDArray[np.floating]

LONG = 1.7  # length of the heart in units of its basal radius
_AXIS = np.array([0.62, -0.50, -0.60])  # base to apex, in (left, back, up)
_GROOVE = np.array([0.10, -0.75, 0.65])  # from the axis to the anterior groove


@dataclass(frozen=True)
class Artery:
    """A vessel on the heart: path (N, 3) of (theta, h, depth), radii (N,) px, contrast (N,) 0…1, its generation."""

    path: Array
    radii: Array
    contrast: Array
    generation: int
    parent_radius: float = 0.0


def projected(rng: np.random.Generator, arteries: list[Artery], shape: tuple[int, int]) -> list[Tube]:
    """Seen under a random angulation, the main vessels filling 65 to 105 % of the frame (Y, X)."""
    turn = _angulation(rng)
    seen = [in_space(artery.path) @ turn for artery in arteries]
    mains = np.concatenate(
        [points[:, :2] for points, artery in zip(seen, arteries, strict=True) if artery.generation < 2]
    )
    low, high = mains.min(axis=0), mains.max(axis=0)
    size = rng.uniform(0.65, 1.05) * min(shape) / float((high - low).max())
    free = np.maximum(np.array([shape[1], shape[0]]) - size * (high - low), 0)
    corner = free * rng.uniform(0.15, 0.85, 2) - size * low
    scale = max(shape) / 512
    return [_tube(points, artery, size, corner, scale) for points, artery in zip(seen, arteries, strict=True)]


def in_space(path: Array) -> Array:
    """(N, 3) of (theta, h, depth) → (N, 3) of (left, back, up) in basal radii."""
    theta, h, depth = path.T
    axis = _AXIS / np.linalg.norm(_AXIS)
    groove = _GROOVE - (_GROOVE @ axis) * axis
    groove /= np.linalg.norm(groove)
    across = np.cross(groove, axis)
    round_about = np.cos(theta)[:, None] * groove + np.sin(theta)[:, None] * across
    return (depth * basal_radius(h))[:, None] * round_about + (LONG * h)[:, None] * axis


def basal_radius(h: Array | float) -> Array:
    """Radius of the heart at height ``h``, in basal radii."""
    return np.sqrt(np.maximum(1 - np.square(h), 0.03))


def path_length(points: Array) -> float:
    """Of a polyline (N, any)."""
    return float(np.sqrt(np.square(np.diff(points, axis=0)).sum(axis=1)).sum())


def _tube(points: Array, artery: Artery, size: float, corner: Array, scale: float) -> Tube:
    """At one point a pixel; foreshortened pieces are darker, for their path along the beam is longer."""
    rows = np.column_stack([points * size, artery.radii * scale, artery.contrast])
    at = np.linspace(0, len(rows) - 1, max(4, int(path_length(points) * size / STEP_PX)))
    low = np.minimum(at.astype(int), len(rows) - 2)
    rows = rows[low] + (at - low)[:, None] * (rows[low + 1] - rows[low])
    flat, deep, radii = rows[:, :2] + corner, rows[:, 2], rows[:, 3]
    step = np.hypot(*np.gradient(flat, axis=0).T)
    longer = np.hypot(step, np.gradient(deep)) / np.maximum(step, 1e-6)
    # Inside its parent a branch adds nothing; the ostium is round.
    inner = 0.6 * scale * (artery.parent_radius or artery.radii[0])
    own = np.clip((np.hypot(*(flat - flat[0]).T) - inner) / inner, 0, 1)
    return Tube(flat, radii, rows[:, 4] * np.minimum(longer, 2.5) * own)


def _angulation(rng: np.random.Generator) -> Array:
    """(3, 3): (left, back, up) → (image x, image y, along the beam) for LAO/RAO 50 and cranial/caudal 35 degrees."""
    primary, secondary = np.radians(rng.uniform((-50, -35), (50, 35)))
    about_body = np.array(
        [[np.cos(primary), np.sin(primary), 0], [-np.sin(primary), np.cos(primary), 0], [0, 0, 1]]
    )
    nod = np.array(
        [[1, 0, 0], [0, np.cos(secondary), np.sin(secondary)], [0, -np.sin(secondary), np.cos(secondary)]]
    )
    x, deep, up = nod @ about_body
    return np.stack([x, -up, deep], axis=1)
