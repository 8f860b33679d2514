"""The events of a run on their way to the disk: what must last waits, in its order, while the disk is full."""

from __future__ import annotations

import time
from pathlib import Path

from src_training import durable
from src_training.runs import reserve
from src_training.runs.events import EVENTS_FILE, Event

# Many a minute, and the next one replaces them: not worth a sync each, and no waiting for space.
_PASSING = frozenset({"progress", "log"})
_LAST_WORDS = frozenset({"finished", "cancelled", "failed"})
_LOOK_S = 1.0


class Recorder:
    """Appends events to the file of a run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._waiting: list[Event] = []

    def record(self, event: Event) -> None:
        """Append an event; OSError when the disk refuses for another reason than being full.

        On a full disk the reserve makes room. When that is spent, a passing event is dropped, a lasting one waits
        for those that follow, and a last word waits here until there is space: without it nobody could tell how
        the run ended. A line whose sync was refused is written again: readers take it twice without harm.
        """
        kind = event["event"]
        self._waiting.append(event)
        while not self._written(kind):
            if kind in _PASSING:
                self._waiting.pop()
            if kind not in _LAST_WORDS:
                return
            time.sleep(_LOOK_S)
        if kind in _LAST_WORDS:
            reserve.release(self.folder)

    def _written(self, kind: str) -> bool:
        """Whether nothing waits any more."""
        while self._waiting:
            if self._appended(self._waiting[0]):
                del self._waiting[0]
            elif kind == "progress" or not reserve.spend(self.folder, on_last_word=kind in _LAST_WORDS):
                return False
        return True

    def _appended(self, event: Event) -> bool:
        try:
            durable.append_line(self.folder / EVENTS_FILE, event, sync=event["event"] not in _PASSING)
        except OSError as error:
            if not durable.is_full(error):
                raise
            return False
        return True
