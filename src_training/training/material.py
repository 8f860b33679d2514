"""What a training on the ARCADE folder learns from: labelled, unlabelled and drawn frames at working scale."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src_training.errors import DatasetError
from src_training.inference import Predictor
from src_training.models.card import Normalisation
from src_training.networks import stride_of
from src_training.training.arcade import LabelledFrame, read_split, read_unlabelled, split_holdout
from src_training.training.drawn_samples import drawn_samples
from src_training.training.progress import Watcher
from src_training.training.ridges import full_tree_label
from src_training.training.sampler import Source
from src_training.training.samples import INPUT_SIZE, Sample, make_sample
from src_training.training.settings import TrainSettings


@dataclass(frozen=True)
class Material:
    """What is learnt from, the labelled frames first, and the held-out samples to choose on."""

    sources: list[Source]
    held_out: list[Sample]


def gather(settings: TrainSettings, arcade: Path, watcher: Watcher) -> Material:
    """Read the frames that the settings ask for and bring them to working scale; DatasetError if there are none."""
    if settings.drawn_share and settings.label_protocol != "full-tree":
        raise DatasetError(
            "synthetic trees are complete: set drawn_share to 0, or label_protocol to full-tree."
        )
    stride = stride_of(settings.architecture)
    train, held_out = split_holdout(read_split(arcade, "train", watcher), settings.holdout)
    settling = Predictor.load(settings.settle_with) if settings.settle_with else None

    def prepared(frames: list[LabelledFrame], settling: Predictor | None = None) -> list[Sample]:
        watched = watcher.through(frames, "preparing frames")
        return [_sample(frame, settings.label_protocol, stride, settling) for frame in watched]

    sources = [Source(prepared(train, settling), 1.0)]
    if settings.unlabelled_share:
        frames = watcher.through(read_unlabelled(arcade, watcher), "preparing unlabelled frames")
        unlabelled = [_unlabelled_sample(f, stride) for f in frames]
        sources.append(Source(unlabelled, settings.unlabelled_share, labelled=False))
    if settings.drawn_share:
        drawn = drawn_samples(train, settings.drawn_count, settings.seed, stride, watcher)
        sources.append(Source(drawn, settings.drawn_share))
    words = ", ".join(str(len(source.samples)) for source in sources)
    watcher.emit({"event": "log", "message": f"frames to train on: {words}; {len(held_out)} held out"})
    return Material(sources, prepared(held_out))


def _sample(frame: LabelledFrame, protocol: str, stride: int, settling: Predictor | None = None) -> Sample:
    label = frame.mask
    if protocol == "full-tree":
        probability = None if settling is None else settling.probability(frame.image)
        label = full_tree_label(frame.image, frame.mask, probability)
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
