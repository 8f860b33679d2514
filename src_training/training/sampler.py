"""Which crops a step sees: drawn from (seed, step, place in the batch) only, so that runs resume and spread exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from src_training.training.augment import augment_intensity, random_warp, warp
from src_training.training.augment_settings import Augmentation
from src_training.training.samples import Batch, Sample


@dataclass(frozen=True)
class Source:
    """Samples that make up ``share`` of every batch; ``replay`` marks the base set of a fine-tuning,
    ``labelled`` is False for frames without a label."""

    samples: Sequence[Sample]
    share: float
    replay: bool = False
    labelled: bool = True


class Sampler:
    """Draws the batch of a step. Crop sizes vary so that the network sees both detail and the whole heart;
    a batch always has about ``batch_pixels``.

    The first source takes what the shares of the others leave. With ``world`` processes each draws its part of
    the one batch, with the same mix of sources in each.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        seed: int,
        batch_pixels: int,
        crop_sizes: Sequence[int],
        augmentation: Augmentation,
        stem_channels: int = 0,
    ) -> None:
        self.sources = [sources[0], *(source for source in sources[1:] if source.samples)]
        self.seed, self.batch_pixels, self.crop_sizes = seed, batch_pixels, tuple(crop_sizes)
        self.augmentation, self.stem_channels = augmentation, stem_channels

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Batch:
        """The part of process ``rank`` of the batch of ``step``."""
        rng = np.random.default_rng([self.seed, step])
        size = int(rng.choice(self.crop_sizes))
        places = [
            (source, place)
            for source, places in self._places(max(2, round(self.batch_pixels / size**2)), world, rng)
            for place in places[rank::world]
        ]
        crops = [self._crop(source, size, step, place) for source, place in places]
        planes = torch.stack([crop for crop, _ in crops])
        keep = [keep for _, keep in crops if keep is not None]
        labelled = torch.tensor([float(source.labelled) for source, _ in places])
        return Batch(
            image=planes[:, :1],
            vessel=(planes[:, 1:2] > 0.5).float(),
            valid=(planes[:, 2:3] < 0.5).float() * labelled[:, None, None, None],
            tube=(planes[:, 3:4] > 0.5).float(),
            replay=torch.tensor([float(source.replay) for source, _ in places]),
            labelled=labelled,
            channel_keep=torch.stack(keep) if keep else None,
        )

    def _places(self, count: int, world: int, rng: np.random.Generator) -> list[tuple[Source, range]]:
        """Each source with its places in a batch of ``count``, multiples of ``world``.

        What the shares leave over is rounded by one chance for all, so that every share holds over many steps
        and the batch its size; a place is always the first source's, whatever the others' shares.
        """
        exact = np.array([count * source.share / world for source in self.sources[1:]])
        room = max(1, count // world - 1)
        ends = np.cumsum(exact * room / max(room, exact.sum()))
        sizes = (world * np.diff(np.floor(ends + rng.random()), prepend=0)).astype(int).tolist()
        first = max(world, world * round((count - sum(sizes)) / world))
        begins = np.cumsum([0, first, *sizes]).tolist()
        return [
            (source, range(begin, end))
            for source, begin, end in zip(self.sources, begins, begins[1:], strict=False)
        ]

    def _crop(self, source: Source, size: int, step: int, place: int) -> tuple[Tensor, Tensor | None]:
        """(4, size, size) image, vessel, ignored, tube of one sample, and the channels that it keeps."""
        rng = np.random.default_rng([self.seed, step, 1 + place])  # 0 is the stream of the step
        sample = source.samples[int(rng.integers(len(source.samples)))]
        planes = np.stack(
            [
                sample.image.astype(np.float32),
                (sample.label == 1).astype(np.float32),
                (sample.label == 255).astype(np.float32),
                sample.tube.astype(np.float32),
            ]
        )
        transform = random_warp(sample.label, size, self.augmentation, rng)
        crop = warp(torch.from_numpy(planes), transform, size)
        crop[:1], hidden = augment_intensity(crop[:1], self.augmentation, rng)
        unseen = hidden[0] & (crop[1] > 0.5)  # a vessel that nobody could outline there is no lesson
        crop[1:3, unseen] = torch.tensor([[0.0], [1.0]])
        return crop, self._channel_keep(rng)

    def _channel_keep(self, rng: np.random.Generator) -> Tensor | None:
        share = self.augmentation.channel_dropout
        if not (share and self.stem_channels):
            return None
        keep = rng.random((self.stem_channels, 1, 1)) >= share
        return torch.from_numpy(keep.astype(np.float32) / (1 - share))
