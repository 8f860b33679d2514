"""What a job sees of the run it works for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src_training import durable
from src_training.runs.run import CANCEL_FILE, EVENTS_FILE
from src_training.runs.telling import event_text
from src_training.runs.writing import plain, utc_now, writing

if TYPE_CHECKING:
    from src_training.workspace import Workspace

# Many a minute, and the next one replaces them: not worth a sync each.
_PASSING = frozenset({"progress", "log"})


class RunContext:
    """A run folder from inside its process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stop = threading.Event()  # set by SIGTERM; the cancel file is the other way

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace the run belongs to, opened when first used."""
        from src_training.workspace import Workspace

        return Workspace.open(self.folder.parent.parent)

    def emit(self, event: dict[str, Any]) -> None:
        """Append an event, with the time, and say it in the log; RunError when the disk refuses.

        On a full disk a passing event is dropped: a run that waits for space does not end for want of a line.
        """
        record = plain({"event": event["event"], "time": utc_now(), **event})
        passing = event["event"] in _PASSING
        with writing(self.folder.name), _unless_full(passing):
            print(event_text(record), flush=True)  # log.txt is where a run prints to
        with writing(self.folder.name), _unless_full(passing):
            durable.append_line(self.folder / EVENTS_FILE, record, sync=not passing)

    def cancelled(self) -> bool:
        """Whether somebody asked the run to stop."""
        return self.stop.is_set() or (self.folder / CANCEL_FILE).exists()


@contextlib.contextmanager
def _unless_full(passing: bool) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not (passing and durable.is_full(error)):
            raise
