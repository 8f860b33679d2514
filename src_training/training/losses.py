"""Task losses: every term is a mean of per-sample terms over the reviewed pixels (valid = 1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_EPSILON = 1.0  # pixels: keeps the ratio of an empty crop finite and its gradient small


def bce(logits: Tensor, vessel: Tensor, valid: Tensor) -> Tensor:
    """Binary cross-entropy, mean over reviewed pixels of each sample, then over samples. All (B, 1, h, w)."""
    pixel = functional.binary_cross_entropy_with_logits(logits, vessel, reduction="none")
    return (_pixels(pixel * valid) / (_pixels(valid) + _EPSILON)).mean()


def soft_dice(logits: Tensor, vessel: Tensor, valid: Tensor) -> Tensor:
    """1 - 2 Σpy / (Σp + Σy) per sample (Milletari et al., V-Net, 2016, without squares)."""
    probability = torch.sigmoid(logits) * valid
    target = vessel * valid
    overlap = 2 * _pixels(probability * target) + _EPSILON
    return (1 - overlap / (_pixels(probability) + _pixels(target) + _EPSILON)).mean()


def skeleton_recall(logits: Tensor, tube: Tensor, valid: Tensor) -> Tensor:
    """1 - recall of the tubed ground-truth skeleton (Kirchhoff et al., Skeleton Recall Loss, ECCV 2024)."""
    tube = tube * valid
    found = _pixels(torch.sigmoid(logits) * tube) + _EPSILON
    return (1 - found / (_pixels(tube) + _EPSILON)).mean()


def _pixels(x: Tensor) -> Tensor:
    return x.sum(dim=(1, 2, 3))
