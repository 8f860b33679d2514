"""A pool of drawn trees as training samples, on backgrounds from which the real vessels were taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from src_training.models.card import Normalisation
from src_training.training.arcade import LabelledFrame
from src_training.training.drawn_trees import draw_frame, remove_vessels
from src_training.training.progress import Watcher
from src_training.training.samples import INPUT_SIZE, Sample, make_sample

_TREES_A_BACKGROUND = 3


def drawn_samples(
    frames: Sequence[LabelledFrame], count: int, seed: int, stride: int, watcher: Watcher = Watcher()
) -> list[Sample]:
    """``count`` drawn frames on backgrounds of ``frames``, equal for equal seeds; about 0.15 s each."""
    order = np.random.default_rng([seed, count]).permutation(len(frames))
    samples: list[Sample] = []
    for number in watcher.through(range(count), "drawing trees"):
        if number % _TREES_A_BACKGROUND == 0:
            frame = frames[order[number // _TREES_A_BACKGROUND % len(frames)]]
            background = remove_vessels(frame.image, frame.mask)
            rng = np.random.default_rng([seed, count, number])
        samples.append(_sample(number, *draw_frame(background, rng), stride))
    return samples


def _sample(number: int, image: np.ndarray, label: np.ndarray, stride: int) -> Sample:
    return make_sample(
        f"drawn {number}",
        image,
        label,
        normalisation=Normalisation(),
        input_size=INPUT_SIZE,
        stride=stride,
    )
