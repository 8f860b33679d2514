"""Accepting frames: a person's decision goes to the dataset in a thread; "Saved" comes only when durable."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from psygnal import Signal

from napari_lightvessel import _jobs, _preferences, _session
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._marks import ACCEPTED, NO_VESSEL, NOT_EVALUABLE, UNSURE, Mark, Plane, stored_mask
from napari_lightvessel._session import Session
from src_training import Frame, Origin, Revision, Workspace
from src_training.dataset import Kept, save_or_keep, twins_of
from src_training.errors import BadMask, DatasetError, LightVesselError

logger = logging.getLogger(__name__)
Region = tuple[slice, slice]


@dataclass(frozen=True)
class _Save:
    """A decision as it was taken: ``labels`` and ``mark`` are copies, for the thread that saves them."""

    state: CineState
    t: int
    status: str
    labels: np.ndarray
    mark: Mark
    region: Region | None
    workspace: Workspace


class Accepter:
    """Takes decisions on frames of the Session's cine and saves them one after the other.

    A frame that the disk refuses waits in the outbox. Signals: ``saving(line)``, ``saved(line)``, ``failed(line)``.
    """

    saving = Signal(str)
    saved = Signal(str)
    failed = Signal(str)
    kept = Signal(object, object, int)  # the entry in the outbox, CineState, frame

    def __init__(self, session: Session) -> None:
        self.session = session
        self._waiting: deque[_Save] = deque()
        self._job: _jobs.Job | None = None
        self._seeking: _jobs.Job | None = None

    @property
    def busy(self) -> bool:
        """Whether something is not yet durable."""
        return self._job is not None or bool(self._waiting)

    def accept(self, region: Region | None = None) -> None:
        """The shown frame was reviewed, wholly or inside ``region`` (rows, columns)."""
        self._decide(ACCEPTED, region)

    def accept_edits(self, state: CineState) -> None:
        """Every edited frame of this cine was reviewed, whether it is on the table or not."""
        for t in state.open_edits():
            self._take(state, t, ACCEPTED)

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
            save = self._waiting.popleft()
            try:
                _append(save)(lambda: False)
            except (LightVesselError, OSError):
                logger.exception("frame %d was decided, but is not saved", save.t)

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

    # -- deciding ------------------------------------------------------------------------------------------

    def _decide(self, status: str, region: Region | None = None) -> None:
        reason, state, t = self.blocked(), self.session.state, self.session.frame
        if reason:
            self.failed.emit(reason)
        elif state is not None and t is not None:
            self._take(state, t, status, region)

    def _take(self, state: CineState, t: int, status: str, region: Region | None = None) -> None:
        try:
            save = self._prepare(state, t, status, region)
        except LightVesselError as error:
            self.failed.emit(str(error))
            return
        save.state.marks[save.t].saving = True
        self._waiting.append(save)
        self.saving.emit(f"saving frame {save.t}…")
        self.session.frame_decided.emit(save.state, save.t)
        self._next()

    def _prepare(self, state: CineState, t: int, status: str, region: Region | None) -> _Save:
        workspace = self.session.workspace
        assert workspace is not None
        if status == NO_VESSEL and state.mask is not None:
            state.mask.replace(t, np.zeros(state.cine.shape[1:], np.uint8))
        labels = state.labels(t).copy()
        if status == ACCEPTED:
            _check(state, t, labels)
        return _Save(state, t, status, labels, replace(state.marks[t]), region, workspace)

    # -- saving --------------------------------------------------------------------------------------------

    def _next(self) -> None:
        if self._job is not None or not self._waiting:
            return
        save = self._waiting.popleft()

        def done(outcome: Revision | Kept) -> None:
            self._job = None
            self._on_saved(save, outcome)
            self._next()

        def failed(problem: _jobs.Problem) -> None:
            self._job = None
            save.state.marks[save.t].saving = False
            self.session.frame_decided.emit(save.state, save.t)
            self.failed.emit(f"Frame {save.t} is not saved. {problem.line}")
            self._next()

        self._job = _jobs.start(_append(save), done=done, failed=failed)

    def _on_saved(self, save: _Save, outcome: Revision | Kept) -> None:
        mark = save.state.marks[save.t]
        mark.status, mark.saving, mark.region = save.status, False, save.region is not None
        mark.baseline = Plane.of(save.labels)
        mark.saved = "waits here" if isinstance(outcome, Kept) else outcome.text
        self.session.frame_decided.emit(save.state, save.t)
        if isinstance(outcome, Kept):
            self.kept.emit(outcome.entry, save.state, save.t)
            self.failed.emit(
                f"Frame {save.t} waits on this computer and is saved as soon as the disk takes it. {outcome.reason}"
            )
        else:
            self.session.dataset_grew.emit()
            self.saved.emit(saved_line(save.t, outcome))
            self._seek_twin(save, outcome)

    def _seek_twin(self, save: _Save, saved: Revision) -> None:
        """Say where the picture stands under another patient: after "Saved", for a large dataset takes a moment.

        Of saves in quick succession the last one is told of.
        """

        def done(twin: Revision | None) -> None:
            if twin is not None and job is self._seeking:
                self.saved.emit(saved_line(save.t, saved, twin))

        def failed(problem: _jobs.Problem) -> None:
            logger.warning("whether %s is there twice is not known: %s", saved.case, problem.line)

        def work(_cancelled: Callable[[], bool]) -> Revision | None:
            return next((other for _, other in twins_of(save.workspace.dataset, [saved])), None)

        job = self._seeking = _jobs.start(work, done=done, failed=failed, visible=False)


def saved_line(t: int, revision: Revision, twin: Revision | None = None) -> str:
    """What the section says once a frame is durable; ``twin`` is the same picture under another patient."""
    line = f"Saved · frame {t} · case {revision.text}"
    if not revision.patient_key:
        line += " · patient unknown: used for training only"
    if twin is not None:
        line += (
            f" · the same picture is there under another patient, or under none (case {twin.case}): only one part "
            "of the split uses it"
        )
    return line


def _append(save: _Save) -> Callable[[Callable[[], bool]], Revision | Kept]:
    patient = save.state.patient or None  # else the file's own id, else unknown

    def work(_cancelled: Callable[[], bool]) -> Revision | Kept:
        frame = Frame.from_cine(save.state.cine, save.t, patient, vessels_bright=save.state.inverted)
        return save_or_keep(save.workspace.dataset, frame, _mask(save), _origin(save))

    return work


def _mask(save: _Save) -> np.ndarray:
    if save.status == NOT_EVALUABLE:
        return np.full(save.labels.shape, 255, np.uint8)  # 255: nobody can say anything about any pixel
    return stored_mask(save.labels, save.region)


def _check(state: CineState, t: int, labels: np.ndarray) -> None:
    strange = np.unique(labels[labels > UNSURE])
    if strange.size:
        raise BadMask(
            f"Frame {t} holds label {', '.join(map(str, strange[:3]))}. Use 1 for vessel and 2 for unsure."
        )
    if not labels.any():
        raise DatasetError(
            f"Frame {t} has no mask. Segment or paint it first, or press No vessel if there is none."
        )


def _origin(save: _Save) -> Origin:
    mark = save.mark
    proposal = mark.proposal.labels() if mark.proposal else None
    return Origin(
        status=save.status,
        annotator=_preferences.annotator(),
        model_id=mark.model_id,
        proposal_sha256=hashlib.sha256(proposal.tobytes()).hexdigest() if proposal is not None else None,
        effort=mark.effort(save.labels),
    )
