"""Training samples: frames at working scale, normalised once, with their labels; drawn and warped per step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.morphology import dilation, disk, skeletonize
from torch import Tensor

from src_training.inference.preprocess import network_input, resample, working_shape
from src_training.models.card import Normalisation
from src_training.training.augment import Augmentation, augment_intensity, random_warp, warp

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
    """Tensors (B, 1, h, w): image; vessel, valid and tube of 0/1; replay (B,) marks frames of the base set."""

    image: Tensor
    vessel: Tensor
    valid: Tensor
    tube: Tensor
    replay: Tensor
    channel_keep: Tensor | None

    def to(self, device: torch.device) -> Batch:
        """The same batch on ``device``."""
        moved = {name: value.to(device) for name, value in vars(self).items() if value is not None}
        return replace(self, **moved)


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


def resample_label(label: NDArray[np.uint8], input_size: int) -> NDArray[np.uint8]:
    """A {0, 1, 255} label at working scale; a pixel is ignored where half of it was."""
    working = working_shape(label.shape, input_size)  # type: ignore[arg-type]
    if label.shape == working:
        return label
    vessel = resample((label == 1).astype(np.float32), working) > 0.5
    ignored = resample((label == 255).astype(np.float32), working) > 0.5
    return np.where(ignored, np.uint8(255), vessel.astype(np.uint8))


class Sampler:
    """Draws a batch that depends on (seed, step) only, so that a resumed run sees the same data.

    ``replay`` samples, if given, fill ``replay_share`` of every batch. Crop sizes vary so that
    the network sees both detail and the whole heart; a batch always has about ``batch_pixels``.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        seed: int,
        batch_pixels: int,
        crop_sizes: Sequence[int],
        augmentation: Augmentation,
        replay: Sequence[Sample] = (),
        replay_share: float = 0.0,
        stem_channels: int = 0,
    ) -> None:
        self.samples, self.replay = samples, replay
        self.replay_share = replay_share if replay else 0.0
        self.seed, self.batch_pixels, self.crop_sizes = seed, batch_pixels, tuple(crop_sizes)
        self.augmentation, self.stem_channels = augmentation, stem_channels

    def batch(self, step: int) -> Batch:
        """The batch of ``step``: parameters are drawn once per sample, for image and labels together."""
        rng = np.random.default_rng([self.seed, step])
        size = int(rng.choice(self.crop_sizes))
        count = max(2, round(self.batch_pixels / size**2))
        replayed = round(count * self.replay_share)
        chosen = [(_pick(self.samples, rng), 0.0) for _ in range(count - replayed)]
        chosen += [(_pick(self.replay, rng), 1.0) for _ in range(replayed)]
        planes = torch.stack([self._cropped(sample, size, rng) for sample, _ in chosen])
        image = augment_intensity(planes[:, :1], self.augmentation, rng)
        valid = (planes[:, 2:3] < 0.5).float()
        return Batch(
            image=image,
            vessel=(planes[:, 1:2] > 0.5).float(),
            valid=valid,
            tube=(planes[:, 3:4] > 0.5).float(),
            replay=torch.tensor([is_replay for _, is_replay in chosen]),
            channel_keep=self._channel_keep(count, rng),
        )

    def _cropped(self, sample: Sample, size: int, rng: np.random.Generator) -> Tensor:
        transform = random_warp(sample.label, size, self.augmentation, rng)
        planes = np.stack(
            [
                sample.image.astype(np.float32),
                (sample.label == 1).astype(np.float32),
                (sample.label == 255).astype(np.float32),
                sample.tube.astype(np.float32),
            ]
        )
        return warp(torch.from_numpy(planes), transform, size)

    def _channel_keep(self, count: int, rng: np.random.Generator) -> Tensor | None:
        share = self.augmentation.channel_dropout
        if not (share and self.stem_channels):
            return None
        keep = rng.random((count, self.stem_channels, 1, 1)) >= share
        return torch.from_numpy(keep.astype(np.float32) / (1 - share))


def _pick(samples: Sequence[Sample], rng: np.random.Generator) -> Sample:
    return samples[int(rng.integers(len(samples)))]
