"""One-click fine-tuning on corrected frames, held to what the model knew: replay, anchor, averaging, gate."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from src_training import confined, durable
from src_training.dataset import Revision
from src_training.dataset.twins import left_out_text, one_sided
from src_training.errors import DatasetError, RunError
from src_training.models import Model, default_model, load_model
from src_training.models.bounds import check_training
from src_training.models.card import ModelCard
from src_training.models.library import stored_model
from src_training.networks.network import Network
from src_training.runs.reading import read_record
from src_training.training.checkpoint import LAST
from src_training.training.devices import pick_device
from src_training.training.heritage import inherited
from src_training.training.loop import fit
from src_training.training.objectives import AnchoredObjective, TaskObjective
from src_training.training.pausing import write_when_there_is_space
from src_training.training.progress import Watcher
from src_training.training.publish import stage_model
from src_training.training.replay import replay_samples
from src_training.training.sampler import Sampler, Source
from src_training.training.samples import Sample, make_sample
from src_training.training.settings import FinetuneSettings, largest_batch
from src_training.training.stepping import Objective
from src_training.training.teaching import (
    WEIGHTS_OF_TERMS,
    check_other,
    fitting_teacher,
    taught,
    teacher_network,
    weights_of,
)
from src_training.training.validation import Validator
from src_training.training.weights import load_network
from src_training.workspace import Workspace

BASE_FILE = "base.json"
HOME_TOLERANCE = 0.005  # Dice that may be lost on held-back base frames while choosing; the gate allows 0.01
_HELD_BACK_REPLAY = 4  # every 4th replay frame is kept from training, to see forgetting
_THRESHOLD_REACH = np.arange(-0.15, 0.16, 0.05)  # about the card's
_THRESHOLD_GAIN = 0.002  # Dice
_HELD_BACK_OWN = 5  # without validation patients, every 5th corrected frame serves as one
_TRAINING_STATUSES = ("accepted", "no_vessel")


@dataclass(frozen=True)
class Material:
    """What a fine-tuning learns from and is chosen on: corrected frames and base frames."""

    new_train: Sequence[Sample]
    new_val: Sequence[Sample]
    base_train: Sequence[Sample]
    base_val: Sequence[Sample]


@dataclass(frozen=True)
class Choice:
    """The share of new weights and the threshold that won, with the figures that decided."""

    share: float
    threshold: float
    new_dice: float
    new_dice_before: float
    base_dice: float
    base_dice_before: float


def finetune(workspace: Workspace, settings: FinetuneSettings, run: Path, watcher: Watcher) -> Model:
    """Fine-tune on the workspace's accepted frames and add the result to its models; it does not go live.

    A resumed run goes on with the model and the frames it began with, whatever happened since.

    Raises
    ------
    DatasetError : no accepted frames to learn from, or some of those it began with are gone.
    RunError, Cancelled : as the loop.
    """
    check_device(settings)
    if (made_before := _made_before(workspace, run)) is not None:
        return made_before
    base, revisions = beginning(workspace, settings, run)
    check_memory(run.name, base, settings, workspace)
    if left_out := left_out_text(_reviewed(workspace)):
        watcher.emit({"event": "log", "message": left_out})
    network = load_network(base.folder, base.card.architecture)
    material = gather(revisions, base.card, network.stride, watcher)
    watcher.emit({"event": "log", "message": describe(material, base)})
    tuned, choice, weights = tune(
        network, base.card, material, settings, run / "checkpoints", watcher, workspace
    )
    watcher.emit({"event": "log", "message": describe_choice(choice)})
    made: list[Model] = []
    write_when_there_is_space(
        lambda: made.append(publish(workspace, tuned, choice, base, settings, revisions, run, weights)),
        settings.steps,
        watcher,
    )
    return made[0]


def check_beforehand(workspace: Workspace, settings: FinetuneSettings) -> None:
    """Raise what would stop a run at once, or waste it: models, a teacher that is the student, frames or device."""
    check_device(settings)
    base = base_model(workspace, settings)
    if settings.teacher:
        check_other(base.card, teacher_of(base.card, settings, workspace))
    check_memory("the run", base, settings, workspace)
    training_revisions(workspace)


def check_device(settings: FinetuneSettings) -> None:
    """Raise RunError for more devices than one, ModelError for one that this computer lacks."""
    if settings.devices > 1:
        raise RunError("a run of a workspace computes on one device. Set devices to 1.")
    pick_device(settings.device)


def check_memory(called: str, base: Model, settings: FinetuneSettings, workspace: Workspace) -> None:
    """Raise RunError when the run would take more memory than it may (`models.bounds`)."""
    watching = [base.card.architecture]  # the anchor, where nobody teaches
    if settings.teacher:
        watching.append(teacher_of(base.card, settings, workspace).card.architecture)
    check_training(
        called,
        largest_batch(settings),
        base.card.architecture,
        watching,
        loaders=settings.loaders,
        on_cpu=pick_device(settings.device).type == "cpu",
    )


def base_model(workspace: Workspace, settings: FinetuneSettings) -> Model:
    """The model to go on from: the one that is named, or the live one."""
    return load_model(settings.base_model, workspace) if settings.base_model else default_model(workspace)


def teacher_of(student: ModelCard, settings: FinetuneSettings, workspace: Workspace | None) -> Model:
    """The model that is to teach the student; raises ModelError when it does not fit."""
    return fitting_teacher(
        settings.teacher,
        student.label_protocol,
        workspace,
        normalisation=student.normalisation,
        input_size=student.input_size,
    )


def beginning(workspace: Workspace, settings: FinetuneSettings, run: Path) -> tuple[Model, list[Revision]]:
    """The model and the frames of a run, frozen when it first starts: a snapshot of its name and ``base.json``.

    Raises RunError when the snapshot is not the one the run began with.
    """
    record = run / BASE_FILE
    if not confined.is_there(record):
        base = base_model(workspace, settings)
        snapshot = workspace.dataset.snapshot(run.name, training_revisions(workspace))
        durable.write_new(record, json.dumps({"model": base.id, "snapshot": snapshot.sha256}).encode())
    began, snapshot = read_record(record), workspace.dataset.load_snapshot(run.name)
    if began is None:
        raise RunError(f"{run.name}: {BASE_FILE} is damaged. Start a new run.")
    if began.get("snapshot", snapshot.sha256) != snapshot.sha256:  # runs of older versions do not say
        raise RunError(f"{run.name}: its snapshot of frames is not the one it began with. Start a new run.")
    return stored_model(began.get("model"), workspace), list(snapshot.revisions)


def tune(
    network: Network,
    card: ModelCard,
    material: Material,
    settings: FinetuneSettings,
    checkpoints: Path,
    watcher: Watcher,
    workspace: Workspace | None = None,
) -> tuple[Network, Choice, dict[str, float]]:
    """Fine-tune ``network`` on the material; return the average of old and new weights that won, why, and the
    weights of the distillation terms as they were found.

    ``workspace`` is where a teacher may be found, beside the shipped models.
    """
    torch.manual_seed(settings.seed)
    previous = copy.deepcopy(network)
    sampler = Sampler(
        [
            Source(material.new_train, 1.0),
            Source(material.base_train, settings.replay_share, replay=True),
        ],
        seed=settings.seed,
        batch_pixels=settings.batch_pixels,
        crop_sizes=settings.crop_sizes,
        augmentation=settings.augmentation,
    )
    task = TaskObjective(settings.skeleton_weight)
    objective: Objective
    if settings.teacher:
        teacher = teacher_network(teacher_of(card, settings, workspace))
        begun = confined.is_file(checkpoints / LAST)
        objective = taught(network, task, teacher, sampler, settings, watcher, begun=begun)
    else:
        anchor = previous.fused().to(pick_device(settings.device))
        objective = AnchoredObjective(task, anchor, settings.anchor_weight)
    validate = Validator(material.new_val or material.new_train, watcher)
    fit(network, sampler, objective, validate, settings, checkpoints, watcher)
    watcher.emit({"event": "trained", "message": "trained; choosing how much of the new weights to keep"})
    tuned, choice = choose_average(previous, network.cpu(), material, settings, card, watcher)
    return tuned, choice, weights_of(objective)


def training_revisions(workspace: Workspace) -> list[Revision]:
    """Heads a model may learn from or be chosen on: reviewed frames outside the test bucket, no picture on two sides.

    While a workspace holds nothing but test patients, it learns from those; they then judge neither
    this model nor any that is made from it (`models.contest`). DatasetError when there is nothing to learn from.
    """
    reviewed = _reviewed(workspace)
    if not reviewed:
        raise DatasetError(
            f"{workspace.path.name}: no accepted frames to learn from. "
            "Accept corrected frames first (Accept, or lightvessel dataset append)."
        )
    heads = one_sided(reviewed)
    if all(revision.bucket == "test" for revision in reviewed):
        return heads
    if not (learnable := [revision for revision in heads if revision.bucket != "test"]):
        raise DatasetError(
            f"{workspace.path.name}: every picture to learn from stands under a test patient, too. See which: "
            "lightvessel dataset verify WORKSPACE; then save the wrong ones again with --status rejected."
        )
    return learnable


def gather(
    revisions: Sequence[Revision], card: ModelCard, stride: int, watcher: Watcher = Watcher()
) -> Material:
    """Corrected frames by bucket, and the replay pack, as samples."""
    watched = watcher.through(revisions, "preparing frames")
    samples = [(revision.bucket, _sample(revision, card, stride)) for revision in watched]
    train = [sample for bucket, sample in samples if bucket != "val"]
    val = [sample for bucket, sample in samples if bucket == "val"]
    if not train:
        train, val = val, []
    if not val and len(train) >= 2 * _HELD_BACK_OWN:
        val = train[::_HELD_BACK_OWN]
        train = [sample for index, sample in enumerate(train) if index % _HELD_BACK_OWN]
    replay = replay_samples(card, stride)
    base_val = replay[::_HELD_BACK_REPLAY]
    base_train = [sample for index, sample in enumerate(replay) if index % _HELD_BACK_REPLAY]
    return Material(train, val, base_train, base_val)


def choose_average(
    old: Network,
    new: Network,
    material: Material,
    settings: FinetuneSettings,
    card: ModelCard,
    watcher: Watcher,
) -> tuple[Network, Choice]:
    """(1 - a)·old + a·new with the a that is best on validation among those that hold the base frames.

    If none holds them, the smallest a is taken: the gate then judges it on the home panel.
    """
    new_val = Validator(material.new_val or material.new_train, watcher)
    base_val = Validator(material.base_val, watcher)
    new_before, base_before = new_val.at(old, card.threshold), base_val.at(old, card.threshold)
    tried: list[tuple[Choice, Network]] = []
    for share in sorted(settings.average_steps):
        mixed = mix(old, new, share)
        choice = Choice(
            share=share,
            threshold=card.threshold,
            new_dice=new_val.at(mixed, card.threshold),
            new_dice_before=new_before,
            base_dice=base_val.at(mixed, card.threshold),
            base_dice_before=base_before,
        )
        tried.append((choice, mixed))
    holding = [pair for pair in tried if pair[0].base_dice >= base_before - HOME_TOLERANCE]
    choice, network = max(holding or tried[:1], key=lambda pair: pair[0].new_dice)
    return network, with_threshold(choice, network, new_val, base_val)


def with_threshold(choice: Choice, network: Network, new_val: Validator, base_val: Validator) -> Choice:
    """The choice at the threshold near the card's that suits corrected and base frames best, taken together.

    The card's own stays unless another is better by more than a few frames could pretend.
    """
    near = np.round(choice.threshold + _THRESHOLD_REACH, 2)
    thresholds = near[(near > 0) & (near < 1)]
    new, base = new_val.curve(network, thresholds), base_val.curve(network, thresholds)
    best = int(np.argmax(new + base))
    gain = (new[best] + base[best] - choice.new_dice - choice.base_dice) / 2
    if gain < _THRESHOLD_GAIN or base[best] < choice.base_dice_before - HOME_TOLERANCE:
        return choice
    return replace(
        choice,
        threshold=float(thresholds[best]),
        new_dice=float(new[best]),
        base_dice=float(base[best]),
    )


def mix(old: Network, new: Network, share: float) -> Network:
    """The network whose weights lie at ``share`` of the way from old to new."""
    mixed = copy.deepcopy(new)
    before, after = old.state_dict(), new.state_dict()
    mixed.load_state_dict(
        {
            name: torch.lerp(before[name], after[name], share)
            if after[name].is_floating_point()
            else after[name]
            for name in after
        }
    )
    return mixed.eval()


def publish(
    workspace: Workspace,
    network: Network,
    choice: Choice,
    base: Model,
    settings: FinetuneSettings,
    revisions: Sequence[Revision],
    run: Path,
    weights: dict[str, float],
) -> Model:
    """Add the tuned network to the workspace's models, with a frozen list of the frames it learnt from."""
    snapshot = workspace.dataset.load_snapshot(run.name)
    if settings.teacher:  # by its id: a card must not tell the folders of a computer
        settings = settings.model_copy(update={"teacher": load_model(settings.teacher, workspace).id})
    card = base.card
    with tempfile.TemporaryDirectory(prefix="lightvessel-model-") as staging:
        stage_model(
            network,
            Path(staging),
            **inherited(card, len(revisions), taught=settings.is_taught),
            teacher=settings.teacher if settings.is_taught else None,
            normalisation=card.normalisation,
            input_size=card.input_size,
            threshold=choice.threshold,
            min_component_px=card.min_component_px,
            label_protocol=card.label_protocol,
            parent=base.id,
            run=run.name,
            dataset_snapshot=snapshot.sha256,
            recipe={
                "finetune": settings.model_copy(update={"base_model": base.id}).model_dump(mode="json"),
                WEIGHTS_OF_TERMS: weights,
            },
            metrics={"validation": {name: round(value, 4) for name, value in vars(choice).items()}},
            licence=card.licence,
        )
        return workspace.models.add(staging)


