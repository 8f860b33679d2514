"""Weights that make every distillation term pull as strongly as it should, whatever its units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from src_training.distillation.objective import DistillationObjective
from src_training.training.samples import Batch

_LARGEST = 1000.0  # a term that has next to no gradient now may have one later


def balanced_weights(
    objective: DistillationObjective, network: nn.Module, batches: Iterable[Batch], share: float
) -> list[float]:
    """Each term's weight times ``share`` · |task gradient| / |its gradient|, in the order of ``objective.names``.

    Gradients are taken at the network's decoder and averaged over ``batches``; the network is not changed.
    """
    parameters = [
        p for n, p in network.named_parameters() if n.startswith(("decoder", "up", "refine", "head"))
    ]
    task = 0.0
    terms = [0.0 for _ in objective.names]
    training = network.training
    network.eval()  # running statistics stay as they are
    for batch in batches:
        pair = objective.pair(network, batch)
        task = task + _norm(
            torch.stack(list(objective.task.terms(pair.student.logits, batch).values())).sum(), parameters
        )
        for index, name in enumerate(objective.names):
            terms[index] = terms[index] + _norm(objective.loss(name)(pair).mean(), parameters)
    network.train(training)
    return [
        wanted * min(_LARGEST, share * task / (term + 1e-12))
        for wanted, term in zip(objective.weights.tolist(), terms, strict=True)
    ]


def _norm(loss: Tensor, parameters: Sequence[nn.Parameter]) -> float:
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    # Summed in numpy: Apple's GPUs know no double precision.
    found = (g.detach().float().cpu().numpy().astype(np.float64) for g in gradients if g is not None)
    return math.sqrt(sum(float(np.square(gradient).sum()) for gradient in found))
