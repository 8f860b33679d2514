"""Training samples: frames at working scale, normalised once, with their labels; and batches of crops of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.morphology import dilation, disk, skeletonize
from torch import Tensor

from src_training.inference.preprocess import network_input, resample_label
from src_training.models.card import Normalisation

INPUT_SIZE = 512  # the working scale of our own recipes: px of a frame's longer side
_TUBE_RADIUS_PX = 1


@dataclass(frozen=True)
class Sample:
    """One frame ready to be cropped: all planes (H, W) at working scale, padded to the network's stride.

    ``image`` float16 normalised about -1…1; ``label`` uint8 0 background, 1 vessel, 255 ignore;
    ``tube`` uint8 1 on the dilated skeleton of the vessels; ``name`` and ``patient`` for reports.
    """

    name: str
    image: NDArray[np.float16]
    label: NDArray[np.uint8]
    tube: NDArray[np.uint8]
    patient: str | None = None


@dataclass(frozen=True)
class Batch:
    """Tensors (B, 1, h, w): image; vessel, valid and tube of 0/1. (B,) of 0/1: ``replay`` marks frames of the
    base set, ``labelled`` frames with a label (the others have valid = 0 everywhere)."""

    image: Tensor
    vessel: Tensor
    valid: Tensor
    tube: Tensor
    replay: Tensor
    labelled: Tensor
    channel_keep: Tensor | None

    def __len__(self) -> int:
        return len(self.image)

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``."""
        moved = {name: value.to(device) for name, value in vars(self).items() if value is not None}
        return replace(self, **moved)

    def split(self, parts: int) -> list[Batch]:
        """The batch in about equal parts, in order; fewer when it has fewer samples."""
        bounds = [round(len(self) * i / parts) for i in range(parts + 1)]
        spans = [slice(a, b) for a, b in itertools.pairwise(bounds) if a < b]
        tensors = {name: value for name, value in vars(self).items() if value is not None}
        return [replace(self, **{name: value[span] for name, value in tensors.items()}) for span in spans]


def make_sample(
    name: str,
    frame: NDArray,
    label: NDArray[np.uint8],
    *,
    normalisation: Normalisation,
    input_size: int,
    stride: int,
    patient: str | None = None,
) -> Sample:
    """Bring a frame and its {0, 1, 255} label to the working scale, exactly as inference does."""
    image, placement = network_input(frame, normalisation, input_size, stride)
    working = resample_label(label, input_size)
    pad = [(0, full - side) for full, side in zip(image.shape, placement.working, strict=True)]
    # 255: nobody labelled the padding
    padded = np.pad(working, pad, constant_values=255)
    vessel = padded == 1
    tube = dilation(skeletonize(vessel), disk(_TUBE_RADIUS_PX)) & vessel
    return Sample(name, image.astype(np.float16), padded, tube.astype(np.uint8), patient)
