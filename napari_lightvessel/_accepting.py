"""Accepting frames: a person's decision goes to the dataset in a thread; "Saved" comes only when durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from psygnal import Signal

from napari_lightvessel import _jobs, _session
from napari_lightvessel._appending import (
    Alike,
    Elsewhere,
    Meanwhile,
    Odd,
    Outcome,
    Question,
    Save,
    Whole,
    append,
    check_labels,
)
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._layers import Region
from napari_lightvessel._marks import ACCEPTED, NO_VESSEL, NOT_EVALUABLE, WORDS, Mark, Plane
from napari_lightvessel._session import Session
from napari_lightvessel._texts import notify
from src_training import Revision, texts
from src_training.dataset import Kept, known_patient, twins_of
from src_training.errors import LightVesselError

logger = texts.logger(__name__)


class Accepter:
    """Takes decisions on frames of the Session's cine and saves them one after the other.

    A frame that the disk refuses waits in the outbox. Signals: ``saving(line)``, ``saved(line)``, ``failed(line)``;
    ``deciding`` before a decision is taken: what is half typed counts.
    """

    deciding = Signal()
    saving = Signal(str)
    saved = Signal(str)
    failed = Signal(str)
    kept = Signal(object, object, int)  # the entry in the outbox, CineState, frame
    asks = Signal(object)  # a Question: the frame is not saved until it is answered
    renamed = Signal(object, str)  # CineState and its patient, as the dataset calls them

    def __init__(self, session: Session) -> None:
        self.session = session
        self._waiting: deque[tuple[Save, Elsewhere | None]] = deque()
        self._job: _jobs.Job | None = None
        self._seeking: _jobs.Job | None = None
        self._running: Save | None = None
        self._known: tuple[Path, str] | None = (
            None  # the workspace and patient of the frame that was saved last
        )
        session.dataset_grew.connect(self._forget_patient)

    @property
    def busy(self) -> bool:
        """Whether something is not yet durable."""
        return self._job is not None or bool(self._waiting)

    def accept(self, region: Region | None = None) -> None:
        """The shown frame was reviewed, wholly or inside ``region``."""
        self._decide(ACCEPTED, region)

    def accept_by_key(self) -> None:
        """The same, where nobody need have looked at the dock: only while it is in sight."""
        if self.session.in_sight:
            self.accept()
        elif self.session.is_open:
            notify("Nothing was accepted: the dock of LightVessel is not in sight. Open it, then press A.")

    def accept_edits(self, state: CineState) -> None:
        """Every edited frame of this cine was reviewed, whether it is on the table or not."""
        self.deciding.emit()
        for t in state.open_edits():
            self._take(state, t, ACCEPTED)

    def save_whole(self, asked: Whole) -> None:
        """Save the whole frame, as it is in view: it was reviewed outside the region as well."""
        self._put_in_view(asked.save, lambda save: save)

    def save_distinct(self, asked: Alike) -> None:
        """Save the frame for this patient, who is another one."""
        self._for_all_of(asked, lambda save: replace(save, distinct=True))

    def save_same(self, asked: Alike) -> None:
        """Save the frame for the patient that is in the dataset: both ids are that person's."""
        self._for_all_of(asked, lambda save: replace(save, patient=asked.known))
        self.renamed.emit(asked.save.state, asked.known)
        self.session.marks_changed.emit(asked.save.state)

    def save_odd(self, asked: Odd) -> None:
        """Save a mask that looked odd, as it is; what was painted since is looked at anew."""
        self._put_in_view(asked.save, lambda save: replace(save, sure=save is asked.save))

    def save_mine(self, asked: Meanwhile) -> None:
        """Save what was decided here as a correction of what was asked about."""
        theirs = {head.sha for head in asked.heads}
        self._put_in_view(
            asked.save, lambda save: replace(save, mark=replace(save.mark, seen=save.mark.seen | theirs))
        )

    def show_theirs(self, asked: Meanwhile) -> None:
        """Show the other's mask in place of this one, as a step that can be undone."""
        save, found = asked.save, asked.found
        mark = save.state.marks[save.t]
        if found.revision is None or save.state.mask is None:
            return
        self.session.look_at(save.state, save.t)
        mark.seen |= {head.sha for head in asked.heads}
        if found.labels is None:  # withdrawn
            mark.know(found.revision)
            return
        effort = mark.seconds, mark.strokes
        with self.session.effort.quiet():
            save.state.mask.replace(save.t, found.labels)
        mark.show(found.revision, Plane.of(found.labels))
        mark.seconds, mark.strokes = effort
        mark.status, mark.region = found.revision.status, found.region
        save.state.measure([save.t])
        self.session.marks_changed.emit(save.state)

    def save_apart(self, asked: Elsewhere) -> None:
        """Save the frame for the patient, and leave the other case as it is."""
        self._put(replace(asked.save, apart=True))

    def save_moved(self, asked: Elsewhere) -> None:
        """Move the other case to the patient, and save the frame there."""
        self._put(replace(asked.save, apart=True), moving=asked)

    def no_vessel(self) -> None:
        """The shown frame holds no vessel: its mask is emptied (undoable) and saved."""
        self._decide(NO_VESSEL)

    def not_evaluable(self) -> None:
        """Nobody can judge the shown frame: it is recorded, and trained on never."""
        self._decide(NOT_EVALUABLE)

    def close(self) -> None:
        """Save what still waits, now; the save that runs finishes by itself."""
        if self._seeking is not None:
            self._seeking.forget()
        while self._waiting:
            save, moving = self._waiting.popleft()
            _save_unasked(save, moving)

    def blocked(self) -> str:
        """Why nothing can be accepted now; empty when it can."""
        state = self.session.state
        refused = self.refusal(state) if state is not None else ""
        return refused or self.session.blocked() or self.session.no_frame()

    def refusal(self, state: CineState) -> str:
        """Why no frame of this cine can be accepted; empty when they can."""
        if self.session.workspace is None:
            return "Needs a workspace to save into: New… or Open… at the top."
        return _session.OUTDATED if state.outdated else ""

    def unfit(self) -> str:
        """Why the frame in view could not be accepted as it is painted; empty when it could."""
        state, t = self.session.state, self.session.frame
        if state is None or t is None:
            return ""
        try:
            check_labels(t, state.labels(t))
        except LightVesselError as error:
            return str(error)
        return ""

    # -- deciding ------------------------------------------------------------------------------------------

    def _decide(self, status: str, region: Region | None = None) -> None:
        if not self.session.is_open:
            return
        self.deciding.emit()
        reason, state, t = self.blocked(), self.session.state, self.session.frame
        if status == ACCEPTED:
            reason = reason or self.session.unseen_mask()
        if reason:
            self.failed.emit(reason)
        elif state is not None and t is not None:
            self._take(state, t, status, region)

    def _take(self, state: CineState, t: int, status: str, region: Region | None = None) -> None:
        if region is not None and region.is_whole(state.cine.shape[1:]):
            region = None
        try:
            save = self._prepare(state, t, status, region)
        except LightVesselError as error:
            self.failed.emit(str(error))
            return
        if status == ACCEPTED and region is None and self._reviewed_in_part(save):
            self.asks.emit(Whole(save))
        else:
            self._put(save)

    def _reviewed_in_part(self, save: Save) -> bool:
        """By what is saved, or on its way."""
        on_the_way = [
            one for one in (self._running, *(later for later, _ in self._waiting)) if one is not None
        ]
        mine = [one for one in on_the_way if one.state is save.state and one.t == save.t]
        return mine[-1].region is not None if mine else save.mark.region

    def _put_in_view(self, asked: Save, answered: Callable[[Save], Save]) -> None:
        """Save what was asked about with its answer; what was painted since the question is part of it."""
        try:
            self._put(answered(_in_view(asked)))
        except LightVesselError as error:
            self.failed.emit(str(error))

    def _for_all_of(self, asked: Alike, answered: Callable[[Save], Save]) -> None:
        """Answer for this frame, and for those of the same patient that wait to be saved."""
        who = asked.save.workspace.path, asked.save.patient
        self._waiting = deque(
            (answered(save) if (save.workspace.path, save.patient) == who else save, moving)
            for save, moving in self._waiting
        )
        self._put_in_view(asked.save, answered)

    def _put(self, save: Save, moving: Elsewhere | None = None) -> None:
        save.state.marks[save.t].saving = True
        self._waiting.append((save, moving))
        self.saving.emit(f"saving frame {save.t}…")
        self.session.frame_decided.emit(save.state, save.t)
        self._next()

    def _prepare(self, state: CineState, t: int, status: str, region: Region | None) -> Save:
        workspace = self.session.workspace
        assert workspace is not None
        if status == NO_VESSEL and state.mask is not None:
            with self.session.effort.quiet():
                state.mask.replace(t, np.zeros(state.cine.shape[1:], np.uint8))
        self.session.effort.touch()
        labels = state.labels(t).copy()
        if status == ACCEPTED:
            check_labels(t, labels)
        mark, name = replace(state.marks[t]), state.image.name
        return Save(state, t, status, labels, mark, region, workspace, name, state.patient)

    # -- saving --------------------------------------------------------------------------------------------

    def _next(self) -> None:
        if self._job is not None or not self._waiting:
            return
        save, moving = self._waiting.popleft()

        def done(answer: Outcome) -> None:
            self._job = self._running = None
            outcome, odd = answer
            if isinstance(outcome, Question):
                self._ask(save, outcome)
            else:
                self._on_saved(save, outcome, odd)
                self._known = who
            self._next()

        def failed(problem: _jobs.Problem) -> None:
            self._job = self._running = None
            save.state.marks[save.t].saving = False
            self.session.frame_decided.emit(save.state, save.t)
            self.failed.emit(self.session.named(save.state, f"Frame {save.t} is not saved. {problem.line}"))
            self._next()

        patient = known_patient(save.patient or save.state.cine.patient_id) or ""
        who = save.workspace.path, patient
        is_sure = save.distinct or not patient or who == self._known
        self._running = save
        self._job = _jobs.start(append(replace(save, distinct=is_sure), moving), done=done, failed=failed)

    def _ask(self, save: Save, question: Question) -> None:
        if not self.session.is_open:
            _save_unasked(save, None)
            return
        save.state.marks[save.t].saving = False
        self.session.frame_decided.emit(save.state, save.t)
        self.asks.emit(question)

    def _on_saved(self, save: Save, outcome: Revision | Kept, odd: str) -> None:
        mark = save.state.marks[save.t]
        self._waiting = deque((_after(later, save, outcome), moving) for later, moving in self._waiting)
        mark.saving = any(later.state is save.state and later.t == save.t for later, _ in self._waiting)
        mark.baseline = Plane.of(save.labels)
        if not self.session.is_here(save.workspace):
            self._tell_elsewhere(save, mark, outcome)
            return
        mark.status, mark.stored = save.status, mark.baseline
        if save.status != NOT_EVALUABLE:  # which says nothing of the mask that is in view
            mark.region = save.region is not None
        if isinstance(outcome, Kept):
            mark.saved = "waits here"
        else:
            mark.saved = outcome.text
        if isinstance(outcome, Kept) or outcome.sha not in mark.seen:  # its effort is in the new revision now
            mark.seconds = max(0.0, mark.seconds - save.mark.seconds)
            mark.strokes = max(0, mark.strokes - save.mark.strokes)
        if isinstance(outcome, Revision):
            mark.know(outcome)
        self.session.frame_decided.emit(save.state, save.t)
        if isinstance(outcome, Kept):
            self.kept.emit(outcome.entry, save.state, save.t)
            waits = f"Frame {save.t} waits on this computer and is saved as soon as the disk takes it. {outcome.reason}"
            self.failed.emit(self.session.named(save.state, waits))
        else:
            self.session.dataset_grew.emit()
            line = saved_line(save.t, outcome, region=save.region, odd=odd)
            self.saved.emit(self.session.named(save.state, line))
            self._seek_twin(save, outcome, odd)

    def _forget_patient(self) -> None:
        """What is moved or withdrawn may have been the last frame of a patient."""
        self._known = None

    def _tell_elsewhere(self, save: Save, mark: Mark, outcome: Revision | Kept) -> None:
        """Another workspace was opened while the frame was on its way into the former one."""
        # Not what the workspace that is open now holds.
        if mark.head is None or mark.head.sha in save.mark.seen:
            mark.leave()
        self.session.frame_decided.emit(save.state, save.t)
        where = f"in {save.workspace.path.name}, which was open then"
        if isinstance(outcome, Kept):
            waits = (
                f"Frame {save.t} waits on this computer and is saved {where}, once that is opened again. "
                f"{outcome.reason}"
            )
            self.failed.emit(self.session.named(save.state, waits))
        else:
            self.saved.emit(self.session.named(save.state, f"Saved · frame {save.t} · {where}"))

    def _seek_twin(self, save: Save, saved: Revision, odd: str) -> None:
        """Say where the picture stands under another patient: after "Saved", for a large dataset takes a moment.

        Of saves in quick succession the last one is told of.
        """

        def done(twin: Revision | None) -> None:
            if twin is not None and job is self._seeking:
                line = saved_line(save.t, saved, twin, region=save.region, odd=odd)
                self.saved.emit(self.session.named(save.state, line))

        def failed(problem: _jobs.Problem) -> None:
            logger.warning("whether %s is there twice is not known: %s", saved.case, problem.line)

        def work(_cancelled: Callable[[], bool]) -> Revision | None:
            return next((other for _, other in twins_of(save.workspace.dataset, [saved])), None)

        job = self._seeking = _jobs.start(work, done=done, failed=failed, visible=False)


