"""After a crash: edits that an earlier napari did not get accepted are offered, and come back where they belong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from napari_lightvessel import _jobs
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._journalling import Journalist, journal_folder
from napari_lightvessel._layers import lone_labels
from napari_lightvessel._marks import PROPOSED, UNANNOTATED, Mark, Plane, count_words
from napari_lightvessel._recalling import fingerprint_of
from napari_lightvessel._session import Session
from src_training import Cine, durable
from src_training.errors import LightVesselError
from src_training.journal import Journal, Story, left_behind

_Edits = dict[int, np.ndarray]
_Stories = dict[int, Story]


@dataclass(frozen=True)
class _Read:
    """What a journal gave: labels (Y, X) and stories by frame, a line for every damaged one, and whether its cine can
    be opened."""

    edits: _Edits
    stories: _Stories
    damaged: list[str]
    file_is_there: bool


class Recoverer:
    """Finds what earlier processes left behind and brings it back, one journal after the other."""

    offered = Signal(object)  # Journal to be asked about | None: no more
    told = Signal(str, str)  # line, kind

    def __init__(self, session: Session, journalist: Journalist) -> None:
        self.session, self.journalist = session, journalist
        self.waiting: list[Journal] = []
        folder = journal_folder()
        self._job: _jobs.Job | None = _jobs.start(
            lambda _cancelled: left_behind(folder), done=self._found, failed=self._failed, visible=False
        )

    @property
    def busy(self) -> bool:
        """Whether it is looking for edits, or reading some."""
        return self._job is not None

    def offer(self) -> None:
        """Ask about the first that waits."""
        self.offered.emit(self.waiting[0] if self.waiting else None)

    def discard(self) -> None:
        """The person wants the first no more."""
        self.journalist.forget(self.waiting.pop(0))
        self.told.emit("", "info")
        self.offer()

    def recover(self) -> None:
        """Bring the first back onto its cine, which is opened if need be."""
        journal = self.waiting[0]
        self._aside(lambda: _read(journal), self._bring_back)

    def close(self) -> None:
        """Hear nothing more."""
        if self._job is not None:
            self._job.forget()

    def _found(self, journals: list[Journal]) -> None:
        self._job = None
        self.waiting = journals
        self.offer()

    def _failed(self, problem: _jobs.Problem) -> None:
        self._job = None
        self._not_now(problem.line)

    def _not_now(self, line: str) -> None:
        self.told.emit(line, "bad")
        self.offer()

    def _aside(self, act: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """The disk may take its time, and the window does not wait for it."""

        def over(outcome: Any) -> None:
            self._job = None
            done(outcome)

        self._job = _jobs.start(lambda _cancelled: act(), done=over, failed=self._failed, visible=False)

    def _bring_back(self, read: _Read) -> None:
        journal = self.waiting[0]
        state = self._cine_of(journal, read.file_is_there)
        if state is None:
            self._show_alone(journal, read.edits)
        elif self._is_free(state):
            cine = state.cine
            self._aside(lambda: _take_over(journal, cine), lambda _none: self._go_on(state, journal, read))

    def _is_free(self, state: CineState) -> bool:
        """Whether recovered edits would cover nothing; told when they would."""
        if state.edited_frames():
            self._not_now(f"{state.image.name} has new edits. Accept or undo them, then recover.")
            return False
        return True

    def _go_on(self, state: CineState, journal: Journal, read: _Read) -> None:
        """The journal is ours now, in which time somebody may have painted or closed the cine."""
        if state not in self.session.states():
            self._not_now(f"{state.image.name} was closed meanwhile. Recover again.")
            return
        if not self._is_free(state):
            return
        edits, damaged = read.edits, read.damaged
        put_back(self.session, state, edits, read.stories)
        self.journalist.adopt(state, journal, edits)
        line = f"Recovered {count_words(len(edits))} of {state.image.name}: look, then accept."
        self.told.emit(" ".join([line, *damaged]), "bad" if damaged else "good")
        del self.waiting[0]
        self.offer()

    def _show_alone(self, journal: Journal, edits: _Edits) -> None:
        """Without its cine the edits can be looked at and saved; the journal stays for when it is there."""
        facts = journal.facts
        name = f"{facts.name} recovered edits"
        if name not in self.session.viewer.layers:
            stack = np.zeros(facts.shape, np.uint8)
            for t, labels in edits.items():
                stack[t] = labels
            self.session.viewer.layers.append(lone_labels(stack, name))
        self._not_now(
            f"{facts.name} is not there: its edits are in a layer of their own. "
            "Open it and recover again to accept them."
        )

    def _cine_of(self, journal: Journal, file_is_there: bool) -> CineState | None:
        """The open cine that the edits belong to; its file is opened when it is not."""
        state = self._open_cine(journal)
        source = journal.facts.source
        if state is None and file_is_there:
            self.session.viewer.open(source, plugin="napari-lightvessel")  # type: ignore[attr-defined]
            state = self._open_cine(journal)
        return state

    def _open_cine(self, journal: Journal) -> CineState | None:
        facts = journal.facts
        for state in self.session.states():
            same_file = facts.source is not None and str(state.cine.source) == facts.source
            same_pixels = bool(facts.fingerprint) and state.fingerprint == facts.fingerprint
            if (same_file or same_pixels) and state.cine.shape == facts.shape and not state.outdated:
                return state
        return None


def put_back(session: Session, state: CineState, edits: _Edits, stories: _Stories) -> None:
    """Put recovered labels (Y, X) by frame on the cine's Labels, as edits that can be undone, with their effort."""
    mask = state.ensure_mask(session.viewer)
    with session.effort.quiet():
        for t, labels in edits.items():
            _go_on_from(state.marks[t], stories.get(t), (labels.shape[0], labels.shape[1]))
            mask.replace(t, labels)
    state.measure(edits)
    session.marks_changed.emit(state)
    session.viewer.layers.selection.active = mask.layer
    session.go_to(min(edits))


