"""What every model of the comparison is judged on, and the figures that come of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training.evaluation import EvalItem, Evaluation, evaluate
from src_training.evaluation.stress import drawn_set, evenly, mean_under_stress, stress_report
from src_training.inference import Predictor


@dataclass(frozen=True)
class Ruler:
    """What every model of the table is judged on: all ``items``, a part of them under stress, and drawn trees."""

    items: Sequence[EvalItem]
    stressed: Sequence[EvalItem]
    drawn: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]

    @classmethod
    def of(cls, items: Sequence[EvalItem], frames: int, trees: int) -> Ruler:
        """``frames`` of the items, evenly chosen, are stressed and carry ``trees`` drawn trees."""
        some = evenly(items, frames)
        return cls(items, some, drawn_set([item.image for item in some], trees, seed=0))

    def sizes(self) -> dict[str, int]:
        """How many frames it has of each kind."""
        return {"items": len(self.items), "stressed": len(self.stressed), "drawn": len(self.drawn)}


def figures(model: Path, ruler: Ruler) -> dict[str, Any]:
    """Mean per-image figures, cost, mean Dice under stress, recall of drawn trees, and Dice and clDice by frame."""
    predictor = Predictor.load(model)
    evaluation = evaluate(predictor, ruler.items)
    report = stress_report(predictor, ruler.stressed, ruler.drawn)
    return {name: _plain(value) for name, value in evaluation.summary().items()} | {
        "parameters": predictor.card.parameters,
        "gflop": predictor.card.gflop_512,
        "stress_dice": _plain(mean_under_stress(report)),
        "drawn_recall": _plain(report["drawn"]["recall"]),
        "milliseconds": _milliseconds(predictor, ruler.items[0]),
        "frames": _by_frame(evaluation),
    }


def _by_frame(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    kept = ("dice", "cldice")
    return {s.name: {name: round(s.metrics[name], 5) for name in kept} for s in evaluation.scores}


def _plain(value: float) -> float | None:
    return round(value, 6) if value == value else None


def _milliseconds(predictor: Predictor, item: EvalItem, repeats: int = 5) -> float:
    """Median time of one frame on this machine as it is, pre- and post-processing included."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        predictor.mask(predictor.probability(item.image))
        taken.append(1000 * (time.perf_counter() - began))
    return round(sorted(taken)[repeats // 2], 1)
