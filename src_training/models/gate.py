"""The promotion gate: no model goes live unless it earned it on patients it has not learnt from, and at home."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from src_training.errors import Refused
from src_training.evaluation import Comparison

Verdict = Literal["promote", "refuse", "cannot_tell"]

FEWEST_PATIENTS = 10
DICE_BOUND, CLDICE_BOUND = -0.005, -0.01
WORSE_SHARE = 0.05
WORST_FALL = -0.15
HOME_LOSS = 0.01


@dataclass(frozen=True)
class Decision:
    """What the gate says of a candidate, why, and on which figures."""

    verdict: Verdict
    reasons: tuple[str, ...]
    home_holds: bool
    comparison: Comparison

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without the comparison."""
        record = asdict(self)
        record.pop("comparison")
        return record


def decide(comparison: Comparison) -> Decision:
    """Apply the rules: bounds on Dice and clDice, few patients worse, none much worse, the reference set holds."""
    home = _home_reasons(comparison)
    if home:
        return Decision("refuse", tuple(home), False, comparison)
    if comparison.patients < FEWEST_PATIENTS:
        reason = (
            f"{comparison.patients} test patients; at least {FEWEST_PATIENTS} are needed to tell. "
            "The model is kept; it can be promoted with a reason."
        )
        return Decision("cannot_tell", (reason,), True, comparison)
    reasons = _patient_reasons(comparison)
    return Decision("refuse" if reasons else "promote", tuple(reasons), True, comparison)


def check_promotion(decision: Decision, override: str | None) -> None:
    """Raise Refused unless the gate says promote, or cannot tell and a person gives a reason."""
    if decision.verdict == "promote":
        return
    if decision.verdict == "cannot_tell" and override and override.strip():
        return
    cure = (
        "Give a reason (--override REASON)."
        if decision.verdict == "cannot_tell"
        else "It stays in the store."
    )
    raise Refused(f"{decision.comparison.candidate} is not promoted: {'; '.join(decision.reasons)} {cure}")


def _home_reasons(comparison: Comparison) -> list[str]:
    loss = -comparison.home_delta_dice
    if loss < HOME_LOSS:  # asked this way round, a NaN is refused as well
        return []
    return [f"it loses {loss:.3f} Dice on the reference set; less than {HOME_LOSS} is allowed."]


def _patient_reasons(comparison: Comparison) -> list[str]:
    assert comparison.dice_interval is not None and comparison.cldice_interval is not None
    allowed_worse = max(1, int(WORSE_SHARE * comparison.patients))
    checks = [
        (
            comparison.dice_interval[0] > DICE_BOUND,
            f"the lower bound of the change of Dice is {comparison.dice_interval[0]:+.4f}; "
            f"above {DICE_BOUND} is needed.",
        ),
        (
            comparison.cldice_interval[0] > CLDICE_BOUND,
            f"the lower bound of the change of clDice is {comparison.cldice_interval[0]:+.4f}; "
            f"above {CLDICE_BOUND} is needed.",
        ),
        (
            comparison.worse_patients <= allowed_worse,
            f"{comparison.worse_patients} patients fall by more than 0.05; {allowed_worse} may.",
        ),
        (
            comparison.worst_patient >= WORST_FALL,
            f"a patient falls by {-comparison.worst_patient:.2f}; {-WORST_FALL} is the most allowed.",
        ),
    ]
    return [reason for holds, reason in checks if not holds]
