"""The comparison as a table: mean ± spread over seeds, and which difference from the plain student counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from src_training.evaluation.paired import Difference, mean_difference

_LEAST_SEEDS = (
    2  # the spread between seeds is about 0.004 Dice: one seed cannot tell a smaller gain from luck
)
_COLUMNS = {
    "dice": "Dice",
    "iou": "IoU",
    "recall": "sensitivity",
    "precision": "precision",
    "accuracy": "accuracy",
    "auc": "AUC",
    "cldice": "clDice",
    "hd95": "HD95 px",
    "stress_dice": "stress Dice",
    "drawn_recall": "synthetic recall",
}


def method_table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown: one row a student and method, in the order of ``records``; failed cells are left out."""
    sound = [record for record in records if record["error"] is None]
    names = [*_COLUMNS.values(), "params M", "GFLOP", "ms/frame", "Dice - plain [95 %]"]
    lines = ["| student | method | seeds | " + " | ".join(names) + " |", "|---" * (len(names) + 3) + "|"]
    for student, method in dict.fromkeys((r["student"], r["method"]) for r in sound):
        lines.append(_row(student, method, sound))
    note = f"Bold: the interval excludes 0 and at least {_LEAST_SEEDS} seeds were run. 95 % over frames and seeds."
    return "\n".join([*lines, "", note])


def difference(
    rows: Sequence[dict[str, Any]], plain: Sequence[dict[str, Any]], metric: str = "dice"
) -> Difference | None:
    """(mean, low, high) of row - plain, paired by seed and frame; both are resampled. None without pairs."""
    pairs = _paired(rows, plain)
    if not pairs:
        return None
    gaps = np.array(
        [
            [new["frames"][f][metric] - old["frames"][f][metric] for f in sorted(new["frames"])]
            for new, old in pairs
        ]
    )
    return mean_difference(gaps)


def _paired(
    rows: Sequence[dict[str, Any]], plain: Sequence[dict[str, Any]]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Records with those of the plain student of their seed; the others have nothing to be compared with."""
    by_seed = {record["seed"]: record for record in plain}
    return [(record, by_seed[record["seed"]]) for record in rows if record["seed"] in by_seed]


def _row(student: str, method: str, records: Sequence[dict[str, Any]]) -> str:
    alike = [
        r for r in records if r["student"] == student and (r["method"] == "teacher") == (method == "teacher")
    ]
    own = [r for r in alike if r["method"] == method]
    plain = [r for r in alike if r["method"] == "plain"]
    cells = [_spread([r[name] for r in own]) for name in _COLUMNS]
    # One network, whatever it learnt: its time is that of all its cells, for a machine is busier in some.
    cost = f"{own[0]['parameters'] / 1e6:.2f} | {own[0]['gflop']:.1f} | {_median(alike, 'milliseconds'):.0f}"
    found = difference(own, plain) if method not in ("plain", "teacher") else None
    gap = "" if found is None else _verdict(*found, seeds=len(_paired(own, plain)))
    return f"| {student} | {method} | {len(own)} | " + " | ".join(cells) + f" | {cost} | {gap} |"


def _verdict(mean: float, low: float, high: float, seeds: int) -> str:
    counts = "**" if seeds >= _LEAST_SEEDS and (low > 0 or high < 0) else ""
    return f"{counts}{mean:+.4f}{counts} [{low:+.4f}, {high:+.4f}]"


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    digits = 1 if max(known) > 2 else 4
    spread = f" ± {np.std(known, ddof=1):.{digits}f}" if len(known) > 1 else ""
    return f"{np.mean(known):.{digits}f}{spread}"


def _median(records: Sequence[dict[str, Any]], name: str) -> float:
    return float(np.median([record[name] for record in records]))
