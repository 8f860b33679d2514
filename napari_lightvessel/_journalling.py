"""Edits on the way to the disk: within two seconds of the last stroke they are in a journal, beside the GUI thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
from napari.layers import Labels
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_lightvessel import _jobs
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._layers import frame_index, painted_frames
from napari_lightvessel._marks import Mark, Plane
from napari_lightvessel._session import Session
from src_training import durable
from src_training.journal import Journal, JournalFacts, Story
from src_training.workspace import user_config_dir

_LOOK_MS = 700
_ROUND = 4  # frames looked at each time although nobody was seen to touch them: undo and scripts reach any


def journal_folder() -> Path:
    """Where this user's journals lie."""
    return user_config_dir() / "unaccepted"


@dataclass
class JournalEntry:
    """One cine's journal as the GUI thread sees it: what was handed over, and where to look next.

    ``journal`` is made by the writer with the first edit, or was recovered.
    """

    facts: JournalFacts
    journal: Journal | None = None
    written: dict[int, Plane] = field(default_factory=dict)
    suspects: set[int] = field(default_factory=set)
    next_frame: int = 0


class Journalist:
    """Looks for edits of the session's cines and has them written; forgets what was accepted, undone or let go."""

    trouble = Signal(str)  # a line: edits cannot be kept safe; empty when they can again

    def __init__(self, session: Session) -> None:
        self.session = session
        self.writer = JournalWriter(journal_folder())
        self._entries: dict[int, tuple[CineState, JournalEntry]] = {}
        self._heard: WeakSet[Labels] = WeakSet()
        self._let_go = False
        self._told = ""
        session.marks_changed.connect(self._on_marks)
        session.frame_decided.connect(self._on_marks)
        session.edits_let_go.connect(self._on_let_go)
        self._timer = QTimer()
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Hand every frame that changed since the last look to the writer."""
        states = [state for state in self.session.states() if state.mask is not None]
        for state in states:
            entry = self._entry_of(state)
            self._hear(state)
            for t in self._due(state, entry):
                self._hand_over(state, entry, t)
        open_ids = {id(state) for state in states}
        gone = [known for key, known in self._entries.items() if key not in open_ids]
        self._entries = {key: known for key, known in self._entries.items() if key in open_ids}
        for state, entry in gone:  # accepted and closed, or let go by the person
            state.journal = None
            self.writer.discard(entry)
        self._tell()

    def adopt(self, state: CineState, journal: Journal, frames: Iterable[int]) -> None:
        """Go on with a recovered journal, whose ``frames`` are on the state's Labels again."""
        entry = JournalEntry(journal.facts, journal)
        entry.written = {t: Plane.of(state.labels(t)) for t in frames}
        state.journal = entry
        self._entries[id(state)] = (state, entry)

    def forget(self, journal: Journal) -> None:
        """Remove a journal that nobody wants; what cannot be removed is offered again next time."""
        self.writer.discard(JournalEntry(journal.facts, journal))

    def close(self) -> None:
        """Look a last time; without an edit, or with all of them let go, nothing is left behind."""
        _jobs.stop(self._timer)
        self.session.marks_changed.disconnect(self._on_marks)
        self.session.frame_decided.disconnect(self._on_marks)
        self.session.edits_let_go.disconnect(self._on_let_go)
        if self._let_go:
            for _state, entry in self._entries.values():
                self.writer.discard(entry)
        else:
            self.look()
        self.writer.finish()

    # -- looking -------------------------------------------------------------------------------------------

    def _entry_of(self, state: CineState) -> JournalEntry:
        if state.journal is None:
            source = str(state.cine.source) if state.cine.source is not None else None
            facts = JournalFacts(state.image.name, source, state.cine.shape, state.fingerprint)
            state.journal = JournalEntry(facts)
        elif state.journal.journal is None and state.fingerprint != state.journal.facts.fingerprint:
            state.journal.facts = replace(state.journal.facts, fingerprint=state.fingerprint)
        self._entries[id(state)] = (state, state.journal)
        return state.journal

    def _due(self, state: CineState, entry: JournalEntry) -> list[int]:
        """The frames to look at now: where somebody painted, what is in view, and a few more in turn."""
        first, entry.next_frame = entry.next_frame, (entry.next_frame + _ROUND) % state.n_frames
        round_ = {(first + step) % state.n_frames for step in range(_ROUND)}
        due = entry.suspects | round_ | self._in_view(state) | self.writer.failed(entry)
        entry.suspects = set()
        return sorted(due)

    def _hand_over(self, state: CineState, entry: JournalEntry, t: int) -> None:
        if not state.edited(t):
            if entry.written.pop(t, None) is not None:
                self.writer.drop(entry, t)
            return
        labels = state.labels(t)
        plane = Plane.of(labels)
        if plane != entry.written.get(t):
            entry.written[t] = plane
            self._let_go = False  # the closing was taken back after all
            self.session.effort.touch()
            self.writer.keep(entry, t, labels.astype(np.uint8), _story_of(state.marks[t]))

    def _in_view(self, state: CineState) -> set[int]:
        t = frame_index(self.session.viewer, state.layer_in(self.session.viewer), state.n_frames)
        return set() if t is None else {t}

    def _hear(self, state: CineState) -> None:
        """Note which frame is in view whenever pixels of the layer change: it may be another at the next look."""
        assert state.mask is not None
        if state.mask.layer not in self._heard:
            self._heard.add(state.mask.layer)
            state.mask.layer.events.paint.connect(self._on_paint)
            state.mask.layer.events.set_data.connect(self._on_pixels)

    def _on_paint(self, event: Any) -> None:
        """A stroke: napari tells the pixels, and so the frames."""
        state = self.session.owner_of(event.source)
        if state is not None and state.journal is not None:
            state.journal.suspects |= painted_frames(event.value, event.source)

    def _on_pixels(self, event: Any) -> None:
        state = self.session.owner_of(event.source)
        if state is not None and state.journal is not None:
            state.journal.suspects |= self._in_view(state)

    def _on_marks(self, state: CineState) -> None:
        if state.journal is not None:  # accepted, proposed anew: what was written may be no edit any more
            state.journal.suspects |= set(state.journal.written)

    def _on_let_go(self) -> None:
        self._let_go = True

    def _tell(self) -> None:
        problem = self.writer.problem
        if problem != self._told:
            self._told = problem
            self.trouble.emit(problem)


