"""A coronary tree that never was: branching, tapering, tortuous centrelines, and the thickness they project.

Coordinates are (x, y) in units of the frame's shorter side; radii are in pixels of the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter1d

Controls = list[tuple[float, float]]

# Control points of the main vessels in a left and a right view, ostium first: the trunk, then its children.
VIEWS: dict[str, tuple[Controls, list[Controls]]] = {
    "left": (
        [(0.22, 0.19), (0.27, 0.165), (0.33, 0.17)],
        [
            [(0.33, 0.17), (0.47, 0.19), (0.60, 0.31), (0.67, 0.50), (0.73, 0.70), (0.72, 0.88)],
            [(0.33, 0.17), (0.34, 0.26), (0.41, 0.37), (0.47, 0.52), (0.48, 0.68), (0.44, 0.82)],
        ],
    ),
    "right": (
        [(0.54, 0.25), (0.45, 0.20), (0.34, 0.23), (0.27, 0.38)]
        + [(0.27, 0.56), (0.36, 0.68), (0.50, 0.71), (0.57, 0.72)],
        [
            [(0.57, 0.72), (0.64, 0.72), (0.71, 0.67), (0.78, 0.66)],
            [(0.57, 0.72), (0.61, 0.79), (0.68, 0.86), (0.78, 0.90)],
        ],
    ),
}


@dataclass(frozen=True)
class Branch:
    """A centreline of (N, 2) points in pixels, their radii in pixels, and the way the contrast has come."""

    points: np.ndarray
    radii: np.ndarray
    travelled: np.ndarray
    order: int


@dataclass(frozen=True)
class Lumen:
    """What the tree projects: (Y, X) thickness in pixels and the mean way travelled by the contrast there."""

    thickness: np.ndarray
    travelled: np.ndarray
    ostium: tuple[float, float]


def grow_tree(
    rng: np.random.Generator, shape: tuple[int, int], view: str, radius: float, place: np.ndarray
) -> list[Branch]:
    """The trunk, its children (Murray: r³ = r₁³ + r₂³) and their side branches.

    Parameters
    ----------
    radius : float
        Of the trunk, in pixels.
    place : (2, 3) array
        Affine map from the view's coordinates to pixels.
    """
    stem, forks = VIEWS[view]
    trunk = _main(rng, stem, place, radius, 0.0, taper=0.12 if view == "left" else 0.4, order=0)
    branches = [trunk]
    share = rng.uniform(0.42, 0.58)
    for points, part in zip(forks, (share, 1 - share), strict=True):
        start = float(trunk.radii[-1] * part ** (1 / 3))
        branches.append(_main(rng, points, place, start, float(trunk.travelled[-1]), taper=0.62, order=1))
    side = min(shape)
    for parent in list(branches):
        branches += _side_branches(rng, parent, side, radius, depth=0)
    return branches


def project(branches: list[Branch], shape: tuple[int, int]) -> Lumen:
    """Thickness of the lumen along the beam: cylinders, added where vessels cross, joined where they branch."""
    thickness = np.zeros(shape, np.float32)
    weighted = np.zeros(shape, np.float32)
    for branch in branches:
        where, alone, way = _cylinder(branch, shape)
        if alone.size == 0:
            continue
        added = _without_joint(alone, thickness[where], branch, where)
        thickness[where] += added
        weighted[where] += added * way
    travelled = weighted / np.maximum(thickness, 1e-6)
    ostium = branches[0].points[0]
    return Lumen(thickness, travelled, (float(ostium[1]), float(ostium[0])))


def smooth_curve(control: np.ndarray, step: float = 0.6) -> np.ndarray:
    """(K, 2) control points → (N, 2) points every ``step`` pixels along a cubic spline through them."""
    chord = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(control, axis=0).T))])
    spline = make_interp_spline(chord, control, k=min(3, len(control) - 1))
    fine = spline(np.linspace(0, chord[-1], max(8, int(2 * chord[-1] / step))))
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(fine, axis=0).T))])
    even = np.linspace(0, length[-1], max(4, int(length[-1] / step)))
    return np.stack([np.interp(even, length, fine[:, axis]) for axis in range(2)], axis=1)


def _main(
    rng: np.random.Generator,
    control: Controls,
    place: np.ndarray,
    radius: float,
    travelled: float,
    *,
    taper: float,
    order: int,
) -> Branch:
    points = np.asarray(control) @ place[:, :2].T + place[:, 2]
    gap = float(np.hypot(*np.diff(points, axis=0).T).min())
    points[1:-1] += rng.normal(0, 0.11 * gap, points[1:-1].shape)
    curve = _tortuous(rng, smooth_curve(points), amplitude=0.6 * radius, wave=7 * radius)
    return _branch(rng, curve, radius, radius * (1 - taper), travelled, order)


def _side_branches(
    rng: np.random.Generator, parent: Branch, side: int, root: float, depth: int
) -> list[Branch]:
    """Branches of alternating sides, shorter and thinner with every generation."""
    length = len(parent.points) * 0.6
    spacing = (0.06 if parent.order < 2 else 0.08) * side
    grown: list[Branch] = []
    at = rng.uniform(0.3, 0.9) * spacing
    turn = rng.choice([-1, 1])
    while at < 0.92 * length and depth < 3:
        index = int(at / 0.6)
        child = _side_branch(rng, parent, index, turn, side, root)
        if child is not None:
            grown += [child, *_side_branches(rng, child, side, root, depth + 1)]
        at += rng.uniform(0.5, 1.6) * spacing
        turn = -turn if rng.random() < 0.75 else turn
    return grown


def _side_branch(
    rng: np.random.Generator, parent: Branch, index: int, turn: int, side: int, root: float
) -> Branch | None:
    radius = float(parent.radii[index] * rng.uniform(0.34, 0.68))
    if radius < 0.5:
        return None
    heading = _heading(parent.points, index) + turn * rng.uniform(0.55, 1.2)
    length = side * rng.uniform(0.10, 0.24) * (radius / (0.33 * root)) ** 0.6
    curve = _wander(rng, parent.points[index], heading, length, bend=-turn * rng.uniform(-0.2, 0.9))
    curve = _tortuous(rng, curve, amplitude=rng.uniform(0.3, 1.6) * radius, wave=rng.uniform(12, 22) * radius)
    return _branch(
        rng, curve, radius, max(0.4, 0.45 * radius), float(parent.travelled[index]), parent.order + 1
    )


def _branch(
    rng: np.random.Generator, curve: np.ndarray, first: float, last: float, travelled: float, order: int
) -> Branch:
    n = len(curve)
    radii = np.linspace(first, last, n) * (1 + 0.07 * _smooth_noise(rng, n, 4 * first / 0.6))
    if order < 2 and rng.random() < 0.6:
        # A stenosis: the lumen narrows over about four radii.
        centre, depth = rng.uniform(0.25, 0.8) * n, rng.uniform(0.25, 0.6)
        radii *= 1 - depth * np.exp(-0.5 * ((np.arange(n) - centre) / (1.6 * first / 0.6)) ** 2)
    return Branch(curve, np.maximum(radii, 0.35), travelled + np.arange(n) * 0.6, order)


def _wander(
    rng: np.random.Generator, start: np.ndarray, heading: float, length: float, bend: float
) -> np.ndarray:
    n = max(6, int(length / 0.6))
    turn = np.linspace(0, bend, n) + 0.25 * _smooth_noise(rng, n, 0.2 * n)
    steps = 0.6 * np.stack([np.cos(heading + turn), np.sin(heading + turn)], axis=1)
    return start + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def _tortuous(rng: np.random.Generator, curve: np.ndarray, amplitude: float, wave: float) -> np.ndarray:
    """Push the curve aside by smooth noise that starts at zero."""
    n = len(curve)
    aside = (
        amplitude * _smooth_noise(rng, n, max(2.0, wave / 0.6 / 3)) * np.minimum(1, np.arange(n) / (0.5 * n))
    )
    tangent = np.gradient(curve, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    return curve + aside[:, None] * normal


def _smooth_noise(rng: np.random.Generator, n: int, sigma: float) -> np.ndarray:
    noise = gaussian_filter1d(rng.normal(size=n), max(sigma, 1.0), mode="reflect")
    noise -= noise.mean()
    return noise / max(float(noise.std()), 1e-6)


def _heading(points: np.ndarray, index: int) -> float:
    low, high = max(index - 6, 0), min(index + 6, len(points) - 1)
    dx, dy = points[high] - points[low]
    return float(np.arctan2(dy, dx))


def _cylinder(branch: Branch, shape: tuple[int, int]) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """Within its bounding box: the branch's thickness and the way travelled at the nearest centre point."""
    margin = float(branch.radii.max()) + 2
    x0, y0 = np.floor(branch.points.min(axis=0) - margin).astype(int)
    x1, y1 = np.ceil(branch.points.max(axis=0) + margin).astype(int) + 1
    where = (slice(max(y0, 0), min(y1, shape[0])), slice(max(x0, 0), min(x1, shape[1])))
    size = (max(where[0].stop - where[0].start, 0), max(where[1].stop - where[1].start, 0))
    thickness, way = np.zeros(size, np.float32), np.zeros(size, np.float32)
    if thickness.size:
        corner = np.array([where[1].start, where[0].start])
        for (x, y), radius, travelled in zip(
            branch.points - corner, branch.radii, branch.travelled, strict=True
        ):
            _stamp(thickness, way, float(x), float(y), float(radius), float(travelled))
    return where, thickness, way


