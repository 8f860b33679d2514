"""A workspace's models: immutable folders, one live model, every decision recorded, each in one step."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from src_training import confined, durable
from src_training.errors import ModelError, Overtaken, Refused
from src_training.evaluation import Comparison
from src_training.models.comparisons import Comparisons
from src_training.models.decisions import DecisionLog, Grounds
from src_training.models.gate import Decision, check_promotion, decide
from src_training.models.library import DEFAULT_MODEL, builtin_model
from src_training.models.loading import CARD_FILE, LARGEST_FILE, Model, is_folder_name, open_model
from src_training.models.state import LONGEST_LINE, State
from src_training.regular import read_regular

_STAGING = ".staging-"


class ModelStore:
    """``models/`` of a workspace.

    What is live is what the decision with the highest number says (`DecisionLog`). Promoting, keeping and rolling
    back judge by the state that one decision left and claim the next number: a decision that somebody else made
    meanwhile makes them judge anew.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = confined.confine(folder)
        self._log = DecisionLog(self.folder)
        self._comparisons = Comparisons(self.folder / "comparisons", self._log.seals)

    # -- entries -------------------------------------------------------------------------------------------

    def ids(self) -> list[str]:
        """Ids of the stored models, oldest first."""
        try:
            names = confined.names_in(self.folder)
        except OSError:  # told by doctor
            return []
        found = {}
        for name in names:
            # One folder that cannot be read takes none of the others with it.
            with contextlib.suppress(OSError):
                if self.has(name):
                    found[name] = confined.status(self.folder / name / CARD_FILE).st_mtime_ns
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
        if not model.card.is_id(model_id):
            raise ModelError(
                f"{model_id}: its card was changed ({model.id} by content). Roll back, or train again."
            )
        return replace(model, id=model_id)

    def add(self, staged: str | Path) -> Model:
        """Store a copy of a staged model folder under the id of its card; complete or not at all.

        Raises ModelError when the staged model is damaged, or another one has its id here.
        """
        model = open_model(Path(staged))
        for known in (model.id, model.card.old_id()):
            if self.has(known) and (found := self._same(known, model)) is not None:
                return found
        target = self.folder / model.id
        durable.make_dir(self.folder)
        staging = self.folder / f"{_STAGING}{secrets.token_hex(6)}"
        durable.make_dir(staging)
        try:
            for source in (Path(staged) / name for name in (*sorted(model.card.files), CARD_FILE)):
                if confined.is_there(source):  # an OpenVINO network may be missing
                    durable.write_new(staging / source.name, read_regular(source, LARGEST_FILE))
            with contextlib.suppress(FileExistsError):  # somebody else has stored it meanwhile
                durable.publish_dir(staging, target)
        finally:
            confined.remove_tree(staging)
        return self._same(model.id, model) or self.get(model.id)

    # -- which model is live -------------------------------------------------------------------------------

    def current(self) -> Model | None:
        """The live model; None where none was promoted, or it is damaged or was not judged here (see ``warning``)."""
        return self._live(self._log.state())

    def unjudged(self) -> Model | None:
        """The model that came live with this workspace, sound, and of which nobody here has decided."""
        state = self._log.state()
        model = self._as_recorded(state)
        return None if model is None or self._is_judged(state, model) else model

    def warning(self) -> str | None:
        """One line when the record of the live model, or that model, is damaged and the default serves instead."""
        state = self._log.state()
        if state.damage or state.model is None:
            return state.damage or None
        cure = f"{DEFAULT_MODEL} is used. Promote another, or roll back."
        if (found := self._find(state.model)) is None:
            return f"{state.model} is damaged or missing: {cure}"
        if (model := self._as_recorded(state)) is None:
            return f"{found.id}: its card is not that of the model which was made active: {cure}"
        if self._is_judged(state, model):
            return None
        return (
            f"{model.id} came with this workspace, not judged here: {DEFAULT_MODEL} is used. If you know where it is "
            f"from, run: lightvessel models agree WORKSPACE {model.id}"
        )

    def previous(self) -> Model | None:
        """What rolling back would make live: the last sound model that was live before this one."""
        return self._before(self._log.state())

    def promote(
        self, model_id: str, decision: Decision | None = None, override: str | None = None, *, by: str = ""
    ) -> Model:
        """Make a model live; what is decided, a refusal too, is recorded with ``by``, a pseudonym.

        Without ``decision`` the stored comparison with the live model decides. ``override`` is the
        reason of a person where the gate cannot tell; the home panel must hold all the same.

        Raises
        ------
        Refused : the gate says no, or there is no comparison with the model that is live now, which
            somebody else may have made live meanwhile.
        ModelError : the model is missing or damaged, or the decision cannot be written.
        DatasetError : ``by`` is no pseudonym.
        """
        model = self._find(model_id) or self.get(model_id)
        while not self._promoted(model, model_id, decision, Grounds(by, override=override)):
            pass
        return model

    def keep(self, model_id: str, reason: str = "", *, by: str = "", seen: str | None = None) -> None:
        """Record that a person has seen this model and leaves the live one as it is.

        ``seen`` is the live model's id that the person was shown.

        Raises ModelError when the model is missing, damaged or the live one, Overtaken when another one became live
        meanwhile, DatasetError when ``by`` is no pseudonym.
        """
        model, grounds = self._find(model_id) or self.get(model_id), Grounds(by, reason)
        while True:
            state = self._log.state()
            seen = self._as_seen(seen, live := self._live_id(state))
            if model.id == live:
                raise ModelError(
                    f"{live}: it is the active model. Name the one that is not to become active."
                )
            grounds = replace(grounds, decision=self._judged(model_id))
            if self._log.add("kept", model.id, live, grounds, state):
                return

    def rollback(self, reason: str = "", *, by: str = "", seen: str | None = None) -> Model:
        """Make the model live that was before this one, and so on back; ``reason`` may be empty, and is recorded so.

        ``seen`` is the live model's id that the person was shown, and that is to be taken back.

        Raises ModelError where there is none, Overtaken when another one became live meanwhile, DatasetError when
        ``by`` is no pseudonym.
        """
        grounds = Grounds(by, reason)
        while True:
            state = self._log.state()
            seen = self._as_seen(seen, live := self._live_id(state))
            model, earlier = self._before(state), state.earlier
            if model is None:
                why = "missing or damaged" if self._log.vouched(state) else "not judged here"
                lost = f" ({', '.join(earlier)}: {why})" if earlier else ""
                raise ModelError(f"there is nothing to roll back to{lost}. Promote a model instead.")
            line = earlier[: len(earlier) - 1 - earlier[::-1].index(model.id)]
            if self._log.add("rolled back", model.id, live, grounds, state, _switched(state, model, line)):
                return model

    def agree(self, model_id: str, *, by: str = "") -> Model:
        """Use the model that came live with this workspace: a person knows where it is from, and it is recorded.

        Where the workspace cannot be written, this user has agreed all the same.

        Raises ModelError when it is no such model, Overtaken when another one is live now, DatasetError when ``by`` is
        no pseudonym.
        """
        grounds, noted = Grounds(by, "came with this workspace"), False
        while True:
            state, model = self._log.state(), self.unjudged()
            if model is None:
                if noted and (live := self.current()) is not None and live.id == model_id:
                    return live  # somebody else has agreed meanwhile, too
                raise ModelError(
                    f"{model_id}: no model that came with this workspace waits for anybody's word."
                )
            if model.id != model_id:
                raise Overtaken(
                    f"{model.id} came with this workspace, not {model_id}. Look at it, and decide again."
                )
            after = _switched(state, model, (DEFAULT_MODEL,))
            try:
                self._log.seals.agree(model.id, after.card_sha256)
                noted = True
                if self._log.add("agreed", model.id, DEFAULT_MODEL, grounds, state, after):
                    return model
            except (ModelError, OSError):
                if self._is_judged(state, model):
                    return model
                raise ModelError(
                    f"{model_id}: this cannot be noted down, here or in your own folder. Check the disk."
                ) from None

    def history(self) -> Sequence[dict[str, Any]]:
        """Every decision, oldest first: promoted, refused, kept, rolled back; see ``history_warning``."""
        return self._log.read()

    def history_warning(self) -> str | None:
        """One line when a part of the history cannot be read and is left out, or does not count."""
        return self._log.warning()

    # -- comparisons ---------------------------------------------------------------------------------------

    def keep_comparison(self, comparison: Comparison) -> None:
        """Remember a comparison of a candidate; the earlier ones stay."""
        self._comparisons.add(comparison)

    def comparison(self, model_id: str, current: str | None = None) -> Comparison:
        """The newest comparison of a model, with ``current`` if there is one with it.

        Raises Refused where there is none, ModelError where it is damaged; both say what to run.
        """
        return self._comparisons.newest(model_id, current)

    # -- inside --------------------------------------------------------------------------------------------

    def _promoted(self, model: Model, model_id: str, decision: Decision | None, grounds: Grounds) -> bool:
        """Judge a promotion by the state that is, and record what comes of it; False when that is none any more."""
        state = self._log.state()
        live = self._live_id(state)
        try:
            grounds = replace(grounds, decision=(judged := self._judged_now(model_id, live, decision)))
            check_promotion(judged, grounds.override)
        except Refused as refusal:
            reason = "" if grounds.decision else str(refusal)  # what the gate said is in the decision
            if self._log.add("refused", model_id, live, replace(grounds, reason=reason), state):
                raise
            return False
        line = state.earlier if self._log.vouched(state) else ()
        after = _switched(state, model, (*line, live))
        return self._log.add("promoted", model.id, live, grounds, state, after)

    def _live(self, state: State) -> Model | None:
        model = self._as_recorded(state)
        return model if model is not None and self._is_judged(state, model) else None

    def _as_recorded(self, state: State) -> Model | None:
        """The model on record, with the card that it had then; a shipped one changes with the program."""
        model = None if state.model is None else self._find(state.model)
        if model is None or model.builtin or state.card_sha256 in ("", _card_sha256(model)):
            return model
        return None

    def _is_judged(self, state: State, model: Model) -> bool:
        # Of the shipped models, too, somebody chose this one: another finds other vessels, and would do so unasked.
        is_default = model.builtin and model.id == DEFAULT_MODEL
        return is_default or self._log.vouched(state) or self._log.seals.agreed(_card_sha256(model))

    def _same(self, model_id: str, model: Model) -> Model | None:
        """The stored model of this id, if it is this one; ModelError when its present id is another's."""
        found = self.get(model_id) if model_id == model.id else self._sound(model_id)
        if found is not None and found.card == model.card:
            return found
        if model_id == model.id:
            raise ModelError(f"{model_id}: another model has this id here. Nothing was stored.")
        return None

    def _live_id(self, state: State) -> str:
        live = self._live(state)
        return live.id if live else DEFAULT_MODEL

    def _before(self, state: State) -> Model | None:
        if not self._log.vouched(state):  # nor is what it names as live before
            return None
        found = (self._find(model_id) for model_id in dict.fromkeys(reversed(state.earlier)))
        return next((model for model in found if model is not None), None)

    def _as_seen(self, seen: str | None, live: str) -> str:
        """What was live when the person decided, which must still be so."""
        if seen not in (None, live):
            raise Overtaken(
                f"somebody else switched meanwhile: {live} is the active model now, not {seen}. "
                "Look at it, and decide again."
            )
        return live

    def _find(self, model_id: str) -> Model | None:
        try:
            return self._sound(model_id) if self.has(model_id) else builtin_model(model_id)
        except OSError:
            return None

    def _sound(self, model_id: str) -> Model | None:
        try:
            return self.get(model_id)
        except ModelError:
            return None

    def _judged_now(self, model_id: str, live: str, decision: Decision | None) -> Decision:
        """The decision given, or the gate's; Refused where it is not about this model and the one that is live."""
        decision = decision or decide(self.comparison(model_id, live))
        compared = decision.comparison
        if compared.candidate != model_id:
            raise Refused(f"{model_id} is not promoted: the comparison is of {compared.candidate}.")
        if compared.current != live:
            raise Refused(
                f"{model_id} is not promoted: it was compared with {compared.current}, but "
                f"{live} is the active model now. Run: lightvessel models compare."
            )
        return decision

    def _judged(self, model_id: str) -> Decision | None:
        """What the gate says of a model that was compared."""
        try:
            return decide(self.comparison(model_id))
        except (Refused, ModelError):
            return None


def _switched(state: State, model: Model, earlier: Sequence[str]) -> State:
    number = state.number + 1
    return State(
        number, model.id, _card_sha256(model), tuple(earlier)[-LONGEST_LINE:], state.seq + 1, since=number
    )


def _card_sha256(model: Model) -> str:
    return hashlib.sha256(read_regular(model.folder / CARD_FILE, LARGEST_FILE)).hexdigest()
