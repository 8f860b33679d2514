"""What people decided about a workspace's models: a record each, only ever added: who, why and on which figures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from src_training import confined, durable
from src_training.errors import ModelError, printable
from src_training.ledger import Ledger
from src_training.models.gate import Decision
from src_training.models.records import parsed, read_text
from src_training.models.seals import Seals
from src_training.models.state import LiveState, State
from src_training.runs.writing import plain

_LARGEST = 16 * 2**20  # of thousands of decisions
_LONGEST_LINE = 2**20
_MOST_SWITCHES = 2**53
_LONGEST_REASON = 500
_CHANGE_NOTHING = ("kept", "refused")
_MOST_LATER = 10_000
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
    """``decisions/`` of a model store: a numbered record a decision, each made on the state that the one before left.

    ``decisions.jsonl`` holds those of older versions, which come first.
    """

    def __init__(self, folder: Path) -> None:
        self.lines = folder / "decisions.jsonl"
        self.ledger = Ledger(folder / "decisions", "decision.json")
        self.live = LiveState(folder, self.ledger)
        self.seals = Seals(folder.parent)

    def state(self) -> State:
        """What is live now."""
        state = self.live.read()
        if state.damage and not state.seq:  # the numbers go on all the same
            return replace(state, seq=max(map(seq_of, self._old_records()), default=0))
        return state

    def add(
        self, action: str, model_id: str, before: str, grounds: Grounds, on: State, to: State | None = None
    ) -> bool:
        """Write a decision down, durably; False when another was made since the state ``on`` that this one judges.

        ``before`` is the model that was live, ``to`` what is live from now on, if that is to change. Raises
        ModelError when it cannot be written.
        """
        state = to or on
        record = {
            "utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "action": action,
            "model": model_id,
            "before": before,
            "seq": to.seq if to else None,
            **grounds.as_dict(),
            "number": on.number + 1,
            "state": state.as_dict(),
        }
        try:
            sealed = plain(record)
            added = self.ledger.add(on.number + 1, sealed | {"seals": self.seals.of(sealed)})
        except OSError as error:
            raise ModelError(f"models/decisions: cannot be written. {durable.cure_for(error)}") from error
        if added:
            self._sealed_from_now_on(on)
        if added and to:
            self.live.show(replace(to, number=on.number + 1))
        return added

    def vouched(self, state: State) -> bool:
        """Whether what is live, and the line before it, was decided by somebody whose key this user holds.

        Of what older versions left nobody can tell: it is believed where this user worked before there were seals.
        """
        if state.model is None:
            return True
        if not state.since:
            return self.seals.believes(state.as_dict())
        record = self._raw(state.since)
        is_of_it = record.get("number") == state.since and record.get("state") == state.as_dict()
        return is_of_it and self.seals.hold(record) and self._unchanged_since(state)

    def _sealed_from_now_on(self, on: State) -> None:
        unsealed = on.model is not None and not on.since
        self.seals.begin(on.as_dict() if unsealed and self.vouched(on) else None)

    def _unchanged_since(self, state: State) -> bool:
        """Whether the decisions that came after the one that counts were none that would count in its place."""
        later = range(state.since + 1, state.number + 1)
        return len(later) <= _MOST_LATER and all(self._raw(n).get("action") in _CHANGE_NOTHING for n in later)

    def _raw(self, number: int) -> dict[str, Any]:
        return parsed((self.ledger.read(number) or b"").decode("utf-8", "replace")) or {}

    def read(self) -> Sequence[dict[str, Any]]:
        """Every decision, oldest first; what is no decision is left out.

        An older version wrote a decision before the switch that followed it: where the process died in between, its
        ``action`` says that it was cut short.
        """
        found = self._of_older_versions()
        with contextlib.suppress(OSError):  # told by `warning`
            found += [record for _, record in self._numbered() if record is not None]
        return found

    def warning(self) -> str | None:
        """One line when some of it cannot be read, or does not follow on."""
        try:
            return self._warning()
        except OSError as error:
            return f"models/decisions: cannot be read. {durable.cure_for_reading(error)}"

    def _warning(self) -> str | None:
        if confined.is_there(self.lines) and read_text(self.lines, _LARGEST) is None:
            return f"models/{self.lines.name}: not a readable file of at most {_LARGEST >> 20} MiB. Move it away."
        damaged = sum(_record(line) is None for line in self._old_lines())
        if damaged:
            return f"models/{self.lines.name}: {damaged} damaged line(s) left out."
        sound = [number for number, record in self._numbered() if record is not None]
        if (unread := self.ledger.newest() - len(sound)) > 0:
            first = next((n for n, there in enumerate(sound, 1) if n != there), len(sound) + 1)
            return f"models/decisions: {unread} damaged or missing, the first is {first:08d}."
        return self.live.strange() or None

    def _numbered(self) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Those that are there."""
        for number in self.ledger.numbers():
            text = self.ledger.read(number)
            yield number, None if text is None else _record(text.decode("utf-8", "replace"))

    def _of_older_versions(self) -> list[dict[str, Any]]:
        records = self._old_records()
        reached = self._reached(max(map(seq_of, records), default=0))
        for number in reversed(range(len(records))):
            if (seq := seq_of(records[number])) > reached:
                records[number] = records[number] | {"action": f"{records[number]['action']}, cut short"}
            elif seq:
                reached = seq - 1
        return records

    def _reached(self, promised: int) -> int:
        """How many switches there were before decisions were numbered; all promised ones where that is lost."""
        try:
            newest = self.ledger.newest()
        except OSError:
            return promised
        if newest:
            first = _record((self.ledger.read(1) or b"").decode("utf-8", "replace"))
            return promised if first is None else _seq_before(first)
        state = self.live.read()
        if state.damage:
            return promised
        return state.seq if state.model else 0 if promised == 1 else promised

    def _old_records(self) -> list[dict[str, Any]]:
        return [record for line in self._old_lines() if (record := _record(line)) is not None]

    def _old_lines(self) -> list[str]:
        # Not splitlines(): it also cuts at letters that JSON may hold as they are.
        return [line for line in (read_text(self.lines, _LARGEST) or "").split("\n") if line.strip()]


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


def _seq_before(record: dict[str, Any]) -> int:
    state = record.get("state")
    after = state.get("seq") if isinstance(state, dict) else None
    return after - bool(seq_of(record)) if isinstance(after, int) else 0


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
