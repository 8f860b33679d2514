"""A frame without its vessels: chest, collimator and grain stay, dark ridges up to 26 px wide go."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from skimage.morphology import disk

from src_training.inference.preprocess import resample, working_shape

Plane = NDArray[np.float32]

_COARSE_SIDE, _FINE_SIDE = 128, 256  # working sides for wide (to 32 px at 512) and for thin vessels
_COARSE_REACH, _FINE_REACH = 4, 3  # radii of the closings there
_SIGNIFICANT = (0.9, 1.8)  # of a dark ridge's usual depth: untouched below, filled above
_BLACK = 0.06  # of the grey range: what the collimator leaves
_MASK_RIM_PX = 3  # outlines are drawn tight; the vessel's edge goes too


def remove_vessels(frame: NDArray[np.uint8], mask: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """A vessel-poor background (Y, X) uint8 out of a real frame (Y, X) uint8; the same frame gives the same.

    Dark ridges deeper than the frame's usual ripple are filled by a grey-scale closing, wide ones at a
    quarter of 512 px and thin ones at half; finer grain is made anew with the frame's own spectrum (random
    phases) and local strength. Catheters and wires go with the vessels; the collimated border stays.

    Parameters
    ----------
    mask : (Y, X) of 0 and 1, optional
        Known vessels; they are filled from their surroundings before the closing.
    """
    grey = frame.astype(np.float32)
    coarse, fine = (_at(grey, side) for side in (_COARSE_SIDE, _FINE_SIDE))
    clean = _without_ridges(coarse if mask is None else _filled(coarse, mask), _COARSE_REACH)
    ground = resample(clean, _shape(fine))
    detail = _without_ridges(fine - resample(coarse, _shape(fine)), _FINE_REACH)
    border = _outside(coarse)
    kept = np.clip(resample(border, _shape(grey)), 0, 1)
    calm = resample(ndimage.gaussian_filter(fine, 0.8), _shape(grey))
    made = resample(ground + detail, _shape(grey)) + _grain_again((grey - calm) * (1 - kept), frame)
    return np.clip(np.rint(made + (grey - made) * kept), 0, 255).astype(np.uint8)


def _without_ridges(plane: Plane, reach: int) -> Plane:
    """Closed where a dark ridge is clearly deeper than half of the pixels' own depth; elsewhere as it was."""
    calm = ndimage.gaussian_filter(plane, 0.8)
    padded = np.pad(calm, 2 * reach, mode="edge")
    closed = ndimage.grey_closing(padded, footprint=disk(reach))[
        2 * reach : -2 * reach, 2 * reach : -2 * reach
    ]
    depth = ndimage.gaussian_filter(closed, reach / 3) - calm
    usual = ndimage.gaussian_filter(np.clip(depth, 0, 3 * np.median(depth)), 4 * reach) + 0.3
    low, high = _SIGNIFICANT
    share = np.clip((ndimage.maximum_filter(depth, 3) / usual - low) / (high - low), 0, 1)
    share = ndimage.gaussian_filter(share, 0.7)
    return plane + share * (calm - plane + depth - np.minimum(usual, depth))


def _filled(coarse: Plane, mask: NDArray[np.uint8]) -> Plane:
    """Known vessels take the distance-weighted mean of what lies around them."""
    known = _coarse_mask(mask, _shape(coarse))
    weight = ndimage.gaussian_filter((~known).astype(np.float32), _COARSE_REACH) + 1e-4
    around = ndimage.gaussian_filter(np.where(known, 0, coarse), _COARSE_REACH) / weight
    return np.where(known, around, coarse).astype(np.float32)


def _coarse_mask(mask: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.bool_]:
    rim = max(1, round(_MASK_RIM_PX * max(mask.shape) / 512))
    wide = ndimage.maximum_filter((mask == 1).astype(np.float32), 2 * rim + 1)
    return resample(wide, shape) > 0.25


def _grain_again(detail: Plane, frame: NDArray[np.uint8]) -> Plane:
    """Noise with the amplitude spectrum of a frame's finest detail, as strong as that is around each pixel."""
    strength = _local_strength(detail)
    # Vessel edges are a few large values: limited, they hardly enter the spectrum.
    even = np.clip(detail / (strength + 0.3), -2.5, 2.5)
    spectrum = np.abs(fft.rfft2(even))
    rng = np.random.default_rng(zlib.crc32(frame.tobytes()))
    phases = rng.random(spectrum.shape, dtype=np.float32) * np.float32(2 * np.pi)
    noise = fft.irfft2(spectrum * np.exp(1j * phases), s=detail.shape)
    return (noise * (strength / max(float(noise.std()), 1e-6))).astype(np.float32)


def _local_strength(detail: Plane) -> Plane:
    """Spread of the detail within about 50 px of 512, from its calmer part: vessels are not counted."""
    small = _at(np.minimum(np.abs(detail), 25.0), 64)
    calm = ndimage.gaussian_filter(ndimage.percentile_filter(small, 40, size=7), 1.5)
    # 1.25 turns a calm mean deviation into a standard deviation.
    return np.maximum(np.float32(1.25) * resample(calm, _shape(detail)), 0)


def _outside(coarse: Plane) -> Plane:
    """1 outside the collimated field and on its edge, 0 inside, soft between; at coarse scale."""
    bottom, top = float(coarse.min()), float(np.percentile(coarse, 99))
    dark = coarse <= bottom + _BLACK * (top - bottom)
    labels, _ = ndimage.label(ndimage.binary_opening(np.pad(dark, 2, mode="edge"), np.ones((3, 3))))
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    black = np.isin(labels, edge[edge > 0])[2:-2, 2:-2]
    if black.mean() > 0.9:
        return np.zeros_like(coarse)
    return ndimage.gaussian_filter(ndimage.maximum_filter(black.astype(np.float32), 5), 1.0)


def _at(plane: Plane, side: int) -> Plane:
    """Resampled so that the longer side is ``side``."""
    return resample(plane, working_shape(_shape(plane), side))


def _shape(plane: Plane) -> tuple[int, int]:
    return plane.shape[0], plane.shape[1]
