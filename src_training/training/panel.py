"""The shipped frames as training samples and as evaluation items."""

from __future__ import annotations

from src_training.evaluation import EvalItem

from src_training.models.card import ModelCard
from src_training.samples import home_frames, replay_frames
from src_training.training.samples import Sample, make_sample


def home_panel(protocol: str) -> list[EvalItem]:
    """The 40 frames on which a candidate must hold its ground, under the model's label protocol."""
    return [EvalItem(f.name, None, f.image, f.label_for(protocol)) for f in home_frames()]


def replay_samples(card: ModelCard, stride: int) -> list[Sample]:
    """The 64 replay frames at the card's working scale, under its label protocol."""
    return [
        make_sample(
            frame.name,
            frame.image,
            frame.label_for(card.label_protocol),
            normalisation=card.normalisation,
            input_size=card.input_size,
            stride=stride,
        )
        for frame in replay_frames()
    ]
