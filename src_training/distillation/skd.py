"""``skd``: structured knowledge: which locations are alike, and whether a prediction looks like the teacher's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from src_training.distillation.pair import Pair

_POOLED = 8  # locations a side for the pair-wise part
_HOLISTIC_WEIGHT = 0.1
_PENALTY = 10.0
_EPSILON = 1e-6


@dataclass(frozen=True)
class Predictions:
    """Images and what teacher and student see in them, without gradient: all (B, 1, h, w)."""

    image: Tensor
    teacher: Tensor
    student: Tensor

    @classmethod
    def of(cls, pair: Pair) -> Predictions:
        """Those of one pair."""
        image = pair.batch.image.detach().float()
        return cls(image, pair.teacher_probability.detach(), pair.student_probability.detach())

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """Those of a batch that was computed in parts."""
        names = ("image", "teacher", "student")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


class Skd(nn.Module):
    """Pair-wise affinity distance plus a holistic Wasserstein critic with gradient penalty → (B,).

    Source: Liu et al., Structured Knowledge Distillation for Semantic Segmentation, CVPR 2019, eq. 2-5;
    the penalty: Gulrajani et al., Improved Training of Wasserstein GANs, 2017, eq. 3. The critic has its own
    optimiser and learns in `after_step`; it is the one part that is not a mean over samples.
    """

    def __init__(self, learning_rate: float = 1e-4) -> None:
        super().__init__()
        self.critic = nn.Sequential(
            nn.Conv2d(2, 16, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(16, 32, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 4, 2, 1),
        ).requires_grad_(False)
        self.optimiser = torch.optim.Adam(self.critic.parameters(), lr=learning_rate, betas=(0.0, 0.9))

    @classmethod
    def between(cls, _pair: Pair) -> Skd:
        """Fits any pair of networks."""
        return cls()

    def forward(self, pair: Pair) -> Tensor:
        judged = self.judged(pair.batch.image.float(), pair.student_probability)
        return pairwise(pair) - _HOLISTIC_WEIGHT * judged

    def after_step(self, seen: Predictions) -> None:
        """One step of the critic: teacher's predictions up, student's down, gradient of norm 1 between them."""
        image, real, fake = seen.image, seen.teacher, seen.student
        # fixed shares, one a sample, so that a resumed run meets the same ones
        share = torch.linspace(0.05, 0.95, len(real), device=real.device)[:, None, None, None]
        self.critic.requires_grad_(True)
        between = (share * real + (1 - share) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(self.judged(image, between).sum(), between, create_graph=True)
        penalty = (torch.sqrt(slope.pow(2).sum(dim=(1, 2, 3)) + _EPSILON) - 1).pow(2)
        loss = (self.judged(image, fake) - self.judged(image, real) + _PENALTY * penalty).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._agree()
        self.optimiser.step()
        self.critic.requires_grad_(False)

    def get_extra_state(self) -> dict[str, Any]:
        """The critic's optimiser, for a checkpoint."""
        return self.optimiser.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the critic's optimiser."""
        self.optimiser.load_state_dict(state)

    def judged(self, image: Tensor, probability: Tensor) -> Tensor:
        """(B,) the critic's opinion of a prediction on its image."""
        return self.critic(torch.cat([image, probability], dim=1)).flatten(1).mean(dim=1)

    def _agree(self) -> None:
        """Processes that compute one batch together keep one critic."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for parameter in self.critic.parameters():
                if parameter.grad is not None:
                    torch.distributed.all_reduce(parameter.grad)
                    parameter.grad /= torch.distributed.get_world_size()


def pairwise(pair: Pair) -> Tensor:
    """Mean squared difference of the affinity matrices of the coarsest shared decoder map → (B,)."""
    stride = pair.decoder_strides[-1]
    gap = affinity(pair.student.decoder[stride]) - affinity(pair.teacher.decoder[stride])
    return gap.pow(2).mean(dim=(1, 2))


def affinity(features: Tensor) -> Tensor:
    """(B, N, N) cosines between the pooled locations of (B, C, h, w)."""
    x = functional.adaptive_avg_pool2d(features, _POOLED).flatten(2)
    x = x / torch.sqrt(x.pow(2).sum(dim=1, keepdim=True) + _EPSILON)
    return x.transpose(1, 2) @ x
