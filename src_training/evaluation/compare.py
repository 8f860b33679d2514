"""Is a candidate better than the live model? Paired by patient, bootstrapped; the losing frames are named."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError
from scipy.stats import norm, t

from src_training.errors import ModelError
from src_training.evaluation.evaluate import Evaluation

RESAMPLES = 10_000
_SEED = 20_230_604
_LISTED = 12
FALL = 0.05  # Dice a patient may lose before counting as worse

_Id = Annotated[str, Field(pattern=r"^[\w.+-]+$", max_length=255)]
_Count = Annotated[int, Field(ge=0, le=10**9)]
_Change = Annotated[float, Field(ge=-1, le=1)]  # of Dice or clDice; neither NaN nor infinite


@dataclass(frozen=True)
class Comparison:
    """Candidate minus current.

    The ends of an interval are one-sided 95 % bounds by bootstrap over patients; intervals and deltas
    are None without gate patients. ``losing_frames`` are
    (frame, change of Dice), worst first.
    """

    candidate: _Id
    current: _Id
    frames: _Count
    patients: _Count
    delta_dice: _Change | None
    dice_interval: tuple[_Change, _Change] | None
    delta_cldice: _Change | None
    cldice_interval: tuple[_Change, _Change] | None
    worse_patients: _Count
    worst_patient: _Change
    home_dice_candidate: float
    home_dice_current: float
    losing_frames: tuple[tuple[str, float], ...] = ()
    snapshot: str | None = None

    @property
    def home_delta_dice(self) -> float:
        """Change of mean Dice on the home panel."""
        return self.home_dice_candidate - self.home_dice_current

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with ``home_delta_dice``."""
        return asdict(self) | {"home_delta_dice": self.home_delta_dice}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Comparison:
        """The comparison that ``as_dict`` told, every field of its type; raises ModelError when it holds none."""
        fields = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        try:
            found = TypeAdapter(cls).validate_json(json.dumps(fields), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise ModelError(f"a stored comparison is damaged ({what}). Compare again.") from error
        if found.patients and None in (found.dice_interval, found.cldice_interval):
            raise ModelError("a stored comparison is damaged (patients without intervals). Compare again.")
        return found


def compare(
    candidate: Evaluation,
    current: Evaluation,
    home_candidate: Evaluation,
    home_current: Evaluation,
    snapshot: str | None = None,
) -> Comparison:
    """Pair two models' figures on the same frames.

    Raises ValueError when the two evaluations are not of the same frames in the same order.
    """
    if [s.name for s in candidate.scores] != [s.name for s in current.scores]:
        raise ValueError("the two evaluations are of different frames")
    dice, cldice = (patient_deltas(candidate, current, metric) for metric in ("dice", "cldice"))
    return Comparison(
        candidate=candidate.model_id,
        current=current.model_id,
        frames=len(candidate.scores),
        patients=dice.size,
        delta_dice=_mean(dice),
        dice_interval=bootstrap_interval(dice),
        delta_cldice=_mean(cldice),
        cldice_interval=bootstrap_interval(cldice),
        worse_patients=int(np.count_nonzero(dice < -FALL)),
        worst_patient=float(min(0.0, dice.min())) if dice.size else 0.0,
        home_dice_candidate=home_candidate.mean("dice"),
        home_dice_current=home_current.mean("dice"),
        losing_frames=_losing(candidate, current),
        snapshot=snapshot,
    )


def patient_deltas(candidate: Evaluation, current: Evaluation, metric: str) -> NDArray[np.float64]:
    """Change of a metric per patient, frames averaged within each; frames without patient are left out."""
    changes: dict[str, list[float]] = {}
    for new, old in zip(candidate.scores, current.scores, strict=True):
        if new.patient is not None:
            changes.setdefault(new.patient, []).append(new.metrics[metric] - old.metrics[metric])
    return np.array([np.mean(changes[patient]) for patient in sorted(changes)], dtype=np.float64)


def bootstrap_interval(deltas: NDArray[np.float64]) -> tuple[float, float] | None:
    """One-sided 95 % bounds of the mean, lower and upper, from `RESAMPLES` resamples of the patients; a fixed seed.

    Of 10 patients the plain percentiles 5 and 95 are too narrow, as if they were 93 % bounds; they are moved
    outwards by Student's t ("expanded percentile", Hesterberg, The American Statistician 69:371, 2015).
    """
    if not deltas.size:
        return None
    rng = np.random.default_rng(_SEED)
    drawn = rng.integers(deltas.size, size=(RESAMPLES, deltas.size))
    tail = _tail_percent(deltas.size)
    # Sorted, so that the names of the patients change nothing.
    low, high = np.percentile(np.sort(deltas)[drawn].mean(axis=1), [tail, 100 - tail])
    return float(low), float(high)


def _tail_percent(patients: int) -> float:
    if patients < 2:
        return 5.0  # one patient has no spread
    return 100 * float(norm.cdf(-np.sqrt(patients / (patients - 1)) * t.ppf(0.95, patients - 1)))


def _losing(candidate: Evaluation, current: Evaluation) -> tuple[tuple[str, float], ...]:
    changes = [
        (new.name, new.metrics["dice"] - old.metrics["dice"])
        for new, old in zip(candidate.scores, current.scores, strict=True)
    ]
    return tuple(sorted((c for c in changes if c[1] < 0), key=lambda change: change[1])[:_LISTED])


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None
