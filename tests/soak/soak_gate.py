"""Worlds in which a model is known to be no better: how often the gate lets it pass; and how often a better one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from evaluations import BASE, evaluation
from numpy.typing import NDArray
from scipy.stats import beta
from soak_table import Figure, Part, Size, none_of

from src_training.evaluation import Evaluation, FrameScore, compare
from src_training.models.gate import CLDICE_BOUND, DICE_BOUND, decide

_compare_module = sys.modules[compare.__module__]  # the package has a function of that name
_WORLDS = {"quick": 300, "full": 5_000}
_POWER_WORLDS = {"quick": 20, "full": 400}
_PATIENTS = (10, 12, 16, 24, 40, 80)
_SPREADS = (0.005, 0.015, 0.03)  # of patients about the true effect; Dice
_FRAME_NOISE = 0.02
_MOST_FRAMES = 6
_ALLOWED = 0.05
_HOME = evaluation("home", {"h": [0.75]})


@dataclass(frozen=True)
class World:
    """True mean changes of Dice and clDice over all patients that there could be, of whom some are seen."""

    dice: float
    cldice: float
    patients: int
    spread: float
    heavy_tails: bool = False


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Wrong promotions, promotions on too few patients, and the power."""
    rng = np.random.default_rng(0)
    at_line = [_promoted(_no_better(rng, below=0.0), rng) for _ in range(_WORLDS[size] // 4)]
    below = [
        _promoted(_no_better(rng, below=abs(rng.normal(0, 0.01))), rng)
        for _ in range(_WORLDS[size] - len(at_line))
    ]
    yield _at_most(at_line + below)
    yield _not_shown_above(at_line)
    few = [
        _promoted(World(0.05, 0.05, int(rng.integers(3, 10)), 0.005), rng) for _ in range(_WORLDS[size] // 10)
    ]
    yield none_of(
        "far better, 3 to 9 patients with up to 6 frames each: promoted unasked", sum(few), len(few)
    )
    for gain, patients in ((0.01, 12), (0.01, 40), (0.03, 12)):
        better = [_promoted(World(gain, gain, patients, 0.015), rng) for _ in range(_POWER_WORLDS[size])]
        promise = f"better by {gain} Dice and clDice, {patients} patients that differ by 0.015: promoted"
        yield Figure(promise, f"{np.mean(better):.0%}", "high", None)


def _at_most(promoted: list[bool]) -> Figure:
    """Held when even the upper 95 % bound (Clopper and Pearson) of the share is allowed."""
    bad, of = sum(promoted), len(promoted)
    upper = float(beta.ppf(0.95, bad + 1, of - bad))
    found = f"{bad / of:.1%}, < {upper:.1%}"
    return Figure(
        f"{of:,} worlds at or below the refusal line: promoted, and 95 % bound",
        found,
        f"< {_ALLOWED:.0%}",
        upper <= _ALLOWED,
    )


def _not_shown_above(promoted: list[bool]) -> Figure:
    """Just on the line 5 % is what a 95 % bound gives: held unless the share is surely above."""
    bad, of = sum(promoted), len(promoted)
    lower = float(beta.ppf(0.05, bad, of - bad + 1)) if bad else 0.0
    found = f"{bad / of:.1%}, > {lower:.1%}"
    return Figure(
        f"of these, {of:,} exactly on the line: promoted, and 95 % bound",
        found,
        f"not > {_ALLOWED:.0%}",
        lower <= _ALLOWED,
    )


def _no_better(rng: np.random.Generator, below: float) -> World:
    """One of the two figures at its line or ``below`` it, the other one comfortable."""
    by_dice = rng.random() < 0.5
    return World(
        dice=DICE_BOUND - below if by_dice else 0.02,
        cldice=0.02 if by_dice else CLDICE_BOUND - below,
        patients=int(rng.choice(_PATIENTS)),
        spread=float(rng.choice(_SPREADS)),
        heavy_tails=rng.random() < 0.25,
    )


def _promoted(world: World, rng: np.random.Generator) -> bool:
    frames = rng.integers(1, _MOST_FRAMES + 1, size=world.patients)
    dice, cldice = (_changes(world, mean, frames, rng) for mean in (world.dice, world.cldice))
    old = _evaluation("old", frames, np.zeros(frames.sum()), np.zeros(frames.sum()))
    new = _evaluation("new", frames, dice, cldice)
    return decide(compare(new, old, _HOME, _HOME)).verdict == "promote"


def _changes(
    world: World, mean: float, frames: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Of every frame: the patient's own change and the frame's."""
    size = world.patients
    own = rng.standard_t(5, size) * np.sqrt(3 / 5) if world.heavy_tails else rng.normal(size=size)
    of_patients = mean + world.spread * own
    return np.repeat(of_patients, frames) + rng.normal(0, _FRAME_NOISE, frames.sum())


def _evaluation(
    model: str, frames: NDArray[np.int64], dice: NDArray[np.float64], cldice: NDArray[np.float64]
) -> Evaluation:
    patients = np.repeat(np.arange(len(frames)), frames)
    return Evaluation(
        model,
        tuple(
            FrameScore(str(index), f"p{patient}", BASE | {"dice": 0.75 + d, "cldice": 0.75 + c})
            for index, (patient, d, c) in enumerate(zip(patients, dice, cldice, strict=True))
        ),
    )


def _frames_as_units() -> contextlib.AbstractContextManager[object]:
    """Every frame counted as a patient of its own."""

    def frame_deltas(new: Evaluation, old: Evaluation, metric: str) -> NDArray[np.float64]:
        pairs = zip(new.scores, old.scores, strict=True)
        return np.array([n.metrics[metric] - o.metrics[metric] for n, o in pairs])

    return mock.patch.object(_compare_module, "patient_deltas", frame_deltas)


def _mean_only() -> contextlib.AbstractContextManager[object]:
    """The mean change taken for its bound."""

    def interval(deltas: NDArray[np.float64]) -> tuple[float, float]:
        return float(deltas.mean()), float(deltas.mean())

    return mock.patch.object(_compare_module, "bootstrap_interval", interval)


PART = Part(run, {"frames counted as patients": _frames_as_units, "means without a bound": _mean_only})
