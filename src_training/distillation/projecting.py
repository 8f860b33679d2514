"""The first stage of the published procedure: the projector learns to reconstruct features, eq. 1."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from src_training.distillation.fsd_paper import FsdPaper
from src_training.distillation.objective import DistillationObjective
from src_training.training.progress import Watcher
from src_training.training.sampler import Sampler
from src_training.training.samples import Batch
from src_training.training.stepping import free_memory, in_parts_that_fit

_LEARNING_RATE = 1e-3


def fit_projector(
    objective: DistillationObjective,
    network: nn.Module,
    sampler: Sampler,
    steps: int,
    watcher: Watcher,
) -> None:
    """Train the projector of ``fsd-paper`` on features of the teacher and of the scratch-trained student.

    Nothing but the projector changes, and afterwards it is frozen again. Without ``fsd-paper`` nothing happens.
    """
    if "fsd-paper" not in objective.names:
        return
    method = objective.loss("fsd-paper")
    assert isinstance(method, FsdPaper)
    method.projector.requires_grad_(True)
    optimiser = torch.optim.Adam(method.projector.parameters(), lr=_LEARNING_RATE)
    network.eval()
    device = next(network.parameters()).device
    first = last = 0.0
    parts = 1
    for step in watcher.through(range(steps), "fitting the projector"):
        batch = sampler.batch(step).to(device)
        compute = partial(_gradient, objective, method, network, batch)
        last, parts = in_parts_that_fit(compute, parts, len(batch), free_memory)
        optimiser.step()
        first = first or last
    method.projector.requires_grad_(False)
    message = f"projector: reconstruction {first:.4f} → {last:.4f} in {steps} steps; it is frozen now"
    watcher.emit({"event": "log", "message": message})


def _gradient(
    objective: DistillationObjective, method: FsdPaper, network: nn.Module, batch: Batch, parts: int
) -> float:
    """The mean reconstruction of the batch, computed in so many parts; the projector gets its gradient."""
    method.projector.zero_grad(set_to_none=True)
    total = 0.0
    for part in batch.split(parts):
        with torch.no_grad():
            pair = objective.pair(network, part)
        loss = len(part) / len(batch) * method.projector_loss(pair).mean()
        loss.backward()
        total += float(loss.detach())
    return total
