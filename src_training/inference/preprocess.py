"""From a frame as shown to network input and back: the one place, for training, the widget and the shell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from src_training.cine.cine import LARGEST
from src_training.models.card import Normalisation

_BORDER_STEP = 4  # the collimated field is found on every 4th pixel: blades are hundreds of pixels long
_BORDER_LEVEL = 0.04  # of the grey range above its bottom: blades and vignette corners are nearly black


@dataclass(frozen=True)
class Placement:
    """Where a frame lies inside its padded network input: (height, width) at working scale, and of the frame."""

    working: tuple[int, int]
    frame: tuple[int, int]


def network_input(
    frame: NDArray, normalisation: Normalisation, input_size: int, stride: int, *, invert: bool = False
) -> tuple[NDArray[np.float32], Placement]:
    """Resample a frame so that its longer side is ``input_size``, normalise it, pad it to ``stride``.

    Parameters
    ----------
    frame : (Y, X) grey values of any dtype; non-finite values count as the field's median.
    invert : the vessels of this frame are bright; turn them dark.

    Returns
    -------
    (H, W) float32 about -1…1, H and W multiples of ``stride``, and where the frame lies in it.
    """
    grey = finite_grey(frame)
    grey = -grey if invert else grey
    working = working_shape(grey.shape, input_size)  # type: ignore[arg-type]
    normalised = normalise(resample(grey, working), normalisation)
    pad = [(0, -side % stride) for side in working]
    return np.pad(normalised, pad, mode="edge"), Placement(working, grey.shape)  # type: ignore[arg-type]


def frame_probability(output: NDArray[np.float32], placement: Placement) -> NDArray[np.float32]:
    """Cut the padding off a network's probability and bring it to the frame's own size."""
    height, width = placement.working
    probability = resample(np.ascontiguousarray(output[:height, :width]), placement.frame)
    return np.clip(probability, 0.0, 1.0)


def working_shape(shape: tuple[int, int], input_size: int) -> tuple[int, int]:
    """The (height, width) at which a frame of ``shape`` is seen: longer side ``input_size``, aspect kept."""
    scale = input_size / max(shape)
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def resample(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Bicubic resampling, area-weighted when shrinking (no aliasing of thin vessels)."""
    if image.shape == tuple(shape):
        return image
    resized = Image.fromarray(image).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.float32)


def resample_label(label: NDArray[np.uint8], input_size: int) -> NDArray[np.uint8]:
    """A {0, 1, 255} label at working scale; a pixel is ignored where half of it was."""
    working = working_shape(label.shape, input_size)  # type: ignore[arg-type]
    if label.shape == working:
        return label
    vessel = resample((label == 1).astype(np.float32), working) > 0.5
    ignored = resample((label == 255).astype(np.float32), working) > 0.5
    return np.where(ignored, np.uint8(255), vessel.astype(np.uint8))


def normalise(grey: NDArray[np.float32], normalisation: Normalisation) -> NDArray[np.float32]:
    """Map the percentiles of the collimated field to -1 and 1, and clip beyond ±``clip``."""
    low, high = robust_range(grey, normalisation)
    scaled = (grey - low) * np.float32(2.0 / max(high - low, 1e-6)) - np.float32(1.0)
    return np.clip(scaled, -normalisation.clip, normalisation.clip)


def robust_range(grey: NDArray[np.float32], normalisation: Normalisation) -> tuple[float, float]:
    """(low, high) grey values: percentiles of the pixels inside the collimated field."""
    inside = grey[::_BORDER_STEP, ::_BORDER_STEP][collimated_field(grey)]
    low, high = np.percentile(inside, [normalisation.low_percentile, normalisation.high_percentile])
    return float(low), float(high)


def collimated_field(grey: NDArray[np.float32]) -> NDArray[np.bool_]:
    """True inside the field, on every 4th pixel: what is nearly black *and* touches the border is outside.

    A field that would keep less than a tenth of the frame is not believed: then all of it counts.
    """
    small = grey[::_BORDER_STEP, ::_BORDER_STEP]
    bottom, top = float(small.min()), float(np.percentile(small, 99))
    dark = small <= bottom + _BORDER_LEVEL * (top - bottom)
    labels, _ = ndimage.label(dark)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    inside = ~np.isin(labels, edge[edge > 0])
    return inside if inside.mean() >= 0.1 else np.ones_like(inside)


def finite_grey(frame: NDArray) -> NDArray[np.float32]:
    """(Y, X) float32; NaN and infinities become the median of what is finite (0 if nothing is)."""
    finite = np.isfinite(frame)
    with np.errstate(over="ignore"):  # what float32 cannot hold is clipped like what is merely too large
        grey = np.clip(np.asarray(frame, dtype=np.float32), -LARGEST, LARGEST)
    if not finite.all():
        middle = float(np.median(grey[finite])) if finite.any() else 0.0
        grey = np.where(finite, grey, np.float32(middle))
    return grey
