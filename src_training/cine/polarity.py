"""Whether vessels are darker or brighter than what surrounds them, by the evidence of ridges."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.feature import hessian_matrix, hessian_matrix_eigvals

# Ridges are sought at about 256 pixels a side: finer ones are noise, wider ones are bones.
_SIDE = 256
_SIGMAS = (2.0, 3.0)
# Of 100 ARCADE frames 99 lie beyond this ratio on their own side; frames without contrast stay below it.
_CLEARLY = 1.12


def vessels_look_bright(frame: np.ndarray) -> bool:
    """True when bright ridges clearly outweigh dark ones in a (Y, X) frame; False when in doubt.

    Subtracted runs and PixelIntensityRelationshipSign can make vessels bright; everything else expects
    them dark.
    """
    small = _evened(np.asarray(frame, np.float32))
    if min(small.shape) < 16:
        return False
    dark, bright = _ridges(small)
    return _evidence(bright) > _CLEARLY * _evidence(dark)


def _evened(frame: np.ndarray) -> np.ndarray:
    """Shrunk by whole pixels, with local mean 0 and local spread 1."""
    frame = np.nan_to_num(frame)
    step = max(1, round(min(frame.shape) / _SIDE))
    rows, columns = frame.shape[0] // step, frame.shape[1] // step
    blocks = frame[: rows * step, : columns * step].reshape(rows, step, columns, step)
    small = blocks.mean(axis=(1, 3))
    detail = small - gaussian_filter(small, 20)
    spread = np.sqrt(gaussian_filter(detail**2, 20)) + 0.02 * small.std() + 1e-6
    return detail / spread


def _ridges(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strength of dark and of bright lines: curved across, straight along."""
    dark, bright = np.zeros_like(image), np.zeros_like(image)
    for sigma in _SIGMAS:
        high, low = hessian_matrix_eigvals(hessian_matrix(image, sigma=sigma, use_gaussian_derivatives=False))
        dark = np.maximum(dark, sigma**2 * (high - 2 * np.abs(low)))
        bright = np.maximum(bright, sigma**2 * (-low - 2 * np.abs(high)))
    # Collimator blades lie at the rim and are the strongest lines of all.
    rim = max(4, int(0.06 * min(image.shape)))
    return dark[rim:-rim, rim:-rim], bright[rim:-rim, rim:-rim]


def _evidence(strength: np.ndarray) -> float:
    return float(strength[strength >= np.percentile(strength, 99.5)].mean())
