"""``skd``: structured knowledge: which locations are alike, and whether a prediction looks like the teacher's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from src_training.distillation.pair import Pair

_POOLED = 8  # locations a side for the pair-wise part
_HOLISTIC_WEIGHT = 0.1
_PENALTY = 10.0
_EPSILON = 1e-6


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
        return pairwise(pair) - _HOLISTIC_WEIGHT * self._judged(pair, pair.student_probability)

    def after_step(self, pair: Pair) -> None:
        """One step of the critic: teacher's predictions up, student's down, gradient of norm 1 between them."""
        real, fake = pair.teacher_probability, pair.student_probability.detach()
        # fixed shares, one a sample, so that a resumed run meets the same ones
        share = torch.linspace(0.05, 0.95, len(real), device=real.device)[:, None, None, None]
        self.critic.requires_grad_(True)
        between = (share * real + (1 - share) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(self._judged(pair, between).sum(), between, create_graph=True)
        penalty = (torch.sqrt(slope.pow(2).sum(dim=(1, 2, 3)) + _EPSILON) - 1).pow(2)
        loss = (self._judged(pair, fake) - self._judged(pair, real) + _PENALTY * penalty).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.critic.requires_grad_(False)

    def get_extra_state(self) -> dict[str, Any]:
        """The critic's optimiser, for a checkpoint."""
        return self.optimiser.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the critic's optimiser."""
        self.optimiser.load_state_dict(state)

    def _judged(self, pair: Pair, probability: Tensor) -> Tensor:
        """(B,) the critic's opinion of a prediction on its image."""
        return self.critic(torch.cat([pair.batch.image.float(), probability], dim=1)).flatten(1).mean(dim=1)


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
