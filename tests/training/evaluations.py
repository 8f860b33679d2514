"""Evaluations and comparisons made of figures that are given, without a model."""

from __future__ import annotations

from src_training.evaluation import METRICS, Comparison, Evaluation, FrameScore, compare

BASE = dict.fromkeys(METRICS, 0.75)


def evaluation(model: str, dice: dict[str, list[float]]) -> Evaluation:
    """Frames of patients with given Dice; clDice the same."""
    return Evaluation(
        model,
        tuple(
            FrameScore(f"{patient} {index}", patient, BASE | {"dice": value, "cldice": value})
            for patient, values in dice.items()
            for index, value in enumerate(values)
        ),
    )


def compared(deltas: list[float], home: float = 0.0) -> Comparison:
    """One frame for each of the patients, whose Dice changes by ``deltas``; home changes by ``home``."""
    old = {f"p{index}": [0.7] for index in range(len(deltas))}
    new = {f"p{index}": [0.7 + delta] for index, delta in enumerate(deltas)}
    panel = [evaluation(name, {"h": [value]}) for name, value in (("new", 0.75 + home), ("old", 0.75))]
    return compare(evaluation("new", new), evaluation("old", old), *panel)
