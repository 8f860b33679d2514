"""Train a student on ARCADE's frames: the recipe of the shipped models, in one function."""

from __future__ import annotations

from pathlib import Path

import torch

from src_training.errors import ModelError
from src_training.models import Model, load_model
from src_training.models.bounds import check_network
from src_training.models.card import Architecture, ModelCard, Normalisation
from src_training.models.loading import read_card
from src_training.networks import build_network
from src_training.networks.network import Network
from src_training.training.arcade import index_hash
from src_training.training.checkpoint import LAST
from src_training.training.decision import choose_decision, predicted, reliability
from src_training.training.devices import in_company, is_first_process, pick_device, wait_for_all
from src_training.training.imagenet import LICENCE_FROM_IMAGENET, load_imagenet
from src_training.training.kept_settings import SETTINGS_FILE, keep_settings
from src_training.training.loop import fit
from src_training.training.material import Material, gather
from src_training.training.objectives import TaskObjective
from src_training.training.progress import Watcher
from src_training.training.publish import stage_model
from src_training.training.sampler import Sampler, Source
from src_training.training.samples import INPUT_SIZE, Sample
from src_training.training.settings import IMAGENET, TrainSettings
from src_training.training.stepping import Objective
from src_training.training.teaching import (
    WEIGHTS_OF_TERMS,
    fitting_teacher,
    taught,
    teacher_network,
    weights_of,
)
from src_training.training.validation import Validator
from src_training.training.weights import load_network

_OUR_LICENCE = "BSD-3-Clause"


def train_student(settings: TrainSettings, arcade: Path, output: Path, watcher: Watcher) -> ModelCard:
    """Train, choose threshold and minimum component on the held-out frames, and write ``output/model``.

    ``arcade`` is the folder with ``index.csv``, ``train/``, ``unlabelled/`` and ``val/``; ``val`` is not read.
    With ``plain_steps`` the student first learns alone, then with its teacher from there.

    Raises LightVesselError for a device, a network, a teacher or a start that will not do, and when ``output`` was
    begun with other settings.
    """
    pick_device(settings.device)
    check_network(settings.architecture, INPUT_SIZE, "the network to be trained")
    if settings.teacher:
        fitting_teacher(settings.teacher, settings.label_protocol)
    if settings.start_from not in (None, IMAGENET):
        fitting_start(settings.start_from, settings.architecture)
    _keep_settings(settings, arcade, output, watcher)
    return train_on(gather(settings, arcade, watcher), settings, output, watcher)


def train_on(material: Material, settings: TrainSettings, output: Path, watcher: Watcher) -> ModelCard:
    """`train_student` on frames that were prepared before."""
    teacher = fitting_teacher(settings.teacher, settings.label_protocol) if settings.teacher else None
    checkpoints = output / "checkpoints"
    torch.manual_seed(settings.seed)
    network = start_network(settings)
    validate = Validator(material.held_out, watcher)
    task = TaskObjective(settings.skeleton_weight)
    if settings.plain_steps:
        alone = settings.model_copy(update={"steps": settings.plain_steps})
        labelled = sampler_of(material.sources[:1], settings, network)
        fit(network, labelled, task, validate, alone, output / "plain", watcher)
    sampler = sampler_of(material.sources, settings, network)
    objective: Objective = task
    if teacher:
        begun = (checkpoints / LAST).is_file()
        objective = taught(network, task, teacher_network(teacher), sampler, settings, watcher, begun=begun)
    fit(network, sampler, objective, validate, settings, checkpoints, watcher)
    weights = weights_of(objective)
    if is_first_process():
        # One of several does not stop alone: the others wait for it.
        watching = Watcher(watcher.emit) if in_company() else watcher
        publish_student(network, material.held_out, settings, output / "model", weights, watching)
    wait_for_all()
    return read_card(output / "model")


def _keep_settings(settings: TrainSettings, arcade: Path, output: Path, watcher: Watcher) -> None:
    """Note in ``output`` which settings its checkpoints belong to, unless they belong to others."""
    kept = output / SETTINGS_FILE
    begun = any(output.glob(f"*/{LAST}"))
    if begun and not kept.exists():
        message = f"{output}: its checkpoints say nothing of their settings; they go on with these"
        watcher.emit({"event": "log", "message": message})
    told = without_paths(settings).model_dump(mode="json") | {"arcade": index_hash(arcade)}
    keep_settings(kept, told, begun=begun)


