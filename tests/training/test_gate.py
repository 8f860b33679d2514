"""Promises of comparison and gate: patients are the unit, the rules of promotion, every decision recorded."""

from __future__ import annotations

import numpy as np
import pytest

from src_training.errors import Refused
from src_training.evaluation import METRICS, Comparison, Evaluation, FrameScore, compare
from src_training.evaluation.compare import bootstrap_interval
from src_training.models.gate import check_promotion, decide

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


@pytest.mark.parametrize(
    ("deltas", "home", "verdict", "reason"),
    [
        ([0.03] * 14, 0.0, "promote", None),
        ([0.0] * 14, 0.0, "promote", None),
        ([0.03] * 9, 0.0, "cannot_tell", "9 test patients"),
        ([], 0.0, "cannot_tell", "0 test patients"),
        ([0.03] * 14, -0.0101, "refuse", "home panel"),
        ([0.03] * 9, -0.02, "refuse", "home panel"),
        ([0.03] * 14, float("nan"), "refuse", "home panel"),
        ([-0.01] * 14, 0.0, "refuse", "lower bound of the change of Dice"),
        ([0.05] * 12 + [-0.06] * 2, 0.0, "refuse", "2 patients fall"),
        ([0.05] * 13 + [-0.06], 0.0, "promote", None),
        ([0.05] * 29 + [-0.16], 0.0, "refuse", "a patient falls by 0.16"),
        ([0.05] * 38 + [-0.06] * 2, 0.0, "promote", None),
    ],
)
def test_the_gate(deltas, home, verdict, reason):
    decision = decide(compared(deltas, home))
    assert decision.verdict == verdict
    assert reason is None or reason in " ".join(decision.reasons)


@pytest.mark.parametrize(
    ("deltas", "home", "override", "allowed"),
    [
        ([0.03] * 14, 0.0, None, True),
        ([0.03] * 3, 0.0, None, False),
        ([0.03] * 3, 0.0, "  ", False),
        ([0.03] * 3, 0.0, "only three patients yet, looks right", True),
        ([0.03] * 3, -0.02, "I want it", False),
        ([-0.1] * 14, 0.0, "I want it", False),
    ],
)
def test_an_override_serves_only_where_the_gate_cannot_tell(deltas, home, override, allowed):
    decision = decide(compared(deltas, home))
    if allowed:
        check_promotion(decision, override)
    else:
        with pytest.raises(Refused, match="new is not promoted"):
            check_promotion(decision, override)


def test_frames_of_one_patient_count_as_one():
    old = evaluation("old", {"a": [0.5] * 100, "b": [0.5]})
    new = evaluation("new", {"a": [0.6] * 100, "b": [0.4]})
    home = evaluation("home", {"h": [0.7]})
    comparison = compare(new, old, home, home)
    assert comparison.patients == 2
    assert comparison.delta_dice == pytest.approx(0.0)
    assert comparison.worse_patients == 1
    assert comparison.losing_frames == (("b 0", pytest.approx(-0.1)),)


def test_bootstrap_is_repeatable_and_covers():
    deltas = np.random.default_rng(1).normal(0.02, 0.05, 40)
    low, high = bootstrap_interval(deltas)
    assert (low, high) == bootstrap_interval(deltas)
    assert low < deltas.mean() < high
    assert high - low == pytest.approx(2 * 1.645 * deltas.std() / np.sqrt(40), rel=0.1)
    assert bootstrap_interval(np.array([])) is None


def test_comparisons_of_different_frames_are_a_mistake():
    one, other = evaluation("a", {"p": [0.5]}), evaluation("b", {"q": [0.5]})
    with pytest.raises(ValueError, match="different frames"):
        compare(one, other, one, one)


def test_a_comparison_survives_as_json():
    comparison = compared([0.01, -0.02, 0.03])
    import json

    again = Comparison.from_dict(json.loads(json.dumps(comparison.as_dict())))
    assert again.as_dict() == json.loads(json.dumps(comparison.as_dict())) | {
        "dice_interval": again.dice_interval,
        "cldice_interval": again.cldice_interval,
        "losing_frames": again.losing_frames,
    }
