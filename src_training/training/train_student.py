"""Train a student on ARCADE's frames: the recipe of the shipped models, in one function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from src_training.errors import DatasetError
from src_training.inference.postprocess import mask_from_probability
from src_training.models import load_model
from src_training.models.card import ModelCard, Normalisation
from src_training.networks import build_network, stride_of
from src_training.networks.network import Network
from src_training.training.arcade import LabelledFrame, read_split, read_unlabelled, split_holdout
from src_training.training.drawn_samples import drawn_samples
from src_training.training.imagenet import load_imagenet
from src_training.training.loop import Watcher, fit
from src_training.training.objectives import TaskObjective
from src_training.training.publish import stage_model
from src_training.training.ridges import ignore_unlabelled_vessels
from src_training.training.sampler import Sampler, Source
from src_training.training.samples import Sample, make_sample
from src_training.training.settings import IMAGENET, TrainSettings
from src_training.training.stepping import Objective
from src_training.training.teaching import load_teacher, taught
from src_training.training.validation import Validator, predict
from src_training.training.weights import load_network

INPUT_SIZE = 512
MIN_COMPONENTS_PX = (0, 25, 50, 100, 200)
RECALL_FLOOR = (
    0.87  # full tree: a missed vessel costs a person more than a wrong one, which is one stroke to erase
)


@dataclass(frozen=True)
class Material:
    """What is learnt from, the labelled frames first, and the held-out samples to choose on."""

    sources: list[Source]
    held_out: list[Sample]


def train_student(settings: TrainSettings, arcade: Path, output: Path, watcher: Watcher) -> ModelCard:
    """Train, choose threshold and minimum component on the held-out frames, and write ``output/model``.

    ``arcade`` is the folder with ``index.csv``, ``train/``, ``unlabelled/`` and ``val/``; ``val`` is not read.
    With ``plain_steps`` the student first learns alone, then with its teacher from there.
    """
    return train_on(gather(settings, arcade, watcher), settings, output, watcher)


def train_on(material: Material, settings: TrainSettings, output: Path, watcher: Watcher) -> ModelCard:
    """`train_student` on frames that were prepared before."""
    torch.manual_seed(settings.seed)
    network = start_network(settings)
    validate = Validator(material.held_out)
    task = TaskObjective(settings.skeleton_weight)
    if settings.plain_steps:
        alone = settings.model_copy(update={"steps": settings.plain_steps})
        labelled = sampler_of(material.sources[:1], settings, network)
        fit(network, labelled, task, validate, alone, output / "plain", watcher)
    sampler = sampler_of(material.sources, settings, network)
    objective: Objective = task
    if settings.teacher:
        objective = taught(network, task, load_teacher(settings.teacher), sampler, settings, watcher)
    fit(network, sampler, objective, validate, settings, output / "checkpoints", watcher)
    return publish_student(network, material.held_out, settings, output / "model")


def gather(settings: TrainSettings, arcade: Path, watcher: Watcher) -> Material:
    """Read the frames that the settings ask for and bring them to working scale; DatasetError if there are none."""
    if settings.drawn_share and settings.label_protocol != "full-tree":
        raise DatasetError("drawn trees are complete: set drawn_share to 0, or label_protocol to full-tree.")
    stride = stride_of(settings.architecture)
    train, held_out = split_holdout(read_split(arcade, "train"), settings.holdout)
    sources = [Source([_sample(f, settings.label_protocol, stride) for f in train], 1.0)]
    if settings.unlabelled_share:
        unlabelled = [_unlabelled_sample(f, stride) for f in read_unlabelled(arcade)]
        sources.append(Source(unlabelled, settings.unlabelled_share, labelled=False))
    if settings.drawn_share:
        drawn = drawn_samples(train, settings.drawn_count, settings.seed, stride)
        sources.append(Source(drawn, settings.drawn_share))
    words = ", ".join(str(len(source.samples)) for source in sources)
    watcher.emit({"event": "log", "message": f"frames to train on: {words}; {len(held_out)} held out"})
    return Material(sources, [_sample(f, settings.label_protocol, stride) for f in held_out])


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
    network: Network, held_out: list[Sample], settings: TrainSettings, folder: Path
) -> ModelCard:
    """Choose the decision numbers on the held-out samples and stage the model folder."""
    decision = choose_decision(network, held_out, settings.label_protocol)
    told = without_paths(settings)
    return stage_model(
        network,
        folder,
        name=settings.name,
        normalisation=Normalisation(),
        input_size=INPUT_SIZE,
        label_protocol=settings.label_protocol,
        teacher=told.teacher or None,
        threshold=decision.pop("threshold"),
        min_component_px=int(decision.pop("min_component_px")),
        trained_on="ARCADE, syntax part, training frames (Popov et al., Scientific Data 11:20, 2024)",
        recipe={"train student": told.model_dump(mode="json")},
        metrics={f"held-out part of ARCADE train, {len(held_out)} frames": decision},
        licence="BSD-3-Clause",
        data_licence="CC0 (data descriptor), article CC BY 4.0; attribution to Popov et al. 2024",
    )


def without_paths(settings: TrainSettings) -> TrainSettings:
    """The settings with models named by their ids: a card must not tell the folders of a computer."""
    named = {
        field: load_model(ref).id
        for field in ("teacher", "start_from")
        if (ref := getattr(settings, field)) and ref != IMAGENET
    }
    return settings.model_copy(update=named)


def choose_decision(network: Network, held_out: list[Sample], protocol: str) -> dict[str, float]:
    """Threshold and minimum component size with the best mean Dice on the held-out samples.

    For the full tree the threshold must also reach a recall of `RECALL_FLOOR` on the outlined segments.
    """
    probabilities = [predict(network, sample) for sample in held_out]
    grid = [
        {"threshold": float(t), "min_component_px": float(m)} | _figures(probabilities, held_out, float(t), m)
        for t in np.round(np.arange(0.2, 0.71, 0.05), 2)
        for m in MIN_COMPONENTS_PX
    ]
    floor = RECALL_FLOOR if protocol == "full-tree" else 0.0
    allowed = [row for row in grid if row["recall"] >= floor] or grid
    return max(allowed, key=lambda row: row["dice"])


def start_network(settings: TrainSettings) -> Network:
    """A fresh network, one with an ImageNet encoder, or the one to start from (of the settings' architecture)."""
    if settings.start_from in (None, IMAGENET):
        network = build_network(settings.architecture)
        if settings.start_from == IMAGENET:
            load_imagenet(network)
        return network
    model = load_model(settings.start_from)
    return load_network(model.folder, settings.architecture)


def _sample(frame: LabelledFrame, protocol: str, stride: int) -> Sample:
    full_tree = protocol == "full-tree"
    label = ignore_unlabelled_vessels(frame.image, frame.mask) if full_tree else frame.mask
    return make_sample(
        frame.name, frame.image, label, normalisation=Normalisation(), input_size=INPUT_SIZE, stride=stride
    )


def _unlabelled_sample(frame: LabelledFrame, stride: int) -> Sample:
    nobody_looked = np.full_like(frame.mask, 255)
    return make_sample(
        frame.name,
        frame.image,
        nobody_looked,
        normalisation=Normalisation(),
        input_size=INPUT_SIZE,
        stride=stride,
    )


def _figures(
    probabilities: list[NDArray[np.float32]], samples: list[Sample], threshold: float, smallest: int
) -> dict[str, float]:
    rows = [
        _frame_figures(mask_from_probability(probability, threshold, smallest), sample.label)
        for probability, sample in zip(probabilities, samples, strict=True)
    ]
    names = ("dice", "precision", "recall")
    return {name: round(float(value), 4) for name, value in zip(names, np.mean(rows, axis=0), strict=True)}


def _frame_figures(mask: NDArray[np.uint8], label: NDArray[np.uint8]) -> tuple[float, float, float]:
    reviewed = label != 255
    predicted, vessel = mask[reviewed] == 1, label[reviewed] == 1
    hit, found, true = np.count_nonzero(predicted & vessel), int(predicted.sum()), int(vessel.sum())
    return 2 * hit / max(1, found + true), hit / max(1, found), hit / max(1, true)