def sampler_of(sources: list[Source], settings: TrainSettings, network: Network) -> Sampler:
    """The sampler that the settings describe."""
    return Sampler(
        sources,
        seed=settings.seed,
        batch_pixels=settings.batch_pixels,
        crop_sizes=settings.crop_sizes,
        augmentation=settings.augmentation,
        stem_channels=network.stem_channels,
    )


def publish_student(
    network: Network,
    held_out: list[Sample],
    settings: TrainSettings,
    folder: Path,
    weights: dict[str, float],
    watcher: Watcher,
) -> ModelCard:
    """Choose the decision numbers on the held-out samples and stage the model folder.

    ``weights`` are those of the distillation terms, as they were found.
    """
    probabilities = predicted(network, held_out, watcher)
    decision = choose_decision(probabilities, held_out, settings.label_protocol, watcher)
    told = without_paths(settings)
    return stage_model(
        network,
        folder,
        name=settings.name,
        normalisation=Normalisation(),
        input_size=INPUT_SIZE,
        label_protocol=settings.label_protocol,
        teacher=told.teacher if told.is_taught else None,
        threshold=decision.pop("threshold"),
        min_component_px=int(decision.pop("min_component_px")),
        trained_on=_trained_on(told),
        recipe={"train student": told.model_dump(mode="json"), WEIGHTS_OF_TERMS: weights},
        metrics={
            f"held-out part of ARCADE train, {len(held_out)} frames": decision,
            "reliability on those frames": reliability(probabilities, held_out),
        },
        licence=licence_of(settings),
        data_licence="CC0 (data descriptor), article CC BY 4.0; attribution to Popov et al. 2024",
    )


def licence_of(settings: TrainSettings) -> str:
    """The licence of the trained weights: ours, and that of the weights they started from."""
    if settings.start_from is None:
        return _OUR_LICENCE
    if settings.start_from == IMAGENET:
        return LICENCE_FROM_IMAGENET
    return load_model(settings.start_from).card.licence


def without_paths(settings: TrainSettings) -> TrainSettings:
    """The settings with models named by their ids: a card must not tell the folders of a computer."""
    named = {
        field: load_model(ref).id
        for field in ("teacher", "start_from", "settle_with")
        if (ref := getattr(settings, field)) and ref != IMAGENET
    }
    return settings.model_copy(update=named)


def start_network(settings: TrainSettings) -> Network:
    """A fresh network, one with an ImageNet encoder, or the one to start from.

    The latter may have fewer context blocks: the others begin as the identity. ModelError for another network.
    """
    if settings.start_from in (None, IMAGENET):
        network = build_network(settings.architecture)
        if settings.start_from == IMAGENET:
            load_imagenet(network)
        return network
    model = fitting_start(settings.start_from, settings.architecture)
    start = load_network(model.folder, model.card.architecture)
    if model.card.architecture == settings.architecture:
        return start
    network = build_network(settings.architecture)
    network.load_state_dict(network.state_dict() | start.state_dict())
    return network


def fitting_start(ref: str, architecture: Architecture) -> Model:
    """The model that a training goes on from; it may have fewer context blocks than ``architecture``.

    Raises ModelError when there is no such model, or it is another network.
    """
    model = load_model(ref)
    had, asked = model.card.architecture, architecture
    other = [name for name in Architecture.model_fields if getattr(had, name) != getattr(asked, name)]
    if other not in ([], ["context"]) or had.context > asked.context:
        told = ", ".join(f"{name} {getattr(had, name)}, not {getattr(asked, name)}" for name in other)
        raise ModelError(
            f"{ref}: is not the network that is to be trained ({told}). Start from another model, or name no network: "
            "then it is this one's."
        )
    return model


def _trained_on(settings: TrainSettings) -> str:
    """All that the batches were made of, for the card."""
    others = [
        f"{share:.0%} {kind}"
        for share, kind in (
            (settings.unlabelled_share, "unlabelled frames of ARCADE"),
            (settings.drawn_share, "frames with synthetic trees"),
        )
        if share
    ]
    source = "ARCADE, syntax part, training frames (Popov et al., Scientific Data 11:20, 2024)"
    return source + (f"; of every batch {' and '.join(others)}" if others else "")
