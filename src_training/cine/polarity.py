"""Whether vessels are darker or brighter than what surrounds them, by the evidence of ridges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.feature import hessian_matrix, hessian_matrix_eigvals

from src_training.cine.cine import Cine
from src_training.errors import UnreadableCine

# Ridges are sought at about 256 pixels a side: finer ones are noise, wider ones are bones.
_SIDE = 256
_SIGMAS = (2.0, 3.0)
# Of ten synthetic runs seven are called bright at 96 px, one or two at 144 and 160 px, none from 192 px on.
_SMALLEST_SIDE = 192
# Of 549 ARCADE frames none lies beyond this ratio on the other side, and 4 in 100 are in doubt.
_CLEARLY = 1.12
_SHARES = (0.3, 0.4, 0.5, 0.6, 0.7)  # of a cine: where contrast is likely
Source = Literal["detected", "assumed", "told"]


@dataclass(frozen=True)
class Polarity:
    """Whether the vessels are the bright lines: detected in the picture, assumed in doubt, or told by a person."""

    bright: bool
    source: Source

    @property
    def words(self) -> str:
        """For example ``vessels dark (detected)``."""
        return f"vessels {'bright' if self.bright else 'dark'} ({self.source})"


def polarity_of(cine: Cine, told: bool | None = None) -> Polarity:
    """Whether the vessels of an acquisition are bright; the one place that decides it for window and shell.

    Parameters
    ----------
    cine : Cine
        Of a run up to five frames in its middle part are looked at, of which unreadable ones are passed over. Frames
        of less than 192 px a side show too few lines to tell: dark is assumed.
    told : bool, optional
        What a person says about it, which is not questioned.
    """
    if told is not None:
        return Polarity(told, "told")
    ratios = []
    for t in sorted({round(share * (len(cine) - 1)) for share in _SHARES}):
        try:
            ratios.append(_log_ratio(cine.frame(t)))
        except UnreadableCine:
            continue
    clearly, mean = math.log(_CLEARLY), float(np.mean(ratios)) if ratios else 0.0
    return Polarity(mean > clearly, "detected" if abs(mean) > clearly else "assumed")


def vessels_look_bright(frame: np.ndarray) -> bool:
    """True when bright ridges clearly outweigh dark ones in a (Y, X) frame; False when in doubt.

    Subtracted runs and PixelIntensityRelationshipSign can make vessels bright; everything else expects
    them dark.
    """
    return _log_ratio(frame) > math.log(_CLEARLY)


def vessels_dark(frame: np.ndarray) -> np.ndarray:
    """A frame (Y, X) of bright vessels turned over inside its own range and type."""
    if frame.dtype.kind == "f":
        return np.nanmin(frame) + np.nanmax(frame) - frame
    # min + max - value stays inside the type's own range.
    return (int(frame.min()) + int(frame.max()) - frame.astype(np.int64)).astype(frame.dtype)


def _log_ratio(frame: np.ndarray) -> float:
    """Evidence for bright lines against that for dark ones; 0 where there is none for either."""
    if min(frame.shape) < _SMALLEST_SIDE:
        return 0.0
    small = _evened(np.asarray(frame, np.float32))
    dark, bright = (_evidence(lines) for lines in _ridges(small))
    return math.log(bright / dark) if min(bright, dark) > 0 and math.isfinite(bright * dark) else 0.0


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
