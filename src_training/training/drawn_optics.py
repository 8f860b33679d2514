"""Between a drawn plane and a frame: blur, motion and edge enhancement of the detector; what lies behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from src_training.inference.preprocess import resample
from src_training.training.drawn_rays import Plane


@dataclass(frozen=True)
class Optics:
    """Blur of the detector (standard deviation, px), motion of the shutter time (dx, dy) px, edge enhancement."""

    blur_px: float
    motion_px: tuple[float, float]
    sharpen: float
    halo_px: float

    def imaged(self, plane: Plane) -> Plane:
        """The plane (Y, X) as the detector shows it: one transfer function, applied by FFT."""
        margin = int(3 * self.halo_px)
        shape = [fft.next_fast_len(side + margin, real=True) for side in plane.shape]
        fy = fft.fftfreq(shape[0]).astype(np.float32)[:, None]
        fx = fft.rfftfreq(shape[1]).astype(np.float32)[None, :]
        transfer = _gaussian(fy, self.blur_px) * _gaussian(fx, self.blur_px)
        if any(self.motion_px):
            transfer *= np.sinc(fx * np.float32(self.motion_px[0]) + fy * np.float32(self.motion_px[1]))
        if self.sharpen:
            halo = _gaussian(fy, self.halo_px) * _gaussian(fx, self.halo_px)
            transfer *= 1 + np.float32(self.sharpen) * (1 - halo)
        spectrum = fft.rfft2(plane, s=shape) * transfer
        return fft.irfft2(spectrum, s=shape)[: plane.shape[0], : plane.shape[1]]


@dataclass(frozen=True)
class Ground:
    """What a frame shows behind: slow grey level and local spread of the detail, both (Y, X) in grey levels."""

    level: Plane
    spread: Plane

    @classmethod
    def of(cls, frame: NDArray[np.uint8]) -> Ground:
        """Measured on a frame (Y, X) with few vessels, at a quarter of its size."""
        grey = frame.astype(np.float32)
        rows, columns = grey.shape
        level = resample(resample(grey, (max(1, rows // 4), max(1, columns // 4))), (rows, columns))
        tiles = resample(np.abs(grey - level), (max(1, rows // 32), max(1, columns // 32)))
        # 1.25: from the mean of the absolute deviation to the standard deviation of a Gaussian.
        spread = 1.25 * resample(tiles, (rows, columns))
        return cls(np.maximum(level, 0), np.maximum(spread, 0.5))


def _gaussian(frequency: Plane, sigma_px: float) -> Plane:
    return np.exp(np.float32(-2 * np.pi**2 * sigma_px**2) * frequency * frequency)
