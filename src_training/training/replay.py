"""The shipped replay frames as training samples."""

from __future__ import annotations

from src_training.models.card import ModelCard
from src_training.samples import replay_frames
from src_training.training.samples import Sample, make_sample


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
