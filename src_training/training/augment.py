"""Augmentation: geometry drawn once for image and labels, grey levels as another machine would give them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import cast

import imagecodecs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from src_training.training.augment_settings import UNSEEN_LIGHT, Augmentation
from src_training.training.drawn_distractors import hardware_plane

_PLANES, _PLANE_SIDE = 64, 512  # drawn once a process; a crop sees a part of one
_BLACK = 1.5  # images are shifted by this before warping, so that outside the frame is collimator black


def random_warp(
    label: NDArray[np.uint8], size: int, augmentation: Augmentation, rng: np.random.Generator
) -> Tensor:
    """A (2, 3) affine map from the crop (-1…1) to the frame (-1…1): turn, zoom, flips, place.

    Half of the crops are placed on a vessel pixel, so that thin trees are not drowned by background.
    """
    height, width = label.shape
    angle = math.radians(rng.uniform(-augmentation.rotation_deg, augmentation.rotation_deg))
    zoom = math.exp(rng.uniform(*np.log(augmentation.scale)))
    flip_x = -1.0 if rng.random() < augmentation.flip_horizontal else 1.0
    flip_y = -1.0 if rng.random() < augmentation.flip_vertical else 1.0
    centre_y, centre_x = _place(label, size / zoom, rng)
    cos, sin = math.cos(angle) * size / zoom, math.sin(angle) * size / zoom
    rows = [
        [flip_x * cos / width, -flip_y * sin / width, 2 * centre_x / width - 1],
        [flip_x * sin / height, flip_y * cos / height, 2 * centre_y / height - 1],
    ]
    return torch.tensor(rows, dtype=torch.float32)


def warp(planes: Tensor, transform: Tensor, size: int) -> Tensor:
    """Cut (C, size, size) out of planes (C, H, W); plane 0 is the image, outside the frame it is black."""
    planes[0] += _BLACK
    grid = functional.affine_grid(transform[None], [1, planes.shape[0], size, size], align_corners=False)
    crop = functional.grid_sample(planes[None], grid, mode="bilinear", align_corners=False)[0]
    crop[0] -= _BLACK
    return crop


def augment_intensity(
    image: Tensor, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """What other machines, patients and archives do to grey levels, on (1, h, w) about -1…1.

    Also returns where no vessel can be seen any more, (1, h, w) bool: under a blade, beyond a round field.
    """
    a = augmentation
    unit = ((image + _BLACK) / (2 * _BLACK)).clamp(0, 1)
    light = torch.ones_like(unit)
    if rng.random() < a.hardware:
        unit = unit * torch.exp(-_hardware(unit.shape[-1], rng))
    unit = unit ** math.exp(rng.uniform(-a.gamma, a.gamma))
    unit = (unit - 0.5) * (1 + rng.uniform(-a.contrast, a.contrast)) + 0.5
    unit = unit + rng.uniform(-a.brightness, a.brightness) / (2 * _BLACK)
    if a.bias_field:
        unit = unit + _shading(unit.shape[-1], a.bias_field, rng)
    if rng.random() < a.blur:
        unit = _softened(unit, rng)
    if a.noise:
        unit = unit + _noise(unit, rng.uniform(0, a.noise) / 2, rng)
    if rng.random() < a.blades:
        blade = _blade(unit.shape[-1], rng)
        unit = torch.where(blade, float(rng.uniform(0, 0.08)), unit)
        light = torch.where(blade, 0.0, light)
    if rng.random() < a.vignette:
        field = _round_field(unit.shape[-1], rng)
        unit, light = unit * field, light * field
    if rng.random() < a.jpeg:
        unit = _compressed(unit, rng)
    return unit * (2 * _BLACK) - _BLACK, light < UNSEEN_LIGHT


def _hardware(size: int, rng: np.random.Generator) -> Tensor:
    """Attenuation (1, size, size) of devices that look like vessels: a turned cut of one of a fixed set of planes."""
    plane = _hardware_planes()[int(rng.integers(_PLANES))]
    if size > _PLANE_SIDE:
        plane = functional.interpolate(plane[None, None], size=(size, size), mode="bilinear")[0, 0]
    points = plane.nonzero()
    point = points[int(rng.integers(len(points)))]
    row, column = (_beginning(int(at), size, side, rng) for at, side in zip(point, plane.shape, strict=True))
    cut = plane[row : row + size, column : column + size]
    cut = cut.flip(-1) if rng.random() < 0.5 else cut
    strength = rng.uniform(0.5, 1.5)
    return strength * torch.rot90(cut, int(rng.integers(4)), dims=(-2, -1))[None]


def _beginning(at: int, size: int, side: int, rng: np.random.Generator) -> int:
    """Where a cut of ``size`` may begin so that it holds the pixel ``at`` of a ``side``."""
    least, most = max(0, at - size + 1), min(at, side - size)
    return int(rng.integers(least, most + 1))


@lru_cache(maxsize=1)
def _hardware_planes() -> list[Tensor]:
    shape = (_PLANE_SIDE, _PLANE_SIDE)
    return [
        torch.from_numpy(hardware_plane(shape, np.random.default_rng([_PLANES, index])).astype(np.float32))
        for index in range(_PLANES)
    ]


def _place(label: NDArray[np.uint8], extent: float, rng: np.random.Generator) -> tuple[float, float]:
    vessel = np.flatnonzero(label == 1)
    if vessel.size and rng.random() < 0.5:
        y, x = np.unravel_index(int(vessel[rng.integers(vessel.size)]), label.shape)
        shift = rng.uniform(-extent / 4, extent / 4, 2)
        return float(y) + shift[0], float(x) + shift[1]
    return cast(tuple[float, float], tuple(_inside(side, extent, rng) for side in label.shape))


def _inside(side: int, extent: float, rng: np.random.Generator) -> float:
    half = min(extent, side) / 2
    return float(rng.uniform(half, side - half))


def _shading(size: int, strength: float, rng: np.random.Generator) -> Tensor:
    coarse = torch.from_numpy(rng.normal(0, strength / 3, (1, 1, 4, 4)).astype(np.float32))
    return functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)[0]


def _softened(unit: Tensor, rng: np.random.Generator) -> Tensor:
    size = unit.shape[-1]
    coarse = max(16, int(size * rng.uniform(0.4, 0.85)))
    small = functional.interpolate(unit[None], size=(coarse, coarse), mode="area")
    return functional.interpolate(small, size=(size, size), mode="bilinear", align_corners=False)[0]


def _noise(unit: Tensor, sigma: float, rng: np.random.Generator) -> Tensor:
    """Quantum noise grows with the square root of the signal; grain is as coarse as the detector's."""
    size = unit.shape[-1]
    grain = int(rng.integers(1, 3))
    shape = (1, 1, -(-size // grain), -(-size // grain))
    noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    if grain > 1:
        noise = functional.interpolate(noise, size=(size, size), mode="bilinear", align_corners=False)
    return noise[0] * sigma * torch.sqrt(unit.clamp(0, 1) + 0.1)


def _blade(size: int, rng: np.random.Generator) -> Tensor:
    """(1, size, size) bool: under a collimator blade over up to a fifth of one side."""
    covered = torch.zeros(1, size, size, dtype=torch.bool)
    covered[:, : int(size * rng.uniform(0.02, 0.2))] = True
    return torch.rot90(covered, -int(rng.integers(4)), dims=(-2, -1))


def _round_field(size: int, rng: np.random.Generator) -> Tensor:
    """(1, size, size) light of a round image intensifier, soft at its rim; its centre may lie outside the crop."""
    centre, radius = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(0.5, 0.9) * size
    rows = torch.arange(size, dtype=torch.float32)
    distance = torch.hypot(rows[:, None] - float(centre[0]), rows[None, :] - float(centre[1]))
    return torch.sigmoid((radius - distance) / (rng.uniform(0.005, 0.03) * size))[None]


def _compressed(unit: Tensor, rng: np.random.Generator) -> Tensor:
    """Through a grey JPEG file of low to usual quality."""
    grey = np.ascontiguousarray((unit[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy())
    data = imagecodecs.jpeg8_encode(grey, level=int(rng.integers(15, 80)))
    return torch.from_numpy(imagecodecs.jpeg8_decode(data).astype(np.float32))[None] / 255
