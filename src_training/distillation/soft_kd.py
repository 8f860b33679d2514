"""``soft-kd``: the teacher's softened probabilities."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from src_training.distillation.pair import Pair

_EPSILON = 1.0  # pixels: keeps the ratio of an empty weight finite
_UNSURE = 0.2  # |p_t - 0.5| below this is not passed on where nobody reviewed


def soft_kd(logits: Tensor, teacher_logits: Tensor, weight: Tensor, temperature: float = 2.0) -> Tensor:
    """T² · KL(Bernoulli(σ(z_t/T)) ‖ Bernoulli(σ(z_s/T))), weighted mean over pixels → (B,).

    Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015. All inputs (B, 1, h, w).
    """
    target = torch.sigmoid(teacher_logits.detach() / temperature)
    cross = functional.binary_cross_entropy_with_logits(logits / temperature, target, reduction="none")
    entropy = functional.binary_cross_entropy(target, target, reduction="none")
    pixel = temperature**2 * (cross - entropy) * weight
    return pixel.sum(dim=(1, 2, 3)) / (weight.sum(dim=(1, 2, 3)) + _EPSILON)


def soft_kd_term(pair: Pair) -> Tensor:
    """`soft_kd` on reviewed pixels, and on unlabelled or ignored ones where the teacher is sure → (B,)."""
    sure = ((pair.teacher_probability - 0.5).abs() > _UNSURE).float()
    return soft_kd(pair.student.logits, pair.teacher.logits, torch.maximum(pair.batch.valid, sure))
