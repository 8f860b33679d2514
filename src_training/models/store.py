"""A workspace's models: immutable folders, one live model, every decision recorded, roll back in one write."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from src_training import confined, durable
from src_training.errors import ModelError, Refused
from src_training.evaluation import Comparison
from src_training.models.decisions import DecisionLog, Grounds, seq_of
from src_training.models.gate import Decision, check_promotion, decide
from src_training.models.library import DEFAULT_MODEL, builtin_model
from src_training.models.loading import CARD_FILE, LARGEST_FILE, Model, is_folder_name, open_model
from src_training.models.records import read_record
from src_training.regular import read_regular

_CURRENT = "current.json"
_COMPARISONS = "comparisons"
_STAGING = ".staging-"


class ModelStore:
    """``models/`` of a workspace.

    ``current.json`` {model, card_sha256, previous, earlier, seq} says which model is live, and which were
    before it; it is only ever replaced whole, so that promoting and rolling back are one atomic step each.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = confined.confine(folder)
        self._log = DecisionLog(self.folder / "decisions.jsonl")

    # -- entries -------------------------------------------------------------------------------------------

    def ids(self) -> list[str]:
        """Ids of the stored models, oldest first."""
        try:
            names = confined.names_in(self.folder)
        except OSError:  # told by doctor
            return []
        found = {
            name: confined.status(self.folder / name / CARD_FILE).st_mtime_ns
            for name in names
            if self.has(name)
        }
        return sorted(found, key=lambda name: (found[name], name))

    def has(self, model_id: str) -> bool:
        """Whether a model of this id is stored here."""
        plain = is_folder_name(model_id) and not model_id.startswith(".")
        return plain and confined.is_file(self.folder / model_id / CARD_FILE)

    def list(self) -> list[Model]:
        """Every stored model that is sound, oldest first."""
        return [model for model_id in self.ids() if (model := self._sound(model_id)) is not None]

    def get(self, model_id: str) -> Model:
        """A stored model, checked; raises ModelError when it is missing or damaged."""
        if not self.has(model_id):
            known = ", ".join(self.ids()) or "none yet"
            raise ModelError(f"{model_id}: no such model in this workspace (there is: {known}).")
        model = open_model(self.folder / model_id)
        if model.id != model_id:
            raise ModelError(
                f"{model_id}: its card was changed ({model.id} by content). Roll back, or train again."
            )
        return model

    def add(self, staged: str | Path) -> Model:
        """Store a copy of a staged model folder under the id of its card; complete or not at all."""
        model = open_model(Path(staged))
        target = self.folder / model.id
        if confined.is_there(target):
            return self.get(model.id)
        durable.make_dir(self.folder)
        staging = self.folder / f"{_STAGING}{secrets.token_hex(6)}"
        durable.make_dir(staging)
        try:
            for source in (Path(staged) / name for name in (*sorted(model.card.files), CARD_FILE)):
                if confined.is_there(source):  # an OpenVINO network may be missing
                    durable.write_new(staging / source.name, read_regular(source, LARGEST_FILE))
            durable.publish_dir(staging, target)
        finally:
            confined.remove_tree(staging)
        return self.get(model.id)

    # -- which model is live -------------------------------------------------------------------------------

    def current(self) -> Model | None:
        """The live model; None where none was promoted, or the promoted one is damaged (see ``warning``)."""
        state = self._state()
        return self._find(state["model"]) if state else None

    def warning(self) -> str | None:
        """One line when the record of the live model, or that model, is damaged and the default serves instead."""
        if not confined.is_there(self.folder / _CURRENT):
            return None
        state = self._state()
        if state is None:
            return f"models/{_CURRENT} is damaged: the shipped model {DEFAULT_MODEL} is used. Promote a model again."
        if self._find(state["model"]) is None:
            return f"{state['model']} is damaged or missing: {DEFAULT_MODEL} is used. Promote another, or roll back."
        return None

    def previous(self) -> Model | None:
        """What rolling back would make live: the last sound model that was live before this one."""
        # Each once: a damaged one takes its time, and may be named without end.
        found = (self._find(model_id) for model_id in dict.fromkeys(reversed(self._earlier())))
        return next((model for model in found if model is not None), None)

    def promote(
        self, model_id: str, decision: Decision | None = None, override: str | None = None, *, by: str = ""
    ) -> Model:
        """Make a model live; what is decided, a refusal too, is recorded with ``by``, a pseudonym.

        Without ``decision`` the stored comparison with the live model decides. ``override`` is the
        reason of a person where the gate cannot tell; the home panel must hold all the same.

        Raises
        ------
        Refused : the gate says no, or there is no comparison with the model that is live now.
        ModelError : the model is missing or damaged.
        DatasetError : ``by`` is no pseudonym.
        """
        model = self._find(model_id) or self.get(model_id)
        grounds = Grounds(by, override=override)
        try:
            grounds = replace(grounds, decision=(judged := self._judged_now(model_id, decision)))
            check_promotion(judged, override)
        except Refused as refusal:
            reason = "" if grounds.decision else str(refusal)  # what the gate said is in the decision
            self._log.add("refused", model_id, self._live_id(), replace(grounds, reason=reason))
            raise
        self._switch("promoted", model, [*self._earlier(), self._live_id()], grounds)
        return model

    def keep(self, model_id: str, reason: str = "", *, by: str = "") -> None:
        """Record that a person has seen this model and leaves the live one as it is.

        Raises ModelError when the model is missing, damaged or the live one, DatasetError when ``by`` is no pseudonym.
        """
        model, live = self._find(model_id) or self.get(model_id), self._live_id()
        if model.id == live:
            raise ModelError(f"{live}: it is the active model. Name the one that is not to become active.")
        self._log.add("kept", model.id, live, Grounds(by, reason, decision=self._judged(model_id)))

    def rollback(self, reason: str = "", *, by: str = "") -> Model:
        """Make the model live that was before this one, and so on back; ``reason`` may be empty, and is recorded so.

        Raises ModelError where there is none, DatasetError when ``by`` is no pseudonym.
        """
        model, earlier = self.previous(), self._earlier()
        if model is None:
            lost = f" ({', '.join(earlier)}: missing or damaged)" if earlier else ""
            raise ModelError(f"there is nothing to roll back to{lost}. Promote a model instead.")
        self._switch(
            "rolled back",
            model,
            earlier[: len(earlier) - 1 - list(reversed(earlier)).index(model.id)],
            Grounds(by, reason),
        )
        return model

    def history(self) -> Sequence[dict[str, Any]]:
        """Every decision, oldest first: promoted, refused, kept, rolled back; see ``history_warning``.

        A decision is written before the switch that follows it: where the process died in between, its
        ``action`` says that it was cut short.
        """
        records = [*self._log.read()]
        reached = self._switches(records)
        for number in reversed(range(len(records))):
            if (seq := seq_of(records[number])) > reached:
                records[number] = records[number] | {"action": f"{records[number]['action']}, cut short"}
            elif seq:
                reached = seq - 1
        return records

    def history_warning(self) -> str | None:
        """One line when a part of the history cannot be read and is left out."""
        return self._log.warning()

    # -- comparisons ---------------------------------------------------------------------------------------

    def keep_comparison(self, comparison: Comparison) -> None:
        """Remember the newest comparison of a candidate."""
        durable.make_dir(self.folder / _COMPARISONS)
        text = json.dumps(comparison.as_dict(), indent=1, sort_keys=True)
        durable.replace(self.folder / _COMPARISONS / f"{comparison.candidate}.json", text.encode())

    def comparison(self, model_id: str) -> Comparison:
        """The newest comparison of a model.

        Raises Refused where there is none, ModelError where it is damaged; both say what to run.
        """
        path = self.folder / _COMPARISONS / f"{model_id}.json"
        cure = f"Run: lightvessel models compare WORKSPACE {model_id}"
        if not confined.is_there(path):
            raise Refused(f"{model_id} was not compared yet. {cure}")
        record = read_record(path)
        if record is None:
            raise ModelError(f"{_COMPARISONS}/{path.name}: damaged. {cure}")
        return Comparison.from_dict(record)

    # -- inside --------------------------------------------------------------------------------------------

    def _state(self) -> dict[str, Any] | None:
        state = read_record(self.folder / _CURRENT)
        if state is None or not _is_id(state.get("model")) or "previous" not in state:
            return None
        return state if state["previous"] is None or _is_id(state["previous"]) else None

    def _live_id(self) -> str:
        live = self.current()
        return live.id if live else DEFAULT_MODEL

    def _find(self, model_id: str) -> Model | None:
        return self._sound(model_id) if self.has(model_id) else builtin_model(model_id)

    def _sound(self, model_id: str) -> Model | None:
        try:
            return self.get(model_id)
        except ModelError:
            return None

    def _judged_now(self, model_id: str, decision: Decision | None) -> Decision:
        """The decision given, or the gate's; Refused where it is not about this model and the one that is live."""
        decision = decision or decide(self.comparison(model_id))
        compared = decision.comparison
        if compared.candidate != model_id:
            raise Refused(f"{model_id} is not promoted: the comparison is of {compared.candidate}.")
        if compared.current != self._live_id():
            raise Refused(
                f"{model_id} is not promoted: it was compared with {compared.current}, but "
                f"{self._live_id()} is the active model now. Run: lightvessel models compare."
            )
        return decision

    def _judged(self, model_id: str) -> Decision | None:
        """What the gate says of a model that was compared."""
        try:
            return decide(self.comparison(model_id))
        except (Refused, ModelError):
            return None

    def _earlier(self) -> Sequence[str]:
        """Ids of the models that were live before the live one, the latest last."""
        state = self._state() or {}
        earlier = state.get("earlier")
        if isinstance(earlier, list):
            return [model_id for model_id in earlier if _is_id(model_id)]
        return [state["previous"]] if state.get("previous") else []  # written by an older version

    def _switch(self, action: str, model: Model, earlier: Sequence[str], grounds: Grounds) -> None:
        """Record a decision, and then make its model live: none is live of which no decision tells."""
        seq = self._switches(self._log.read()) + 1
        self._log.add(action, model.id, self._live_id(), grounds, seq)
        record = {
            "model": model.id,
            "card_sha256": hashlib.sha256(read_regular(model.folder / CARD_FILE, LARGEST_FILE)).hexdigest(),
            "previous": earlier[-1] if earlier else None,
            "earlier": list(earlier),
            "seq": seq,
        }
        durable.replace(self.folder / _CURRENT, json.dumps(record, indent=1).encode())

    def _switches(self, records: Sequence[dict[str, Any]]) -> int:
        """How many switches there were; what the decisions say where the record of the live model is lost."""
        state, promised = self._state(), max(map(seq_of, records), default=0)
        if state:
            return seq_of(state)
        first_was_cut_short = promised == 1 and not confined.is_there(self.folder / _CURRENT)
        return 0 if first_was_cut_short else promised


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and is_folder_name(value)
