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
from src_training.models.card import LabelProtocol, Normalisation
from src_training.networks.network import Network
from src_training.training.devices import pick_device
from src_training.training.objectives import TaskObjective, forward
from src_training.training.progress import Watcher
from src_training.training.sampler import Sampler
from src_training.training.samples import INPUT_SIZE
from src_training.training.settings import TaughtSettings
from src_training.training.weights import load_network
from src_training.workspace import Workspace

_BALANCED_ON = 4  # batches,
_PARTS = 4  # each in so many parts: nothing here may need more memory than a step


def taught(
    network: Network,
    task: TaskObjective,
    teacher: Network,
    sampler: Sampler,
    settings: TaughtSettings,
    watcher: Watcher,
    *,
    begun: bool = False,
) -> TaskObjective | DistillationObjective:
    """The objective with ``teacher`` and the settings' method, ready for the loop; the task alone for ``plain``.

    The network is the scratch-trained student where the published projector is to be fitted. ``begun``: the
    loop has a checkpoint to go on from, which holds the projector and the weights; neither is found anew.
    """
    terms = parse_method(settings.method)
    if not terms:
        return task
    # The parts of the objective are drawn alike whatever drew before them, so that a resumed run has the same.
    torch.manual_seed(settings.seed)
    device = pick_device(settings.device)
    teacher.to(device)
    network.to(device).eval()
    few = sampler.batch(0).to(device).split(_PARTS)[0]
    with torch.no_grad():
        pair = Pair.of(forward(network, few), teacher(few.image), few)
    ramp_steps = round(settings.ramp * settings.steps)
    objective = DistillationObjective(task, teacher, terms, pair, ramp_steps)
    objective.to(device)

    def tell(message: str) -> None:
        watcher.emit({"event": "log", "message": message})

    if begun:
        return objective
    fit_projector(objective, network, sampler, settings.projector_steps, watcher)
    if settings.balance:
        batches = [
            part.to(device) for step in range(_BALANCED_ON) for part in sampler.batch(step).split(_PARTS)
        ]
        objective.set_weights(balanced_weights(objective, network, batches, settings.balance))
    told = ", ".join(f"{name} x {weight:.3g}" for name, weight in objective.told_weights().items())
    tell(f"taught by {settings.teacher}: {told}")
    return objective


def fitting_teacher(
    ref: str,
    protocol: LabelProtocol,
    workspace: Workspace | None = None,
    *,
    normalisation: Normalisation = Normalisation(),
    input_size: int = INPUT_SIZE,
) -> Model:
    """The model that is to teach; the other arguments are the student's label protocol and how it sees frames.

    Raises ModelError when there is no such model, or it sees frames in another way than the student.
    """
    model = load_model(ref, workspace)
    if (model.card.normalisation, model.card.input_size) != (normalisation, input_size):
        raise ModelError(
            f"{ref}: sees frames at another scale or brightness than the student. Choose another teacher."
        )
    if len({model.card.label_protocol, protocol} - {"unknown"}) > 1:
        raise ModelError(
            f"{ref}: labels {model.card.label_protocol}, the student {protocol}. Choose a teacher of its protocol."
        )
    return model


def teacher_network(model: Model) -> Network:
    """The network of a teacher, for evaluation only."""
    return load_network(model.folder, model.card.architecture).eval().requires_grad_(False)
