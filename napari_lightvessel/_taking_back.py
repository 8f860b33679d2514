"""Taking decisions back: a saved frame is withdrawn, or moved to the patient it belongs to, as new revisions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from psygnal import Signal

from napari_lightvessel import _jobs, _preferences
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._errands import Errands
from napari_lightvessel._marks import DECIDED, PROPOSED, UNANNOTATED, WITHDRAWN, Mark, count_words
from napari_lightvessel._session import Session
from src_training import Dataset, Frame, Revision, Workspace
from src_training.dataset import Source, Sources, alike_patient, move, withdraw
from src_training.errors import DatasetError


@dataclass(frozen=True)
class Strays:
    """Saved frames of a cine whose patient was named differently, or not at all, when they were saved."""

    state: CineState
    workspace: Workspace
    revisions: dict[int, Revision]
    patient: str
    named: bool  # they stand under another patient, not under none
    alike: bool = False  # somebody in the dataset whose id differs in leading zeros only may be this patient


class TakeBack:
    """Withdraws and moves beside the GUI thread. Signals: ``told(line, kind)``, ``asks(Strays)``."""

    told = Signal(str, str)
    asks = Signal(object)

    def __init__(self, session: Session) -> None:
        self.session = session
        self._job: _jobs.Job | None = None
        self._errands = Errands()

    @property
    def busy(self) -> bool:
        """Whether something is being taken back."""
        return self._job is not None

    def blocked(self) -> str:
        """Why the frame in view cannot be withdrawn; empty when it can."""
        state, t = self.session.state, self.session.frame
        if reason := self.session.blocked() or self.session.no_frame():
            return reason
        if self.session.workspace is None or state is None or t is None:
            return "Needs a workspace: New… or Open… at the top."
        mark = state.marks[t]
        if mark.saving or self.busy:
            return "Wait until it is saved."
        if mark.head is None or mark.head.status not in DECIDED:
            return "This frame is not in the dataset."
        return ""

    def withdraw(self) -> None:
        """Take the decision on the frame in view back; its mask stays in view, and in the dataset's history."""
        state, t, workspace = self.session.state, self.session.frame, self.session.workspace
        if reason := self.blocked():
            self.told.emit(reason, "bad")
            return
        assert state is not None and t is not None and workspace is not None
        mark = state.marks[t]
        assert mark.head is not None
        case, seen = mark.head.case, mark.seen

        def done(gone: Revision) -> None:
            if not self.session.is_here(workspace):
                self._over(state, [t])
                self.told.emit(self.session.told_of(workspace, f"frame {t} was withdrawn."), "good")
                return
            mark.know(gone)
            mark.status = PROPOSED if state.labels(t).any() else UNANNOTATED
            mark.saved = WITHDRAWN
            self._over(state, [t])
            self.told.emit(
                f"Withdrawn · frame {t} · case {gone.text}. Nothing is deleted: Accept saves it again.",
                "good",
            )

        self._start(workspace, state, [t], lambda: _withdrawn(workspace.dataset, case, seen), done)

    def seek_strays(self, state: CineState, patient: str) -> None:
        """After another patient was typed: ask about the frames that were saved under none, or the former."""
        workspace = self.session.workspace
        saved = {
            t: mark.head
            for t, mark in enumerate(state.marks)
            if mark.head is not None and mark.head.status in DECIDED and not mark.saving
        }
        if workspace is None or not patient or not saved:
            return

        def work() -> Strays | None:
            key = workspace.dataset.key_of(patient)
            strays = {t: head for t, head in saved.items() if key is not None and head.patient_key != key}
            named = any(head.patient_key is not None for head in strays.values())
            if not strays:
                return None
            alike = alike_patient(patient, workspace.dataset) is not None
            return Strays(state, workspace, strays, patient, named, alike)

        def done(strays: Strays | None) -> None:
            if strays is not None and self.session.is_here(workspace):
                self.asks.emit(strays)

        def failed(problem: _jobs.Problem) -> None:
            self._failed(workspace, problem)

        self._errands.start(work, done=done, failed=failed)

    def still_strays(self, strays: Strays) -> Strays | None:
        """Those of which nothing else was saved since they were found, nor is being saved; None when there are none."""
        left = {
            t: found for t, found in strays.revisions.items() if _is_standing(strays.state.marks[t], found)
        }
        return replace(strays, revisions=left) if left else None

    def move(self, strays: Strays) -> None:
        """Give those frames to their patient that still stand where they were found."""
        left = self.still_strays(strays) if self.session.is_here(strays.workspace) else None
        if left is None:
            self.told.emit("Nothing was moved: these frames were decided anew meanwhile.", "info")
            return
        strays, state, frames, workspace = left, left.state, list(left.revisions), left.workspace

        def done(moved: dict[int, Revision]) -> None:
            line = f"Moved · {count_words(len(moved))} to {strays.patient}."
            for t, revision in moved.items() if self.session.is_here(workspace) else ():
                mark = state.marks[t]
                mark.know(revision)
                mark.status, mark.saved = revision.status, revision.text
            self._over(state, frames)
            self.told.emit(self.session.told_of(workspace, line), "good")

        self._start(workspace, state, frames, lambda: _moved(strays), done)

    def close(self) -> None:
        """What has begun is finished; hear nothing more."""
        self._errands.close()
        if self._job is not None:
            self._job.forget()

    # -- inside --------------------------------------------------------------------------------------------

    def _start(
        self,
        workspace: Workspace,
        state: CineState,
        frames: list[int],
        work: Callable[[], object],
        done: Callable[..., None],
    ) -> None:
        for t in frames:
            state.marks[t].saving = True
        self.told.emit(f"saving {count_words(len(frames))}…", "busy")

        def failed(problem: _jobs.Problem) -> None:
            self._over(state, frames)
            self._failed(workspace, problem)

        self._job = _jobs.start(lambda _cancelled: work(), done=done, failed=failed)
        self._tell_frames(state, frames)

    def _over(self, state: CineState, frames: list[int]) -> None:
        self._job = None
        for t in frames:
            state.marks[t].saving = False
        self._tell_frames(state, frames)
        self.session.dataset_grew.emit()

    def _tell_frames(self, state: CineState, frames: list[int]) -> None:
        for t in frames:
            self.session.frame_decided.emit(state, t)

    def _failed(self, workspace: Workspace, problem: _jobs.Problem) -> None:
        self.told.emit(self.session.told_of(workspace, problem.line), "bad")