def _go_on_from(mark: Mark, story: Story | None, shape: tuple[int, int]) -> None:
    """The effort goes on where it was, from what it began with; a frame that is decided here stays so."""
    if story is None:  # what the work began from is not remembered: it stays an edit even if empty
        mark.proposal = mark.stored = Plane.unknown(shape)
        mark.baseline = mark.baseline or mark.proposal
        return
    start = Plane.of(story.before) if story.before is not None else None
    if story.is_saved:
        mark.stored = start or Plane.unknown(shape)
        mark.seen |= set(story.seen)
    else:
        mark.proposal, mark.stored = start, None
    mark.model_id = story.model_id or mark.model_id
    mark.seconds, mark.strokes = mark.seconds + story.seconds, mark.strokes + story.strokes
    if mark.baseline is None:
        mark.baseline = mark.stored or mark.proposal or Plane.unknown(shape)
    if not mark.decided and mark.status == UNANNOTATED and start is not None:
        mark.status = PROPOSED


def _read(journal: Journal) -> _Read:
    edits: _Edits = {}
    stories: _Stories = {}
    damaged = []
    for t in journal.frames():
        try:
            edits[t] = journal.labels(t)
        except LightVesselError as error:
            damaged.append(str(error))
            continue
        if (story := journal.story(t)) is not None:
            stories[t] = story
    if not edits:
        raise LightVesselError(f"{journal.facts.name}: {' '.join(damaged)}")
    source = journal.facts.source
    return _Read(edits, stories, damaged, source is not None and Path(source).exists())


def _take_over(journal: Journal, cine: Cine) -> None:
    known, found = journal.facts.fingerprint, fingerprint_of(cine)
    if known and found and known != found:  # IM0 of another disc, say
        raise LightVesselError(
            f"{cine.name} shows other pictures than the edits were made on. Put the former file back, then recover."
        )
    try:
        journal.take_over()
    except OSError as error:
        raise LightVesselError(f"The edits cannot be recovered now. {durable.cure_for(error)}") from error
