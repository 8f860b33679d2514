"""``asd-paper``: adversarial similarity distillation as published."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from src_training.distillation.pair import Pair

_EPSILON = 1e-12


def asd_paper_term(pair: Pair, norm: Literal["rms", "sum"] = "rms") -> Tensor:
    """|e_t - e_s|, e = distance of the prediction from the annotation over reviewed pixels → (B,).

    Source: Dang et al., LightVessel, ICASSP 2023, eq. 4-5. ``rms`` divides by the number of pixels, so that
    the value does not swamp the task; ``sum`` is the literal scale. Zero on unlabelled frames.
    """
    student = _distance(pair.student_probability, pair, norm)
    teacher = _distance(pair.teacher_probability, pair, norm)
    return (teacher - student).abs() * pair.labelled


def _distance(probability: Tensor, pair: Pair, norm: Literal["rms", "sum"]) -> Tensor:
    squared = (pair.batch.valid * (probability - pair.batch.vessel).pow(2)).sum(dim=(1, 2, 3))
    if norm == "rms":
        squared = squared / pair.batch.valid.sum(dim=(1, 2, 3)).clamp_min(1.0)
    return torch.sqrt(squared + _EPSILON)
