"""``fsd-map``: feature-wise similarity distillation as a map of where the shift differs; our default."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from src_training.distillation.pair import Pair, dilated, per_sample_mean

GRID = 16  # locations a side; 256 x 256 similarities, 0.25 MiB a map and sample
_VESSEL_WEIGHT = 4.0
_DEAD = 1e-4  # share of the mean energy below which a feature counts as dead
_EPSILON = 1e-6


def fsd_map_term(pair: Pair) -> Tensor:
    """Mean over symmetric layer pairs of Σ_i w_i (r_t(i) - r_s(i))² / Σ_i w_i → (B,).

    r(i) = cos(G_E[i, :], G_D[i, :]): how the similarities of location i to all others shift between encoder
    and decoder; w_i = 1 + 4 where the location holds vessel. After Dang et al., LightVessel, ICASSP 2023,
    eq. 2-3, kept per location instead of one scalar an image, and without a projector.
    """
    weight = 1 + _VESSEL_WEIGHT * functional.adaptive_max_pool2d(dilated(pair.vessel, 3), GRID).flatten(1)
    terms = []
    for stride in pair.symmetric_strides:
        student = shift_map(pair.student.encoder[stride], pair.student.decoder[stride])
        teacher = shift_map(pair.teacher.encoder[stride], pair.teacher.decoder[stride])
        terms.append((weight * (teacher - student).pow(2)).sum(dim=1) / weight.sum(dim=1))
    return per_sample_mean(torch.stack(terms, dim=1))


def shift_map(encoder: Tensor, decoder: Tensor) -> Tensor:
    """r (B, GRID²) of two maps (B, C, h, w) and (B, C', h, w)."""
    of_encoder, of_decoder = similarities(encoder), similarities(decoder)
    product = (of_encoder * of_decoder).sum(dim=2)
    return product / (_length(of_encoder) * _length(of_decoder))


def similarities(features: Tensor) -> Tensor:
    """Gram matrix (B, N, N) of the pooled, centred, normalised locations, its diagonal zeroed.

    With the diagonal, unrelated features of many channels look alike: it would only tell their width.
    """
    x = functional.adaptive_avg_pool2d(features, GRID).flatten(2)
    x = x - x.mean(dim=2, keepdim=True)
    energy = x.pow(2).sum(dim=1, keepdim=True)
    floor = _DEAD * energy.mean(dim=2, keepdim=True).detach() + _EPSILON
    x = x / torch.sqrt(energy + floor)
    gram = x.transpose(1, 2) @ x
    return gram * (1 - torch.eye(gram.shape[1], device=gram.device, dtype=gram.dtype))


def _length(gram: Tensor) -> Tensor:
    return torch.sqrt(gram.pow(2).sum(dim=2) + _EPSILON)
