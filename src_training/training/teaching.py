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
from src_training.models.card import LabelProtocol, ModelCard, Normalisation
from src_training.networks.network import Network
from src_training.training.devices import pick_device
from src_training.training.objectives import TaskObjective, forward
from src_training.training.progress import Watcher
from src_training.training.sampler import Sampler
from src_training.training.samples import INPUT_SIZE
from src_training.training.settings import TaughtSettings
from src_training.training.stepping import Objective, free_memory, in_parts_that_fit
from src_training.training.weights import load_network
from src_training.workspace import Workspace

WEIGHTS_OF_TERMS = "weights of the terms"  # in the recipe of a card
_BALANCED_ON = 4  # batches,
_PARTS = 4  # each in so many parts: a term's gradient needs more memory than a step


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
    one = sampler.batch(0).to(device)
    one = one.split(len(one))[0]
    with torch.no_grad():
        pair = Pair.of(forward(network, one), teacher(one.image), one)
    ramp_steps = round(settings.ramp * settings.steps)
    objective = DistillationObjective(task, teacher, terms, pair, ramp_steps)
    objective.to(device)
    if begun:
        return objective
    fit_projector(objective, network, sampler, settings.projector_steps, watcher)
    if settings.balance:
        objective.set_weights(_balanced(objective, network, sampler, settings.balance, watcher))
    told = ", ".join(f"{name} x {weight:.3g}" for name, weight in objective.told_weights().items())
    watcher.emit({"event": "log", "message": f"taught by {settings.teacher}: {told}"})
    return objective


def weights_of(objective: Objective) -> dict[str, float]:
    """The weights of the distillation terms, by name, as they were found; empty without a teacher."""
    return objective.told_weights() if isinstance(objective, DistillationObjective) else {}


def _balanced(
    objective: DistillationObjective, network: Network, sampler: Sampler, share: float, watcher: Watcher
) -> list[float]:
    """Weights that are balanced on a few batches, in parts that fit the memory."""
    device = next(network.parameters()).device
    batches = [sampler.batch(step) for step in range(_BALANCED_ON)]

    def compute(parts: int) -> list[float]:
        few = [part for batch in batches for part in batch.split(parts)]
        watched = (part.to(device) for part in watcher.through(few, "balancing the terms"))
        return balanced_weights(objective, network, watched, share)

    return in_parts_that_fit(compute, _PARTS, max(map(len, batches)), free_memory)[0]


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


def check_other(student: ModelCard, teacher: Model) -> None:
    """Raise ModelError for a student that would be its own teacher."""
    if student == teacher.card:
        raise ModelError(f"{teacher.id}: student and teacher are the same model. Choose a larger teacher.")


def teacher_network(model: Model) -> Network:
    """The network of a teacher in its inference form, for evaluation only."""
    return load_network(model.folder, model.card.architecture).fused().requires_grad_(False)