def _story_of(mark: Mark) -> Story:
    start = mark.stored or mark.proposal
    newest = (mark.head.sha,) if mark.head is not None else ()
    return Story(
        seconds=round(mark.seconds, 1),
        strokes=mark.strokes,
        before=start.labels() if start is not None and start.is_known else None,
        is_saved=mark.stored is not None or (start is not None and not start.is_known),
        status=mark.status,
        model_id=mark.model_id,
        seen=(*sorted(mark.seen - set(newest)), *newest),
    )


class JournalWriter:
    """Writes in a thread of its own, newest labels first come: a disk that hangs holds up nobody else."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problem = ""  # why the last attempt failed; empty after one that did not
        self._todo: dict[tuple[int, int], Callable[[], None]] = {}
        self._failed: set[tuple[int, int]] = set()
        self._busy = False
        self._finishing = False
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def keep(self, entry: JournalEntry, t: int, labels: np.ndarray, story: Story) -> None:
        """Write frame ``t``'s labels and their story, unless newer ones come before their turn."""
        self._put(entry, t, lambda: self._journal(entry).keep(t, labels, story))

    def drop(self, entry: JournalEntry, t: int) -> None:
        """Frame ``t`` holds no edit any more."""
        self._put(entry, t, lambda: entry.journal.drop(t) if entry.journal else None)

    def discard(self, entry: JournalEntry) -> None:
        """Forget the whole journal."""
        with self._change:
            for key in [key for key in self._todo if key[0] == id(entry)]:
                del self._todo[key]
        self._put(entry, -1, lambda: entry.journal.discard() if entry.journal else None)

    def failed(self, entry: JournalEntry) -> set[int]:
        """The frames that could not be written since the last question; to be handed over again."""
        with self._change:
            found = {t for key, t in self._failed if key == id(entry)}
            self._failed = {(key, t) for key, t in self._failed if key != id(entry)}
        for t in found:
            entry.written.pop(t, None)
        return found

    def wait(self, seconds: float) -> bool:
        """Whether all that was handed over is written before so many seconds are over."""
        with self._change:
            return self._change.wait_for(lambda: not self._todo and not self._busy, seconds)

    def finish(self) -> None:
        """Write what is left and end; does not wait."""
        with self._change:
            self._finishing = True
            self._change.notify_all()

    def _journal(self, entry: JournalEntry) -> Journal:
        if entry.journal is None:
            entry.journal = Journal.begin(self.root, entry.facts)
        return entry.journal

    def _put(self, entry: JournalEntry, t: int, act: Callable[[], None]) -> None:
        with self._change:
            self._todo[id(entry), t] = act
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
            self._change.notify_all()

    def _run(self) -> None:
        while True:
            with self._change:
                self._busy = False
                self._change.notify_all()
                self._change.wait_for(lambda: self._todo or self._finishing)
                if not self._todo:
                    return
                key = next(iter(self._todo))
                act = self._todo.pop(key)
                self._busy = True
            self._try(key, act)

    def _try(self, key: tuple[int, int], act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            self.problem = f"Unaccepted edits are not kept safe: {durable.cure_for(error)}"
            with self._change:
                self._failed.add(key)
        else:
            self.problem = ""
