"""Recalling earlier decisions: frames that the dataset already holds show their status and mask."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from psygnal import Signal

from napari_lightvessel import _jobs, _preferences
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._marks import DECIDED, IGNORE, PROPOSED, UNSURE, VESSEL, WITHDRAWN, Mark, Plane
from napari_lightvessel._session import Session
from src_training import Cine, Dataset, Frame, Revision
from src_training.dataset import known_patient
from src_training.errors import UnreadableCine

_REGION_SHARE = 0.3  # more unreviewed pixels than this: a region was accepted, not the whole frame
_REMEMBERED = 200  # pseudonyms kept in the user's preferences: of the cines that were named last


@dataclass(frozen=True)
class Found:
    """What stands in the dataset for frame ``t``: its case, and the newest revision with its labels (Y, X), if any."""

    t: int
    case: str
    revision: Revision | None = None
    labels: np.ndarray | None = None
    region: bool = False


class Recaller:
    """Looks beside the GUI thread, whenever a cine, a workspace or a pseudonym makes new answers possible.

    ``overtaken(state, t, revision)``: somebody saved a frame meanwhile that is edited here, and stays as it is.
    """

    overtaken = Signal(object, int, object)

    def __init__(self, session: Session) -> None:
        self.session = session
        self.hold = False
        self._identifying: CineState | None = None
        self._told: dict[tuple[int, int], str] = {}
        self._job: _jobs.Job | None = None
        session.cine_changed.connect(self._on_cine)
        session.workspace_changed.connect(self.look)

    @property
    def busy(self) -> bool:
        """Whether it is looking."""
        return self._job is not None

    def look(self, _event: object = None) -> None:
        """Look the present cine up in the open workspace's dataset."""
        state, workspace = self.session.state, self.session.workspace
        if self.hold or state is None:
            return
        if not state.fingerprint and self._identifying is not state:
            self._identify(state)
        if workspace is None:
            return
        if self._job is not None:
            self._job.forget()
        work = _search(workspace.dataset, state.cine, state.patient)

        def step(found: Found) -> None:
            self.take(state, found)

        self._job = _jobs.start(work, step=step, done=self._end, failed=self._end, visible=False)

    def remember_patient(self, state: CineState, pseudonym: str) -> None:
        """Keep the pseudonym for this acquisition, in the user's own settings only, and look again."""
        state.patient = pseudonym
        if state.fingerprint:
            known = _preferences.get("patients", {})
            _preferences.put("patients", _with_patient(known, state.fingerprint, pseudonym))
        self.look()

    def close(self) -> None:
        """Hear nothing more."""
        if self._job is not None:
            self._job.forget()

    def _on_cine(self, state: CineState | None) -> None:
        if state is not None:
            self.look()

    def _identify(self, state: CineState) -> None:
        self._identifying = state

        def done(fingerprint: str) -> None:
            state.fingerprint = fingerprint
            known = _preferences.get("patients", {}).get(fingerprint, "")
            its_own = known_patient(state.cine.patient_id)
            if known and not state.patient and its_own is None:
                state.patient = known
                self.session.marks_changed.emit(state)
                self.look()

        cine = state.cine
        _jobs.start(lambda _cancelled: fingerprint_of(cine), done=done, failed=lambda _p: None, visible=False)

    def take(self, state: CineState, found: Found) -> bool:
        """Let a frame follow the dataset, unless a person changed it here; whether it did."""
        mark, revision = state.marks[found.t], found.revision
        if mark.saving or state is not self.session.state:  # it was left or closed meanwhile
            return False
        mark.case = found.case
        if revision is None:
            return False
        if revision.sha in mark.seen:
            mark.head = revision
            return _decide_again(mark, found, revision) if state.edited(found.t) else False
        if state.edited(found.t):
            if self._told.get((id(mark), found.t)) != revision.sha:
                self._told[id(mark), found.t] = revision.sha
                self.overtaken.emit(state, found.t, revision)
            return False
        return self._follow(state, found, revision)

    def _follow(self, state: CineState, found: Found, revision: Revision) -> bool:
        mark = state.marks[found.t]
        if revision.status not in DECIDED:
            mark.know(revision)
            if mark.decided:  # withdrawn elsewhere; its labels stay in view
                mark.status, mark.saved = PROPOSED, WITHDRAWN
                return True
            return False
        assert found.labels is not None
        state.ensure_mask(self.session.viewer).put(found.t, found.labels)
        mark.show(revision, Plane.of(found.labels))
        mark.status, mark.region = revision.status, found.region
        state.measure([found.t])
        return True

    def _end(self, _outcome: object) -> None:
        self._job = None
        if self.session.state is not None:
            if self.session.state.mask is not None:
                self.session.state.mask.refresh()
            self.session.marks_changed.emit(self.session.state)


def _decide_again(mark: Mark, found: Found, revision: Revision) -> bool:
    """Edits that came back before the decision was found lie on a frame that is decided; whether that was not shown."""
    if mark.decided or revision.status not in DECIDED:
        return False
    mark.status, mark.saved, mark.region = revision.status, revision.text, found.region
    return True


def _with_patient(known: dict[str, str], fingerprint: str, pseudonym: str) -> dict[str, str]:
    """The pseudonyms by fingerprint with this one last; an empty one is forgotten, and the oldest beyond the limit."""
    others = {key: name for key, name in known.items() if key != fingerprint and name}
    kept = {**others, fingerprint: pseudonym} if pseudonym else others
    return dict(list(kept.items())[-_REMEMBERED:])


def _search(dataset: Dataset, cine: Cine, patient: str) -> Callable[[Callable[[], bool]], Iterator[Found]]:
    def work(cancelled: Callable[[], bool]) -> Iterator[Found]:
        for t in range(cine.shape[0]):
            if cancelled():
                return
            try:
                yield standing(dataset, t, dataset.case_of(Frame.from_cine(cine, t, patient or None)))
            except UnreadableCine:  # told where the frame is shown; the others may be known
                continue

    return work


def standing(dataset: Dataset, t: int, case: str) -> Found:
    """The newest revision of frame ``t``, which is this case, as it is shown."""
    head = dataset.head(case)
    if head is None:
        return Found(t, case)
    return _shown(t, head) if head.status in DECIDED else Found(t, case, head)


def _shown(t: int, head: Revision) -> Found:
    mask = head.mask()
    region = bool((mask == IGNORE).mean() > _REGION_SHARE)
    labels = (mask == VESSEL).astype(np.uint8) * VESSEL
    if not region:
        labels[mask == IGNORE] = UNSURE
    return Found(t, head.case, head, labels, region and head.status == "accepted")


def fingerprint_of(cine: Cine) -> str:
    """By which an acquisition is known again, whatever its file is called; empty where nothing tells it from others.

    Recordings of several patients may begin with the same blank or title frame: its middle and end count, too.
    """
    digest, tells = hashlib.sha256(f"{cine.shape}".encode()), False
    for t in sorted({0, cine.shape[0] // 2, cine.shape[0] - 1}):
        try:
            frame = np.ascontiguousarray(cine.stored(t))
        except UnreadableCine:  # told where the frame is shown
            continue
        tells = tells or bool((frame != frame.flat[0]).any())
        digest.update(frame.tobytes())
    return digest.hexdigest()[:24] if tells else ""
