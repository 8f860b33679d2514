"""Bringing a teacher into a training: load it, fit what has to be fitted first, balance the terms."""

from __future__ import annotations

import torch

from src_training.distillation.balance import balanced_weights
from src_training.distillation.objective import DistillationObjective
from src_training.distillation.pair import Pair
from src_training.distillation.projecting import fit_projector
from src_training.distillation.recipe import parse_method
from src_training.errors import ModelError
from src_training.models import Model, load_model
from src_training.models.card import Normalisation
from src_training.networks.network import Network
from src_training.training.devices import pick_device
from src_training.training.loop import Watcher
from src_training.training.objectives import TaskObjective, forward
from src_training.training.sampler import Sampler
from src_training.training.settings import TaughtSettings
from src_training.training.weights import load_network
from src_training.workspace import Workspace

_BALANCED_ON = 4  # batches


def taught(
    network: Network,
    task: TaskObjective,
    sampler: Sampler,
    settings: TaughtSettings,
    watcher: Watcher,
    workspace: Workspace | None = None,
) -> TaskObjective | DistillationObjective:
    """The objective with the settings' teacher and method, ready for the loop; the task alone for ``plain``.

    The network is the scratch-trained student where the published projector is to be fitted.
    Raises ModelError when the teacher cannot be had or sees frames in another way than the student.
    """
    terms = parse_method(settings.method)
    if not terms:
        return task
    teacher = load_teacher(settings.teacher, workspace).to(pick_device(settings.device))
    network.to(pick_device(settings.device))
    batch = sampler.batch(0).to(pick_device(settings.device))
    network.eval()
    with torch.no_grad():
        pair = Pair.of(forward(network, batch), teacher(batch.image), batch)
    ramp_steps = round(settings.ramp * settings.steps)
    objective = DistillationObjective(task, teacher, terms, pair, ramp_steps)
    objective.to(pick_device(settings.device))

    def tell(message: str) -> None:
        watcher.emit({"event": "log", "message": message})

    fit_projector(objective, network, sampler, settings.projector_steps, tell)
    if settings.balance:
        batches = [sampler.batch(step).to(batch.image.device) for step in range(_BALANCED_ON)]
        objective.set_weights(balanced_weights(objective, network, batches, settings.balance))
    weights = zip(objective.names, objective.weights.tolist(), strict=True)
    tell(f"taught by {settings.teacher}: " + ", ".join(f"{name} x {weight:.3g}" for name, weight in weights))
    return objective


def load_teacher(ref: str, workspace: Workspace | None = None) -> Network:
    """The network of a model, for evaluation only; raises ModelError when it cannot teach our students."""
    model: Model = load_model(ref, workspace)
    if model.card.normalisation != Normalisation() or model.card.input_size != 512:
        raise ModelError(
            f"{ref}: sees frames at another scale or brightness than the student. Choose another teacher."
        )
    return load_network(model.folder, model.card.architecture).eval().requires_grad_(False)
