"""Promises of comparison and gate: patients are the unit, the rules of promotion, every decision recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evaluations import compared, evaluation
from hypothesis import given, settings
from hypothesis import strategies as st

from src_training.errors import Refused
from src_training.evaluation import Comparison, Evaluation, compare
from src_training.evaluation.compare import bootstrap_interval
from src_training.models.gate import check_promotion, decide


@pytest.mark.parametrize(
    ("deltas", "home", "verdict", "reason"),
    [
        ([0.03] * 14, 0.0, "promote", None),
        ([0.0] * 14, 0.0, "promote", None),
        ([0.03] * 9, 0.0, "cannot_tell", "9 test patients"),
        ([], 0.0, "cannot_tell", "0 test patients"),
        ([0.03] * 14, -0.0101, "refuse", "reference set"),
        ([0.03] * 9, -0.02, "refuse", "reference set"),
        ([0.03] * 14, float("nan"), "refuse", "reference set"),
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
    assert high - low == pytest.approx(2 * 1.685 * deltas.std(ddof=1) / np.sqrt(40), rel=0.05)
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


CHANGES = st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=4)
PATIENTS = st.dictionaries(st.text("abc", min_size=1, max_size=3), CHANGES, min_size=1, max_size=14)


def of_changes(changes: dict[str, list[float]]) -> Comparison:
    old = evaluation("old", {patient: [0.5] * len(values) for patient, values in changes.items()})
    new = evaluation(
        "new", {patient: [0.5 + value for value in values] for patient, values in changes.items()}
    )
    home = evaluation("home", {"h": [0.7]})
    return compare(new, old, home, home)


def figures(comparison: Comparison) -> list[float]:
    assert comparison.dice_interval is not None and comparison.delta_dice is not None
    return [comparison.patients, comparison.delta_dice, *comparison.dice_interval, comparison.worst_patient]


@settings(max_examples=25, deadline=None)
@given(PATIENTS, st.integers(2, 40))
def test_more_frames_of_one_patient_never_count_as_more_patients(changes, times):
    first = next(iter(changes))
    more = changes | {first: changes[first] * times}
    assert figures(of_changes(more)) == pytest.approx(figures(of_changes(changes)), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(PATIENTS, st.randoms(use_true_random=False))
def test_neither_names_nor_order_of_the_patients_change_anything(changes, rng):
    names, values = list(changes), list(changes.values())
    rng.shuffle(names)
    rng.shuffle(values)
    renamed = dict(zip(names, values, strict=True))
    assert figures(of_changes(renamed)) == pytest.approx(figures(of_changes(changes)), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(PATIENTS, st.integers(0, 100))
def test_frames_of_unknown_patients_never_count(changes, count):
    known = of_changes(changes)
    nobody = evaluation("new", {"": [0.9] * count})
    strangers = tuple(replace(score, patient=None) for score in nobody.scores)
    home = evaluation("home", {"h": [0.7]})
    new, old = (evaluation(name, changes) for name in ("new", "old"))
    more = [Evaluation(each.model_id, each.scores + strangers) for each in (new, old)]
    assert compare(*more, home, home).patients == known.patients
