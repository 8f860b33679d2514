"""``ifv``: how far each pixel's feature lies from the prototype of its class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from src_training.distillation.pair import Pair

_EPSILON = 1e-6


def ifv_term(pair: Pair) -> Tensor:
    """Mean over decided pixels of (v_s - v_t)², v = cos(F, prototype of the pixel's class) → (B,).

    On the finest decoder map that both networks have. Prototypes are means over one image, so that a batch
    may be split. Source: Wang et al., Intra-class Feature Variation Distillation, ECCV 2020, eq. 2-4.
    """
    stride = pair.decoder_strides[0]
    student, teacher = pair.student.decoder[stride], pair.teacher.decoder[stride]
    size = (student.shape[-2], student.shape[-1])
    vessel = (functional.adaptive_avg_pool2d(pair.vessel, size) > 0.5).float()
    decided = (functional.adaptive_avg_pool2d(pair.decided, size) > 0.5).float()
    gap = (variation(student, vessel, decided) - variation(teacher, vessel, decided)).pow(2) * decided
    return gap.sum(dim=(1, 2, 3)) / (decided.sum(dim=(1, 2, 3)) + _EPSILON)


def variation(features: Tensor, vessel: Tensor, decided: Tensor) -> Tensor:
    """(B, 1, h, w) cosine of each feature (B, C, h, w) with the image's mean feature of its class."""
    result = torch.zeros_like(vessel)
    for members in (vessel * decided, (1 - vessel) * decided):
        count = members.sum(dim=(2, 3), keepdim=True)
        prototype = (features * members).sum(dim=(2, 3), keepdim=True) / (count + _EPSILON)
        result = result + members * _cosine(features, prototype)
    return result


def _cosine(x: Tensor, prototype: Tensor) -> Tensor:
    product = (x * prototype).sum(dim=1, keepdim=True)
    return product / (_length(x) * _length(prototype))


def _length(x: Tensor) -> Tensor:
    return torch.sqrt(x.pow(2).sum(dim=1, keepdim=True) + _EPSILON)
