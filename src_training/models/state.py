"""Which model is live: what the decision with the highest number says, and nothing older."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src_training import confined, durable
from src_training.ledger import Ledger
from src_training.models.library import DEFAULT_MODEL
from src_training.models.loading import is_folder_name
from src_training.models.records import parsed, read_record

LONGEST_LINE = 200  # of earlier models: it is written with every decision
_HIGHEST = 10**8
_MOST_MISSING = 10**6  # decisions that a copy may lack
_LOOKED_BACK = 100  # damaged decisions in a row


@dataclass(frozen=True)
class State:
    """What is live after decision ``number``.

    Attributes
    ----------
    model : str or None
        None: nothing was promoted, or what is recorded is damaged; the shipped default serves.
    earlier : tuple of str
        Models that were live before, the latest last.
    seq : int
        How many switches there were.
    since : int
        The number of the decision that made it live; 0 where that was one of an older version.
    damage : str
        One line when it cannot be told what is live.
    """

    number: int = 0
    model: str | None = None
    card_sha256: str = ""
    earlier: tuple[str, ...] = ()
    seq: int = 0
    since: int = 0
    damage: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As a decision holds it, and ``current.json`` beside other things."""
        return {
            "model": self.model,
            "card_sha256": self.card_sha256,
            "earlier": list(self.earlier),
            "seq": self.seq,
            "since": self.since,
        }


class LiveState:
    """Reads the state of a model store; ``current.json`` is where older versions left it, and still find it."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self._current, self._ledger = folder / "current.json", ledger

    def read(self) -> State:
        """The state now."""
        told, promised = None, 0
        try:
            if there := confined.is_there(self._current):
                told = read_record(self._current)
            # Before decisions are listed, which only become more.
            promised = _count((told or {}).get("number"))
            number = self._ledger.newest()
        except OSError as error:
            reason = durable.cure_for_reading(error)
            return State(promised, damage=f"models/decisions cannot be read: {_SERVES}. {reason}")
        if promised > number + _MOST_MISSING:  # written by nobody: what it says is not gone by
            return State(number, damage=f"models/current.json is damaged: {_SERVES}. {_AGAIN}")
        if promised > number:
            missing = f"models/decisions: {number + 1} to {promised} are missing"
            return State(
                promised, seq=_count((told or {}).get("seq")), damage=f"{missing}: {_SERVES}. {_COPY}"
            )
        if number:
            return self.after(number)
        if not there:
            return State()
        return _of_older_version(told) or State(damage=f"models/current.json is damaged: {_SERVES}. {_AGAIN}")

    def after(self, number: int) -> State:
        """The state that a decision left."""
        state = self._told_by(number)
        if state is not None:
            return state
        sound = next((one for n in self._below(number) if (one := self._told_by(n))), State())
        seq = sound.seq + number - sound.number
        return State(number, seq=seq, damage=f"models/decisions/{number:08d} is damaged: {_SERVES}. {_AGAIN}")

    def show(self, state: State) -> None:
        """Bring ``current.json`` up to date for older versions and for people; nothing here believes it.

        A disk that refuses does not undo what was decided.
        """
        try:
            while True:
                previous = state.earlier[-1] if state.earlier else None
                record = state.as_dict() | {"previous": previous, "number": state.number}
                durable.replace(self._current, json.dumps(record, indent=1).encode())
                newest = self.read()
                if newest.number == state.number or newest.model is None:
                    return
                state = newest  # somebody was quicker, and may have written before us
        except OSError:
            return

    def strange(self) -> str:
        """One line when an older version has switched on its own since decisions are numbered."""
        told = read_record(self._current) if confined.is_there(self._current) else None
        first = self._told_by(1)
        if not told or "number" in told or first is None or _count(told.get("seq")) <= first.seq:
            return ""
        return (
            f"an older version of this program made {str(told.get('model'))[:80]!r} active in models/current.json, "
            "which does not count. Update that computer, and decide again."
        )

    def _below(self, number: int) -> list[int]:
        """The decisions that are there and came before one, the latest first."""
        try:
            return [n for n in self._ledger.numbers() if n < number][: -_LOOKED_BACK - 1 : -1]
        except OSError:  # a disk that has just gone: told at the next look
            return []

    def _told_by(self, number: int) -> State | None:
        record = parsed((self._ledger.read(number) or b"").decode("utf-8", "replace"))
        told = (record or {}).get("state")
        return _parsed(told, number) if isinstance(told, dict) else None


_SERVES = f"the shipped model {DEFAULT_MODEL} is used"
_AGAIN = "Promote a model again."
_COPY = "Copy the workspace again, or promote a model."


def is_id(value: Any) -> bool:
    """Whether a value out of a file can be a model's id."""
    return isinstance(value, str) and is_folder_name(value)


def _parsed(told: dict[str, Any], number: int) -> State | None:
    model, sha, earlier = told.get("model"), told.get("card_sha256"), told.get("earlier")
    if not (model is None or is_id(model)) or not isinstance(sha, str) or not isinstance(earlier, list):
        return None
    line = tuple(filter(is_id, earlier)) if model else ()
    return State(number, model, sha, line, _count(told.get("seq")), _count(told.get("since")))


def _of_older_version(told: dict[str, Any] | None) -> State | None:
    if told is None or not is_id(told.get("model")) or "previous" not in told:
        return None
    previous = told["previous"]
    if not (previous is None or is_id(previous)):
        return None
    line = told.get("earlier")
    earlier = line if isinstance(line, list) else [previous]
    sha = told.get("card_sha256")
    return State(
        0,
        told["model"],
        sha if isinstance(sha, str) else "",
        tuple(filter(is_id, earlier)),
        _count(told.get("seq")),
    )


def _count(value: Any) -> int:
    return value if type(value) is int and 0 < value < _HIGHEST else 0
