"""``asd-window``: adversarial similarity distillation by windows, never against beating the teacher; our default."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from src_training.distillation.pair import Pair, dilated

WINDOW = 16  # px at the working scale of 512
_EPSILON = 1e-6
_LEAST_REVIEWED = 0.25
_BACKGROUND_WEIGHT = 0.25


def asd_window_term(pair: Pair) -> Tensor:
    """Σ_j m_j relu(e_s(j) - e_t(j))² / Σ_j m_j over windows j; zero on unlabelled frames → (B,).

    e(j) is the root mean square distance from the annotation over the reviewed pixels of window j;
    m = 1 on windows with vessel (labelled, grown, or p_t > 0.5), else 0.25, and 0 where under a quarter was
    reviewed. After Dang et al., LightVessel, ICASSP 2023, eq. 4-5; the hinge removes the push away from the
    label that the literal form has once the student is the better one.
    """
    reviewed = _pooled(pair.batch.valid)
    excess = torch.relu(_distance(pair.student_probability, pair) - _distance(pair.teacher_probability, pair))
    near = dilated(pair.batch.vessel * pair.batch.valid, 5)
    near = torch.maximum(near, (pair.teacher_probability > 0.5).float())
    has_vessel = (functional.max_pool2d(near, WINDOW, stride=WINDOW // 2) > 0).float()
    mass = (_BACKGROUND_WEIGHT + (1 - _BACKGROUND_WEIGHT) * has_vessel) * (reviewed >= _LEAST_REVIEWED)
    total = (mass * excess.pow(2)).sum(dim=(1, 2, 3))
    return total / (mass.sum(dim=(1, 2, 3)) + _EPSILON) * pair.labelled


def _distance(probability: Tensor, pair: Pair) -> Tensor:
    squared = _pooled(pair.batch.valid * (probability - pair.batch.vessel).pow(2))
    return torch.sqrt(squared / _pooled(pair.batch.valid).clamp_min(_EPSILON) + _EPSILON)


def _pooled(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, WINDOW, stride=WINDOW // 2)
