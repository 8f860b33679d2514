"""Promises of choosing a threshold on held-out frames, and of the reliability that a card tells."""

from __future__ import annotations

import numpy as np
import pytest

from src_training.training.decision import choose_decision, reliability
from src_training.training.samples import Sample


def sample(label):
    empty = np.zeros_like(label)
    return Sample("frame", empty.astype(np.float16), label, empty)


@pytest.fixture
def striped():
    """Ten frames with a stripe; probabilities 0.8 on it, 0.5 on a false one beside it, 0.1 elsewhere."""
    label = np.zeros((64, 64), np.uint8)
    label[20:28] = 1
    probability = np.full(label.shape, 0.1, np.float32)
    probability[20:28], probability[40:44] = 0.8, 0.5
    return [probability] * 10, [sample(label)] * 10


def test_the_threshold_leaves_out_what_is_unsure_and_wrong(striped):
    decision = choose_decision(*striped, "syntax")
    assert 0.5 < decision["threshold"] <= 0.8
    assert decision["dice"] == decision["precision"] == decision["recall"] == 1.0


@pytest.mark.parametrize(("wrong_px", "found"), [(28, True), (60, False)])
def test_a_full_tree_takes_faint_vessels_in_where_that_costs_hardly_any_dice(striped, wrong_px, found):
    probabilities, samples = striped
    # a twentieth of the vessel is as faint as some background: leaving both out has the better Dice
    faint = [p.copy() for p in probabilities]
    for p in faint:
        p[20:28, :3], p[40:44] = 0.4, 0.1
        p[28, :wrong_px] = 0.4
    assert choose_decision(faint, samples, "syntax")["recall"] < 1
    assert (choose_decision(faint, samples, "full-tree")["recall"] == 1) is found


def test_ignored_pixels_are_not_judged(striped):
    probabilities, samples = striped
    label = samples[0].label.copy()
    label[40:44] = 255
    assert choose_decision(probabilities, [sample(label)] * 10, "syntax")["precision"] == 1.0


def test_true_probabilities_have_no_calibration_error_and_bold_ones_have():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1, (200, 200)).astype(np.float32)
    label = (rng.uniform(0, 1, truth.shape) < truth).astype(np.uint8)
    honest = reliability([truth], [sample(label)])
    bold = reliability([(truth > 0.5).astype(np.float32)], [sample(label)])
    assert honest["ece"] < 0.02 < 0.2 < bold["ece"]
    assert len(honest["curve"]) == 10 and len(bold["curve"]) == 2
    assert sum(weight for _, _, weight in honest["curve"]) == pytest.approx(1, abs=1e-3)
