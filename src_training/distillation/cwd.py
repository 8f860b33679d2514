"""``cwd``: where in the frame a channel has its mass."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from src_training.distillation.pair import Pair

TEMPERATURE = 4.0


def cwd_term(pair: Pair) -> Tensor:
    """T² · KL over H·W of softmax(z_t / T) against softmax(z_s / T), on the logit channel → (B,).

    Source: Shu et al., Channel-wise Knowledge Distillation for Dense Prediction, ICCV 2021, eq. 3-4
    (their variant on the logits; here there is one channel).
    """
    student = functional.log_softmax(pair.student.logits.flatten(1) / TEMPERATURE, dim=1)
    teacher = functional.log_softmax(pair.teacher.logits.flatten(1) / TEMPERATURE, dim=1)
    return TEMPERATURE**2 * (torch.exp(teacher) * (teacher - student)).sum(dim=1)
