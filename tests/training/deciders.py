"""People who decide about models, and whether each decision was made on the state before it."""

from __future__ import annotations

from typing import Any

from model_folders import told

from src_training import ModelStore
from src_training.errors import ModelError, Refused
from src_training.models.gate import Decision, decide

#: Who decided (a name for each decision), what, and about which model.
Deed = tuple[str, str, str]
KINDS = ("promote", "roll back", "keep")


def live_id(store: ModelStore) -> str:
    """The model that serves."""
    live = store.current()
    return live.id if live else "small"


def won(candidate: str, live: str) -> Decision:
    """A comparison with ``live`` that the candidate has won."""
    return decide(told(candidate, live, patients=12))


def deed(store: ModelStore, kind: str, model_id: str, by: str) -> Deed | None:
    """Look, and then act as one saw it; what was acknowledged, None where it was not possible and nothing recorded."""
    live = live_id(store)
    try:
        if kind == "promote":
            return by, "promoted", store.promote(model_id, won(model_id, live), by=by).id
        if kind == "roll back":
            return by, "rolled back", store.rollback(by=by).id
        store.keep(model_id, by=by)
        return by, "kept", model_id
    except Refused:
        return by, "refused", model_id
    except ModelError:  # nothing to roll back to, the live one kept, or somebody switched meanwhile
        return None


def told_of(store: ModelStore) -> list[Deed]:
    """What the history says was done."""
    return [(record["by"], record["action"], record["model"]) for record in store.history()]


def unjudged(records: list[dict[str, Any]]) -> tuple[int, str]:
    """How many decisions were not made on the state before them; what is live after them all."""
    line, wrong = ["small"], 0
    for record in records:
        live, compared = line[-1], record["comparison"] or {}
        sound = record["before"] == live
        if record["action"] == "promoted":
            sound &= (compared.get("candidate"), compared.get("current")) == (record["model"], live)
            line.append(record["model"])
        elif record["action"] == "rolled back":
            sound &= len(line) > 1 and record["model"] == line[-2]
            line = line[:-1] or ["small"]
        elif record["action"] == "kept":
            sound &= record["model"] != live
        wrong += not sound
    return wrong, line[-1]
