"""What people decided about a workspace's models: a line each, only ever added: who, why and on which figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from src_training import confined, durable
from src_training.errors import ModelError, printable
from src_training.models.gate import Decision
from src_training.models.records import parsed, read_text
from src_training.runs.writing import plain

_LARGEST = 16 * 2**20  # of thousands of decisions
_LONGEST_LINE = 2**20
_MOST_SWITCHES = 2**53
_LONGEST_REASON = 500
_NEEDED = {"utc": str, "action": str, "model": str}
_OPTIONAL = {
    "before": (str | None, None),
    "seq": (int | None, None),
    "by": (str, ""),  # this and the reason are missing in records of older versions
    "override": (str | None, None),
    "reason": (str, ""),
    "decision": (dict | None, None),
    "comparison": (dict | None, None),
}


@dataclass(frozen=True)
class Grounds:
    """Who decided and on what.

    ``by`` is a pseudonym as in the dataset (`Origin.annotator`; DatasetError for anything else), empty where nobody
    is named. ``override`` is the reason that stood against a gate that could not tell, ``reason`` that of any other
    decision; of a refusal without a decision of the gate it is what the person was told. Both are kept as one line.
    """

    by: str = ""
    reason: str = ""
    override: str | None = None
    decision: Decision | None = None

    def __post_init__(self) -> None:
        from src_training.dataset.frame import check_pseudonym

        check_pseudonym(self.by)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "by": self.by,
            "reason": _one_line(self.reason),
            "override": None if self.override is None else _one_line(self.override),
            "decision": self.decision.as_dict() if self.decision else None,
            "comparison": self.decision.comparison.as_dict() if self.decision else None,
        }


class DecisionLog:
    """``decisions.jsonl`` of a model store."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, action: str, model_id: str, before: str, grounds: Grounds, seq: int | None = None) -> None:
        """Write a decision down, durably; ``seq`` is that of the switch that is to follow.

        ``before`` is the model that was live. Raises ModelError where something else is in the file's place.
        """
        if confined.is_there(self.path) and not confined.is_file(self.path):
            raise ModelError(f"models/{self.path.name}: not a file. Move it away and decide again.")
        record = {
            "utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "action": action,
            "model": model_id,
            "before": before,
            "seq": seq,
            **grounds.as_dict(),
        }
        durable.append_line(self.path, plain(record), sync=True)

    def read(self) -> Sequence[dict[str, Any]]:
        """Every decision, oldest first; a line that is no decision is left out."""
        return [record for line in self._lines() if (record := _record(line)) is not None]

    def warning(self) -> str | None:
        """One line when some of it cannot be read."""
        if confined.is_there(self.path) and read_text(self.path, _LARGEST) is None:
            return (
                f"models/{self.path.name}: not a readable file of at most {_LARGEST >> 20} MiB. Move it away."
            )
        damaged = sum(_record(line) is None for line in self._lines())
        return f"models/{self.path.name}: {damaged} damaged line(s) left out." if damaged else None

    def _lines(self) -> list[str]:
        # Not splitlines(): it also cuts at letters that JSON may hold as they are.
        return [line for line in (read_text(self.path, _LARGEST) or "").split("\n") if line.strip()]


def decision_text(record: dict[str, Any]) -> str:
    """A decision in one line: when, what, who and why."""
    what = f"{record['action']} {record['model']}, active then: {record['before']}"
    if record["action"] == "kept":
        what = f"kept {record['before']} active, not {record['model']}"
    by = record["by"] or "someone unnamed"
    given = None if record["action"] == "refused" else record["override"]  # there it did not suffice
    why = given or record["reason"] or _gate_text(record["decision"]) or "no reason given"
    return printable(f"{record['utc']} {what}; by {by}: {why}")


def seq_of(record: dict[str, Any]) -> int:
    """The number of a switch; 0 in records without one: a refusal, or of an older version."""
    seq = record.get("seq")
    return seq if isinstance(seq, int) and 0 <= seq < _MOST_SWITCHES else 0


def _gate_text(decision: dict[str, Any] | None) -> str:
    """What the gate said; the decision may have come from elsewhere."""
    if not decision:
        return ""
    reasons = decision.get("reasons")
    said = [str(decision.get("verdict")).replace("_", " "), *(reasons if isinstance(reasons, list) else [])]
    return f"the gate says {': '.join(map(str, said))}"


def _record(line: str) -> dict[str, Any] | None:
    record = parsed(line) if len(line) <= _LONGEST_LINE else None
    if record is None or not all(isinstance(record.get(name), kind) for name, kind in _NEEDED.items()):
        return None
    record = {name: default for name, (_, default) in _OPTIONAL.items()} | record
    return record if all(isinstance(record[name], kind) for name, (kind, _) in _OPTIONAL.items()) else None


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))[:_LONGEST_REASON]