def _is_standing(mark: Mark, revision: Revision) -> bool:
    return not mark.saving and mark.head is not None and mark.head.sha == revision.sha


def _withdrawn(dataset: Dataset, case: str, seen: frozenset[str]) -> Revision:
    heads = dataset.case_heads(case)
    for head in heads:
        if head.sha not in seen:
            raise DatasetError(
                f"Not withdrawn: {head.annotator or 'somebody'} saved the frame meanwhile as revision {head.seq}. "
                "Look at it, then withdraw."
            )
    return withdraw(dataset, heads, _preferences.annotator())


def _moved(strays: Strays) -> dict[int, Revision]:
    """The moved revisions by frame, of which those before a failure stay moved: the next time does the others."""
    dataset = strays.workspace.dataset
    return dict(_each_moved(dataset, strays))


def _each_moved(dataset: Dataset, strays: Strays) -> Iterator[tuple[int, Revision]]:
    by, sources = _preferences.annotator(), Sources(dataset)
    for t, revision in strays.revisions.items():
        frame = Frame.from_cine(strays.state.cine, t)
        moved = move(dataset, revision, strays.patient, by, pixels=frame.pixels)
        with contextlib.suppress(OSError):  # it may be lost without harm
            sources.remember(moved.case, Source(strays.state.image.name, moved.frame_index, strays.patient))
        yield t, moved
