"""Recalling earlier decisions: frames that the dataset already holds show their status and mask."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from napari_lightvessel import _jobs, _preferences
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._marks import DECIDED, IGNORE, UNSURE, VESSEL, Plane
from napari_lightvessel._session import Session
from src_training import Cine, Dataset, Frame, Revision
from src_training.errors import UnreadableCine

_REGION_SHARE = 0.3  # more unreviewed pixels than this: a region was accepted, not the whole frame
_REMEMBERED = 200  # pseudonyms kept in the user's preferences: of the cines that were named last


@dataclass(frozen=True)
class _Found:
    t: int
    labels: np.ndarray
    revision: Revision
    region: bool


class Recaller:
    """Looks beside the GUI thread, whenever a cine, a workspace or a pseudonym makes new answers possible."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.hold = False
        self._identifying: CineState | None = None
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
        self._job = _jobs.start(
            work, step=lambda found: self._take(state, found), done=self._end, failed=self._end, visible=False
        )

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
            if known and not state.patient:
                state.patient = known
                self.session.marks_changed.emit(state)
                self.look()

        cine = state.cine
        _jobs.start(lambda _cancelled: _fingerprint(cine), done=done, failed=lambda _p: None, visible=False)

    def _take(self, state: CineState, found: _Found) -> None:
        mark = state.marks[found.t]
        if state.protected(found.t):
            return
        mask = state.ensure_mask(self.session.viewer)
        mask.put(found.t, found.labels)
        mark.baseline = Plane.of(found.labels)
        mark.status, mark.saved, mark.region = found.revision.status, found.revision.text, found.region
        mark.model_id = found.revision.model_id
        state.measure([found.t])

    def _end(self, _outcome: object) -> None:
        self._job = None
        if self.session.state is not None:
            if self.session.state.mask is not None:
                self.session.state.mask.refresh()
            self.session.marks_changed.emit(self.session.state)


def _with_patient(known: dict[str, str], fingerprint: str, pseudonym: str) -> dict[str, str]:
    """The pseudonyms by fingerprint with this one last; an empty one is forgotten, and the oldest beyond the limit."""
    others = {key: name for key, name in known.items() if key != fingerprint and name}
    kept = {**others, fingerprint: pseudonym} if pseudonym else others
    return dict(list(kept.items())[-_REMEMBERED:])


def _search(dataset: Dataset, cine: Cine, patient: str) -> Callable[[Callable[[], bool]], Iterator[_Found]]:
    def work(cancelled: Callable[[], bool]) -> Iterator[_Found]:
        if next(iter(dataset.cases()), None) is None:
            return
        for t in range(cine.shape[0]):
            if cancelled():
                return
            head = _find(dataset, cine, t, patient)
            if head is not None and head.status in DECIDED:
                yield _shown(t, head)

    return work


def _find(dataset: Dataset, cine: Cine, t: int, patient: str) -> Revision | None:
    try:
        return dataset.find(Frame.from_cine(cine, t, patient or None))
    except UnreadableCine:  # told where the frame is shown; the others may be known
        return None


def _shown(t: int, head: Revision) -> _Found:
    mask = head.mask()
    region = bool((mask == IGNORE).mean() > _REGION_SHARE)
    labels = (mask == VESSEL).astype(np.uint8) * VESSEL
    if not region:
        labels[mask == IGNORE] = UNSURE
    return _Found(t, labels, head, region and head.status == "accepted")


def _fingerprint(cine: Cine) -> str:
    first = np.ascontiguousarray(cine.stored(0))
    return hashlib.sha256(f"{cine.shape}".encode() + first.tobytes()).hexdigest()[:24]
