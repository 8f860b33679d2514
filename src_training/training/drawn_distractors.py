"""What looks like a vessel and is none: catheters, leads, wires, clips, edges of ribs and diaphragm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src_training.cine.phantom_tree import smooth_curve
from src_training.inference.preprocess import resample
from src_training.training.drawn_rays import Bundle, Plane, Tube

Array = NDArray[np.floating]


def catheter(rng: np.random.Generator, shape: tuple[int, int], ostium: Array, inward: Array) -> Tube:
    """A guide catheter from the border to the ostium (x, y) px, 5 to 8 px wide at 512 px, full or with dark walls."""
    side = max(shape)
    radius = rng.uniform(2.5, 4.0) * side / 512
    # It comes from the border beside or above the ostium, where the aorta is, and turns into the vessel.
    entry = _entry(rng, shape, ostium)
    before = ostium - inward * rng.uniform(0.03, 0.10) * side
    bend = entry + (before - entry) * rng.uniform(0.5, 0.8) + rng.normal(0, 0.04 * side, 2)
    curve = smooth_curve(np.array([entry, bend, before, ostium + 0.015 * side * inward]))
    return _even(
        curve, radius, rng.uniform(0.5, 1.1), bore=rng.uniform(0.3, 0.9) if rng.random() < 0.5 else 1.0
    )


def hardware(rng: np.random.Generator, shape: tuple[int, int], share: float) -> list[Tube]:
    """Pacemaker leads, guidewires, sternal wires and clips; each kind is there with probability ``share``."""
    kinds = (_lead, _wire, _sternal_wires, _clips)
    return [tube for kind in kinds if rng.random() < share for tube in kind(rng, shape)]


def body_edges(rng: np.random.Generator, shape: tuple[int, int], share: float) -> Plane:
    """Attenuation (Y, X) of a diaphragm's dome and of a few ribs, each there with probability ``share``."""
    small = (max(8, shape[0] // 4), max(8, shape[1] // 4))
    y, x = np.linspace(0, 1, small[0])[:, None], np.linspace(0, 1, small[1])[None, :]
    edges = np.zeros(small)
    if rng.random() < share:
        dome = rng.uniform(0.6, 0.95) + rng.uniform(0.3, 1.2) * (x - rng.uniform(0, 1)) ** 2
        edges += rng.uniform(0.08, 0.3) / (1 + np.exp(np.clip((dome - y) / 0.008, -40, 40)))
    if rng.random() < share:
        height = y - rng.uniform(-0.6, 0.6) * x - rng.uniform(-0.6, 0.6) * x * x + rng.uniform(0, 0.3)
        across = np.abs(height % rng.uniform(0.22, 0.32) - 0.11) / rng.uniform(0.025, 0.045)
        edges += rng.uniform(0.02, 0.06) * (0.6 * (across < 1) + np.exp(-(((across - 1) / 0.18) ** 2)))
    return np.maximum(resample(edges.astype(np.float32), shape), 0)


def reflux(rng: np.random.Generator, shape: tuple[int, int], ostium: Array) -> Plane:
    """Attenuation (Y, X) of the contrast that spills into the aorta beside the ostium."""
    spread = rng.uniform(0.015, 0.05, 2) * max(shape)
    centre = ostium + rng.normal(0, 0.6, 2) * spread
    rows = np.exp(-(((np.arange(shape[0]) - centre[1]) / spread[1]) ** 2))
    columns = np.exp(-(((np.arange(shape[1]) - centre[0]) / spread[0]) ** 2))
    return np.outer(rng.uniform(0.02, 0.25) * rows, columns).astype(np.float32)


def hardware_over(frame: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A frame (Y, X) uint8 with a catheter to a random place and some leads, wires and clips drawn over it."""
    return np.rint(frame * np.exp(-hardware_plane((frame.shape[0], frame.shape[1]), rng))).astype(np.uint8)


def hardware_plane(shape: tuple[int, int], rng: np.random.Generator) -> Plane:
    """Attenuation (Y, X) of a catheter to a random place and of some leads, wires and clips."""
    ostium = rng.uniform(0.25, 0.6, 2) * (shape[1], shape[0])
    angle = rng.uniform(0, 2 * np.pi)
    tubes = [
        catheter(rng, shape, ostium, np.array([np.cos(angle), np.sin(angle)])),
        *hardware(rng, shape, 0.5),
    ]
    return rng.uniform(0.05, 0.09) * Bundle.of(tubes).thickness(shape) * (512 / max(shape))


def _entry(rng: np.random.Generator, shape: tuple[int, int], ostium: Array) -> Array:
    if rng.random() < 0.65:
        return np.array([np.clip(ostium[0] + rng.normal(0, 0.2) * shape[1], 0, shape[1]), -4.0])
    x = -4.0 if ostium[0] < shape[1] / 2 else shape[1] + 4.0
    return np.array([x, np.clip(ostium[1] + rng.normal(-0.05, 0.2) * shape[0], 0, shape[0])])


def _lead(rng: np.random.Generator, shape: tuple[int, int]) -> list[Tube]:
    """A pacemaker lead from above to somewhere in the heart: even, long, with a dense tip."""
    aside = rng.uniform(0.1, 0.9) + np.cumsum(rng.normal(0, (0.0, 0.06, 0.08, 0.12)))
    down = np.array([-0.02, 0.25, 0.5, 0.7]) * rng.uniform(0.6, 1.3)
    curve = smooth_curve(np.stack([aside * shape[1], down * shape[0]], axis=1))
    radius = rng.uniform(1.0, 2.2) * max(shape) / 512
    tip = curve[-max(6, int(6 * radius)) :]
    return [_even(curve, radius, rng.uniform(1.0, 2.2)), _even(tip, 1.5 * radius, 3.0)]


def _wire(rng: np.random.Generator, shape: tuple[int, int]) -> list[Tube]:
    """A guidewire or an electrode's cable: a hair line across part of the frame."""
    size = np.array([shape[1], shape[0]])
    start, step = rng.uniform(-0.1, 0.9, 2), rng.normal(0, 0.3, 2)
    controls = start + np.arange(4)[:, None] * step + rng.normal(0, 0.06, (4, 2))
    return [
        _even(smooth_curve(controls * size), rng.uniform(0.5, 1.1) * max(shape) / 512, rng.uniform(1.5, 4.0))
    ]


def _sternal_wires(rng: np.random.Generator, shape: tuple[int, int]) -> list[Tube]:
    """Twisted loops of steel one below the other."""
    scale = max(shape) / 512
    x, gap = rng.uniform(0.15, 0.85) * shape[1], rng.uniform(70, 120) * scale
    t = np.linspace(0, 2 * np.pi, int(160 * scale) + 24)
    width, height, lean = rng.uniform(14, 34) * scale, rng.uniform(6, 16) * scale, rng.uniform(-0.6, 0.6)
    loops = []
    for y in np.arange(rng.uniform(0, gap), shape[0], gap)[:4]:
        wobble = 1 + 0.15 * np.sin(3 * t + rng.uniform(0, 6))
        loop = np.stack(
            [x + width * np.cos(t), y + height * np.sin(t) * wobble + lean * width * np.cos(t)], axis=1
        )
        loops.append(_even(loop + rng.normal(0, 4 * scale, 2), 1.1 * scale, rng.uniform(3.0, 6.0)))
    return loops


def _clips(rng: np.random.Generator, shape: tuple[int, int]) -> list[Tube]:
    """Short dense rods along a bypass graft that was."""
    scale = max(shape) / 512
    place, walk = rng.uniform(0.1, 0.9, 2) * (shape[1], shape[0]), rng.normal(0, 22 * scale, 2)
    clips = []
    for index in range(int(rng.integers(2, 7))):
        angle, half = rng.uniform(0, np.pi), rng.uniform(3.5, 6.0) * scale
        t = np.linspace(-half, half, max(6, int(2 * half / 0.6)))
        rod = np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1)
        clips.append(_even(place + index * walk + rod, rng.uniform(0.9, 1.5) * scale, rng.uniform(3.0, 6.0)))
    return clips


def _even(curve: Array, radius: float, opacity: float, bore: float = 1.0) -> Tube:
    n = len(curve)
    return Tube(curve, np.full(n, radius), np.full(n, opacity), bore)
