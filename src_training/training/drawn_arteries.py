"""Coronary arteries that never were: main vessels along the grooves, branches that leave them, disease."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.interpolate import make_interp_spline

from src_training.training.drawn_heart import LONG, Array, Artery, basal_radius, in_space, path_length

_DENSITY = 110  # centre points per basal radius
_THINNEST = 0.6  # px: radius below which no branch leaves
_PALEST = 0.03  # of the contrast at the ostium: nor beyond this

# (theta, h, depth): left main and anterior descending; circumflex from its end; right artery; its two ends.
_DESCENDING = (
    (-0.2, -0.12, 0.8),
    (0.0, -0.06, 0.92),
    (0.12, 0.04, 1.0),
    (0.0, 0.35, 1.0),
    (-0.05, 0.7, 1.0),
    (0.0, 1.0, 1.0),
)
_CIRCUMFLEX = ((0.06, -0.02, 0.95), (0.55, 0.02, 1.0), (1.2, 0.04, 1.0), (1.9, 0.08, 1.0), (2.6, 0.14, 1.0))
_RIGHT = (
    (-0.75, -0.20, 0.5),
    (-0.95, -0.05, 1.0),
    (-1.5, 0.0, 1.15),
    (-2.1, 0.05, 1.12),
    (-2.75, 0.08, 1.0),
    (-3.1, 0.08, 1.0),
)
_POSTERIOR = ((-3.1, 0.08, 1.0), (-3.2, 0.3, 1.0), (-3.15, 0.6, 1.0), (-3.1, 0.85, 1.0))
_POSTEROLATERAL = ((-3.1, 0.08, 1.0), (-3.5, 0.10, 1.0), (-4.0, 0.25, 1.0), (-4.3, 0.5, 1.0))


@dataclass(frozen=True)
class _Fork:
    """Where a branch leaves (0…1 along its parent), its share of the radius, its controls if it has a name."""

    at: float
    share: tuple[float, float] = (0.25, 0.75)
    controls: tuple[tuple[float, float, float], ...] = ()


_LEFT_FORKS = [_Fork(0.24, (0.62, 0.85), _CIRCUMFLEX)]
_RIGHT_FORKS = [_Fork(0.95, (0.6, 0.75), _POSTERIOR), _Fork(0.96, (0.8, 0.95), _POSTEROLATERAL)]


@dataclass(frozen=True)
class Growth:
    """How lavishly a tree grows: root radius (px), relative number of branches, tortuosity, odds of disease."""

    root_px: float
    lavish: float
    tortuosity: float
    stenosis: float
    occlusion: float


def grow_arteries(rng: np.random.Generator, side: Literal["left", "right"], growth: Growth) -> list[Artery]:
    """The ``left`` or the ``right`` coronary tree, trunk first, with two to four generations of branches."""
    controls, forks = (_DESCENDING, _LEFT_FORKS) if side == "left" else (_RIGHT, _RIGHT_FORKS)
    path = _main_path(rng, controls, growth)
    radii = growth.root_px * np.linspace(1, 0.75, len(path))
    return _grown(rng, _diseased(rng, Artery(path, radii, np.ones(len(path)), 0), growth), growth, forks)


def _grown(rng: np.random.Generator, vessel: Artery, growth: Growth, forks: list[_Fork]) -> list[Artery]:
    """A vessel and all that leaves it; behind a branch it is thinner (Murray 1926: r³ = r₁³ + r₂³)."""
    radii, grown = vessel.radii.copy(), []
    for fork in sorted(forks + _side_forks(rng, vessel, growth), key=lambda fork: fork.at):
        index, share = int(fork.at * (len(radii) - 1)), rng.uniform(*fork.share)
        radius = float(share * radii[index])
        if radius < _THINNEST or vessel.contrast[index] < _PALEST:
            continue
        if fork.controls:
            path = _main_path(rng, (tuple(vessel.path[index]), *fork.controls[1:]), growth)
        else:
            path = _side_path(rng, vessel, index, radius, growth)
        taper = np.linspace(1, rng.uniform(0.45, 0.75), len(path))
        contrast = np.full(len(path), vessel.contrast[index])
        branch = Artery(path, radius * taper, contrast, vessel.generation + 1, float(radii[index]))
        radii[index:] *= (1 - share**3) ** (1 / 3)
        grown += _grown(rng, _diseased(rng, branch, growth), growth, [])
    return [replace(vessel, radii=_settled(radii)), *grown]


def _side_forks(rng: np.random.Generator, vessel: Artery, growth: Growth) -> list[_Fork]:
    """Where side branches leave; none leave from the fourth generation."""
    if vessel.generation > 2:
        return []
    first = 0.33 if vessel.generation == 0 else 0.12
    density = (5.5 if vessel.generation < 2 else 3.5) * growth.lavish / _DENSITY
    count = rng.poisson(density * len(vessel.path) * (0.97 - first))
    return [_Fork(float(at)) for at in rng.uniform(first, 0.97, min(count, 10))]


def _main_path(rng: np.random.Generator, controls: tuple, growth: Growth) -> Array:
    knots = np.array(controls, dtype=float)
    knots[1:] += rng.normal(0, 1, knots[1:].shape) * (0.09, 0.03, 0.02)
    knots[-1, 1] = min(knots[-1, 1], 1.0)
    # Some arteries end early, in the middle of their groove.
    reach = rng.uniform(0.8, 1.0)
    spline = make_interp_spline(np.linspace(0, 1, len(knots)), knots, k=3)
    length = path_length(in_space(spline(np.linspace(0, reach, 60))))
    path = spline(np.linspace(0, reach, int(length * _DENSITY)))
    return path + _waves(rng, len(path), growth.tortuosity, length)


def _side_path(rng: np.random.Generator, parent: Artery, index: int, radius: float, growth: Growth) -> Array:
    """Leaves at 40 to 80 degrees and bends towards the apex; septal branches dive into the wall."""
    length = rng.uniform(0.5, 1.3) * 0.85 * (radius / (0.4 * growth.root_px)) ** 0.55
    n = max(8, int(length * _DENSITY))
    heading = _heading(parent.path, index) + _side_of(rng, parent) * rng.uniform(0.7, 1.4)
    # Towards the apex: h grows along pi/2.
    turn = np.arctan2(np.sin(np.pi / 2 - heading), np.cos(np.pi / 2 - heading))
    t = np.linspace(0, 1, n)
    angle = (
        heading
        + rng.uniform(0.0, 0.7) * turn * t
        + rng.uniform(0, 0.5) * np.sin(2 * np.pi * (t * rng.uniform(0.4, 1.2) + rng.random()))
    )
    theta, h, depth = parent.path[index]
    along = h + np.cumsum(np.sin(angle)) * length / n / LONG
    around = theta + np.cumsum(np.cos(angle)) * length / n / np.maximum(basal_radius(along), 0.25)
    dive = rng.uniform(0.1, 0.5) if rng.random() < 0.3 else rng.uniform(-0.04, 0.03)
    path = np.stack([around, along, depth - dive * t], axis=1)
    return path + _waves(rng, n, 1.5 * growth.tortuosity, length)


def _side_of(rng: np.random.Generator, parent: Artery) -> int:
    """Branches of the main vessels mostly leave towards the apex and the free wall."""
    if parent.generation > 1:
        return int(rng.choice([-1, 1]))
    rightward = parent.path[-1, 0] < parent.path[0, 0] - 1
    return (-1 if rightward else 1) * (1 if rng.random() < 0.75 else -1)


def _diseased(rng: np.random.Generator, vessel: Artery, growth: Growth) -> Artery:
    """With unevenness, stenoses, an occlusion and the fading of contrast towards the end."""
    radii, contrast, generation = vessel.radii, vessel.contrast, vessel.generation
    n = len(radii)
    t = np.linspace(0, 1, n)
    radii = radii * (
        1 + 0.05 * np.sin(2 * np.pi * (rng.uniform(1, 6, (3, 1)) * t + rng.random((3, 1)))).sum(axis=0) / 1.5
    )
    while rng.random() < growth.stenosis:
        width = rng.uniform(0.5, 1.6) * 4 * radii[0] / n
        radii = radii * (
            1 - rng.uniform(0.3, 0.85) * np.exp(-(((t - rng.uniform(0.1, 0.9)) / max(width, 0.01)) ** 2))
        )
    fade = rng.uniform(0.25, 0.95) if generation else rng.uniform(0.1, 0.6)
    contrast = contrast * (1 - fade * np.clip((t - rng.uniform(0.2, 0.7)) / 0.4, 0, 1))
    if generation < 3 and rng.random() < growth.occlusion:
        contrast = contrast * (t < rng.uniform(0.35, 0.85))
    return replace(vessel, radii=np.maximum(radii, 0.35), contrast=contrast)


def _waves(rng: np.random.Generator, n: int, tortuosity: float, length: float) -> Array:
    """Smooth sideways wandering (N, 3), zero at the start; wavelengths of 0.16 to 0.9 basal radii."""
    t = np.linspace(0, 1, n)
    cycles = length / rng.uniform(0.16, 0.9, (3, 4, 1))
    size = tortuosity * rng.uniform(0.3, 1.0, (3, 4, 1)) / cycles * length
    waves = (size * np.sin(2 * np.pi * (cycles * t + rng.random((3, 4, 1))))).sum(axis=1).T
    return waves * np.minimum(1, 6 * t)[:, None] * (1, 0.7, 0.6)


def _heading(path: Array, index: int) -> float:
    """Direction on the surface: 0 along theta, pi/2 to the apex."""
    low, high = max(index - 6, 0), min(index + 6, len(path) - 1)
    d_theta, d_h, _ = path[high] - path[low]
    return float(np.arctan2(d_h * LONG, d_theta * max(float(basal_radius(path[index, 1])), 0.25)))


def _settled(radii: Array) -> Array:
    """A step of the radius spread over a few per cent of the vessel."""
    window = max(3, len(radii) // 25)
    padded = np.pad(radii, window, mode="edge")
    return np.convolve(padded, np.full(window, 1 / window), mode="same")[window:-window]
