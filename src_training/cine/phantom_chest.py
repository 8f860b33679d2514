"""What lies behind the vessels: lung, heart, spine, ribs and diaphragm as smooth attenuation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, zoom


@dataclass(frozen=True)
class Chest:
    """Attenuations (dimensionless) of (Y, X): what stays, what beats, and the dome that breathes."""

    still: np.ndarray
    heart: np.ndarray
    dome: tuple[float, float, float, float]

    def diaphragm(self, shift: float) -> np.ndarray:
        """The diaphragm moved down by ``shift`` pixels."""
        rows, columns = _axes(self.still.shape)
        top, centre, curve, depth = self.dome
        side = min(self.still.shape)
        edge = top * side + shift + curve * side * (columns / side - centre) ** 2
        return depth * _step((rows - edge) / (0.012 * side)) * (1 + 0.25 * (rows - edge) / side)


def make_chest(rng: np.random.Generator, shape: tuple[int, int], bias: float) -> Chest:
    """A random chest; ``bias`` scales the slow brightness changes across the frame."""
    side = min(shape)
    still = bias * (0.20 * cloud(rng, shape, 0.30) + 0.10 * cloud(rng, shape, 0.10))
    still += 0.025 * cloud(rng, shape, 0.03) + 0.012 * cloud(rng, shape, 0.008)
    still += _slope(rng, shape, 0.35 * bias) + _spine(rng, shape, rng.uniform(0.72, 1.0)) + _ribs(rng, shape)
    dome = (rng.uniform(0.72, 1.0), rng.uniform(0.1, 0.7), rng.uniform(0.3, 0.9), rng.uniform(0.12, 0.35))
    heart = _heart(rng, shape) + 0.02 * gaussian_filter(cloud(rng, shape, 0.02), 0.004 * side)
    return Chest(still.astype(np.float32), heart.astype(np.float32), dome)


def cloud(rng: np.random.Generator, shape: tuple[int, int], size: float) -> np.ndarray:
    """Smooth noise of standard deviation 1 whose blobs are ``size`` of the frame."""
    sigma = max(size * min(shape), 0.7)
    step = max(1, int(sigma / 3))
    coarse = rng.normal(size=tuple(side // step + 9 for side in shape))
    coarse = gaussian_filter(coarse, sigma / step)
    fine = zoom(coarse, step, order=1)[: shape[0], : shape[1]] if step > 1 else coarse[: shape[0], : shape[1]]
    return (fine - fine.mean()) / max(float(fine.std()), 1e-6)


def _slope(rng: np.random.Generator, shape: tuple[int, int], depth: float) -> np.ndarray:
    rows, columns = _axes(shape)
    angle = rng.uniform(0, 2 * np.pi)
    return depth * (np.cos(angle) * columns / shape[1] + np.sin(angle) * rows / shape[0])


def _spine(rng: np.random.Generator, shape: tuple[int, int], centre: float) -> np.ndarray:
    """A soft dark band with vertebrae: bodies, brighter discs between them, pedicles."""
    rows, columns = _axes(shape)
    side = min(shape)
    lean = rng.uniform(-0.12, 0.12)
    across = (columns - centre * shape[1] - lean * (rows - shape[0] / 2)) / (rng.uniform(0.13, 0.19) * side)
    band = _step((1 - np.abs(across) + 0.06 * np.sin(rows / (0.035 * side))) / 0.2)
    pitch = rng.uniform(0.17, 0.23) * side
    level = ((rows + rng.uniform(0, pitch)) % pitch) / pitch - 0.5
    body = _step((0.40 - np.abs(level)) / 0.05)
    plates = np.exp(-(((np.abs(level) - 0.41) / 0.035) ** 2))
    pedicle = np.exp(-((((np.abs(across) - 0.5) / 0.16) ** 2 + (level / 0.16) ** 2) ** 2))
    return rng.uniform(0.18, 0.42) * band * (0.75 + 0.18 * body + 0.16 * plates + 0.22 * pedicle)


def _ribs(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A few curved bands with denser rims."""
    rows, columns = _axes(shape)
    side = min(shape)
    slant, bow = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)
    along = columns / side
    height = rows / side - slant * along - bow * (along - 0.5) ** 2 + rng.uniform(0, 0.25)
    width, pitch = rng.uniform(0.028, 0.04), rng.uniform(0.2, 0.27)
    inside = np.abs(height % pitch - pitch / 2) / width
    return rng.uniform(0.015, 0.05) * (
        _step((1 - inside) / 0.12) + 0.7 * np.exp(-(((inside - 1) / 0.2) ** 2))
    )


def _heart(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    rows, columns = _axes(shape)
    cy, cx = rng.uniform(0.5, 0.65) * shape[0], rng.uniform(0.45, 0.6) * shape[1]
    tilt = rng.uniform(0.3, 0.9)
    a = (np.cos(tilt) * (columns - cx) + np.sin(tilt) * (rows - cy)) / (rng.uniform(0.42, 0.52) * shape[1])
    b = (-np.sin(tilt) * (columns - cx) + np.cos(tilt) * (rows - cy)) / (rng.uniform(0.3, 0.38) * shape[0])
    return rng.uniform(0.08, 0.22) * _step((1 - np.hypot(a, b)) / 0.09)


def _axes(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(shape[0], dtype=np.float32)[:, None], np.arange(shape[1], dtype=np.float32)[None, :]


def _step(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(2.5 * x, -40, 40)))
