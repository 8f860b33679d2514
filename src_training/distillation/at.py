"""``at``: attention transfer."""

from __future__ import annotations

import torch
from torch import Tensor

from src_training.distillation.pair import Pair, per_sample_mean

_EPSILON = 1e-6


def attention(x: Tensor) -> Tensor:
    """Mean over channels of the squared feature, flattened and of length 1: (B, C, h, w) → (B, h·w)."""
    energy = x.pow(2).mean(dim=1).flatten(1)
    return energy / torch.sqrt(energy.pow(2).sum(dim=1, keepdim=True) + _EPSILON)


def attention_term(pair: Pair) -> Tensor:
    """Mean over shared maps and locations of (a(F_s) - a(F_t))² → (B,).

    Source: Zagoruyko & Komodakis, Paying More Attention to Attention, ICLR 2017, eq. 2.
    """
    terms = [(attention(s) - attention(t)).pow(2).mean(dim=1) for s, t in pair.features()]
    return per_sample_mean(torch.stack(terms, dim=1))