def _in_view(save: Save) -> Save:
    """The same decision about what was painted since; BadMask or DatasetError when that cannot be accepted."""
    state, t = save.state, save.t
    if save.status != ACCEPTED or state.mask is None or np.array_equal(state.labels(t), save.labels):
        return save
    check_labels(t, state.labels(t))
    return replace(save, labels=state.labels(t).copy(), mark=replace(state.marks[t]))


def _after(later: Save, save: Save, outcome: Revision | Kept) -> Save:
    """A decision that was taken while an earlier one on its frame was being saved: it corrects that, from there on."""
    same = later.state is save.state and later.t == save.t and later.workspace.path == save.workspace.path
    if not same:
        return later
    mark = replace(
        later.mark,
        stored=Plane.of(save.labels),
        seconds=max(0.0, later.mark.seconds - save.mark.seconds),
        strokes=max(0, later.mark.strokes - save.mark.strokes),
    )
    if isinstance(outcome, Revision):
        mark.know(outcome)
    return replace(later, mark=mark)


def _save_unasked(save: Save, moving: Elsewhere | None) -> None:
    """The window closes: a decision is saved all the same, and what others saved meanwhile stands beside it."""
    try:
        append(replace(save, sure=True, apart=True), moving, beside=True)(lambda: False)
    except (LightVesselError, OSError):
        logger.exception("frame %d was decided, but is not saved", save.t)


def saved_line(
    t: int, revision: Revision, twin: Revision | None = None, *, region: Region | None = None, odd: str = ""
) -> str:
    """What the section says once a frame is durable; ``twin`` is the same picture under another patient."""
    what = WORDS.get(revision.status, revision.status)
    if region is not None:
        what += f" (region) · {region.where}"
    line = f"Saved · frame {t} · case {revision.text} · {what}"
    if not revision.patient_key:
        line += " · patient unknown: used for training only"
    if odd:
        line += f" · look at its mask again: {odd}"
    if twin is not None:
        line += (
            f" · the same picture is there under another patient, or under none (case {twin.case}): only one part "
            "of the split uses it"
        )
    return line
