"""``fitnet``: the teacher's features themselves, through a learnt 1x1 adapter."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src_training.distillation.pair import Pair, per_sample_mean

_DEAD = 1e-2  # energy below which a map of the teacher counts as dead
Channels = dict[str, tuple[int, int]]


class FitNet(nn.Module):
    """Mean over shared decoder maps of mean (A F_s - F_t)² / mean F_t² → (B,); A is trained with the student.

    Source: Romero et al., FitNets, ICLR 2015, eq. 3; divided by the teacher's energy, since teachers differ.
    """

    def __init__(self, channels: Channels) -> None:
        super().__init__()
        self.adapters = nn.ModuleDict(
            {stride: nn.Conv2d(student, teacher, 1) for stride, (student, teacher) in channels.items()}
        )

    @classmethod
    def between(cls, pair: Pair) -> FitNet:
        """Adapters for the shared decoder strides of the two networks in ``pair``."""
        return cls(
            {
                str(s): (pair.student.decoder[s].shape[1], pair.teacher.decoder[s].shape[1])
                for s in pair.decoder_strides
            }
        )

    def forward(self, pair: Pair) -> Tensor:
        terms = []
        for stride in pair.decoder_strides:
            teacher = pair.teacher.decoder[stride]
            gap = self.adapters[str(stride)](pair.student.decoder[stride]) - teacher
            terms.append(per_sample_mean(gap.pow(2)) / (per_sample_mean(teacher.pow(2)) + _DEAD))
        return per_sample_mean(torch.stack(terms, dim=1))
