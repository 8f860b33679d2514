"""Train a student on ARCADE's frames: the recipe of the shipped models, in one function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from src_training.inference.postprocess import mask_from_probability
from src_training.models import load_model
from src_training.models.card import ModelCard, Normalisation
from src_training.networks import build_network
from src_training.networks.network import Network
from src_training.training.arcade import LabelledFrame, read_split, split_holdout
from src_training.training.imagenet import IMAGENET, load_imagenet
from src_training.training.loop import Watcher, fit
from src_training.training.objectives import TaskObjective
from src_training.training.publish import stage_model
from src_training.training.ridges import ignore_unlabelled_vessels
from src_training.training.sampler import Sampler, Source
from src_training.training.samples import Sample, make_sample
from src_training.training.settings import TrainSettings
from src_training.training.validation import Validator, predict
from src_training.training.weights import load_network

INPUT_SIZE = 512
MIN_COMPONENTS_PX = (0, 25, 50, 100, 200)
RECALL_FLOOR = (
    0.87  # full tree: a missed vessel costs a person more than a wrong one, which is one stroke to erase
)


def train_student(settings: TrainSettings, arcade: Path, output: Path, watcher: Watcher) -> ModelCard:
    """Train, choose threshold and minimum component on the held-out frames, and write ``output/model``.

    ``arcade`` is the folder with ``index.csv``, ``train/`` and ``val/``; only ``train`` is read.
    """
    torch.manual_seed(settings.seed)
    train, held_out = split_holdout(read_split(arcade, "train"), settings.holdout)
    watcher.emit({"event": "log", "message": f"{len(train)} frames to train on, {len(held_out)} held out"})
    network = start_network(settings)
    samples = [_sample(frame, settings.label_protocol, network.stride) for frame in train]
    chosen_on = [_sample(frame, settings.label_protocol, network.stride) for frame in held_out]
    sampler = Sampler(
        [Source(samples, 1.0)],
        seed=settings.seed,
        batch_pixels=settings.batch_pixels,
        crop_sizes=settings.crop_sizes,
        augmentation=settings.augmentation,
        stem_channels=network.stem_channels,
    )
    objective = TaskObjective(settings.skeleton_weight)
    fit(network, sampler, objective, Validator(chosen_on), settings, output / "checkpoints", watcher)
    return publish_student(network, chosen_on, settings, output / "model")


def publish_student(
    network: Network, held_out: list[Sample], settings: TrainSettings, folder: Path
) -> ModelCard:
    """Choose the decision numbers on the held-out samples and stage the model folder."""
    decision = choose_decision(network, held_out, settings.label_protocol)
    return stage_model(
        network,
        folder,
        name=settings.name,
        normalisation=Normalisation(),
        input_size=INPUT_SIZE,
        label_protocol=settings.label_protocol,
        threshold=decision.pop("threshold"),
        min_component_px=int(decision.pop("min_component_px")),
        trained_on="ARCADE, syntax part, training frames (Popov et al., Scientific Data 11:20, 2024)",
        recipe={"train student": settings.model_dump(mode="json")},
        metrics={f"held-out part of ARCADE train, {len(held_out)} frames": decision},
        licence="BSD-3-Clause",
        data_licence="CC0 (data descriptor), article CC BY 4.0; attribution to Popov et al. 2024",
    )


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
