"""Run a model over frames with masks and keep every frame's figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from src_training.evaluation.metrics import METRICS, frame_metrics
from src_training.samples import home_frames

if TYPE_CHECKING:
    from src_training.inference import Predictor

_FRAMES_AT_ONCE = 2


@dataclass(frozen=True)
class EvalItem:
    """One frame to be judged on: image (Y, X), truth (Y, X) uint8 of 0, 1 and 255 = ignore.

    The vessels of ``image`` are dark; ``vessels_bright`` says that it was turned over for that. ``odd`` is what speaks
    against the truth being that of this image.
    """

    name: str
    patient: str | None
    image: NDArray
    truth: NDArray[np.uint8]
    vessels_bright: bool = False
    odd: str = ""


@dataclass(frozen=True)
class FrameScore:
    """A frame's metrics by name."""

    name: str
    patient: str | None
    metrics: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """A model's figures on a set of frames."""

    model_id: str
    scores: tuple[FrameScore, ...]
    metrics: Sequence[str] = METRICS

    def summary(self) -> dict[str, float]:
        """Mean per-image value of every metric, and ``n``; frames whose AUC is undefined are left out of it."""
        means = {name: self.mean(name) for name in self.metrics}
        return means | {"n": len(self.scores)}

    def mean(self, metric: str) -> float:
        """Mean per-image value of one metric."""
        return _mean([score.metrics[metric] for score in self.scores])


def evaluate(
    predictor: Predictor,
    items: Iterable[EvalItem],
    metrics: Sequence[str] = METRICS,
    check: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Judge ``predictor`` at its card's threshold and minimum component size on every item, by ``metrics``.

    ``check`` is called before every frame, and may raise to end it.
    """

    def judge(item: EvalItem) -> FrameScore:
        check()
        probability = predictor.probability(item.image)
        figures = frame_metrics(probability, predictor.mask(probability), item.truth, metrics)
        return FrameScore(item.name, item.patient, figures)

    with ThreadPoolExecutor(_FRAMES_AT_ONCE, thread_name_prefix="evaluate") as pool:
        return Evaluation(predictor.model.id, tuple(pool.map(judge, items)), metrics)


def home_panel(protocol: str) -> list[EvalItem]:
    """The 40 shipped frames on which a candidate must hold its ground, under the model's label protocol."""
    return [EvalItem(f.name, None, f.image, f.label_for(protocol)) for f in home_frames()]


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