def describe(material: Material, base: Model) -> str:
    """One line for the log: what the run learns from."""
    chosen_on = f"{len(material.new_val)} for choosing" if material.new_val else "too few to hold any back"
    return (
        f"from {base.id}: {len(material.new_train)} corrected frames ({chosen_on}), "
        f"{len(material.base_train)} base frames replayed"
    )


def describe_choice(choice: Choice) -> str:
    """One line for the log: which average won, and what it gained and cost."""
    return (
        f"{choice.share:.0%} of the new weights: Dice {choice.new_dice_before:.3f} → {choice.new_dice:.3f} on "
        f"corrected frames, {choice.base_dice_before:.3f} → {choice.base_dice:.3f} on held-back base frames"
    )


def _made_before(workspace: Workspace, run: Path) -> Model | None:
    """The model of a run that was stopped after it had added it, while it was compared."""
    return next((model for model in workspace.models.list() if model.card.run == run.name), None)


def _reviewed(workspace: Workspace) -> list[Revision]:
    return [r for status in _TRAINING_STATUSES for r in workspace.dataset.heads(status=status)]


def _sample(revision: Revision, card: ModelCard, stride: int) -> Sample:
    return make_sample(
        revision.case[:8],
        np.asarray(revision.frame()),
        revision.mask(),
        normalisation=card.normalisation,
        input_size=card.input_size,
        stride=stride,
        patient=revision.patient_key,
    )