def _stamp(
    thickness: np.ndarray, way: np.ndarray, x: float, y: float, radius: float, travelled: float
) -> None:
    """Take the maximum with a ball's projection, 2·sqrt(r² − d²); edges half a pixel soft."""
    reach = int(radius + 1.5)
    rows = slice(max(int(y) - reach, 0), max(int(y) + reach + 2, 0))
    columns = slice(max(int(x) - reach, 0), max(int(x) + reach + 2, 0))
    patch = thickness[rows, columns]
    if patch.size == 0:
        return
    dy = np.arange(rows.start, rows.start + patch.shape[0], dtype=np.float32)[:, None] - np.float32(y)
    dx = np.arange(columns.start, columns.start + patch.shape[1], dtype=np.float32) - np.float32(x)
    ball = 2 * np.sqrt(np.maximum((radius + 0.25) ** 2 - dy * dy - dx * dx, 0))
    nearer = ball > patch
    patch[nearer] = ball[nearer]
    way[rows, columns][nearer] = travelled


def _without_joint(
    alone: np.ndarray, there: np.ndarray, branch: Branch, where: tuple[slice, slice]
) -> np.ndarray:
    """What a branch adds: near its root only what sticks out of its parent, elsewhere all of it."""
    x, y = branch.points[0]
    rows = np.arange(where[0].start, where[0].stop)[:, None] - y
    columns = np.arange(where[1].start, where[1].stop) - x
    reach = max(4 * float(branch.radii[0]), 0.8 * float(there.max(initial=0)))
    near = rows**2 + columns**2 < reach**2
    return np.where(near, np.maximum(alone - there, 0), alone)
