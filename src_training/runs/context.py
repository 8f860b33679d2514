"""What a job sees of the run it works for."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src_training import confined
from src_training.runs.recording import Recorder
from src_training.runs.reserve import CANCEL_FILE
from src_training.runs.telling import event_text
from src_training.runs.writing import log, plain, utc_now, writing

if TYPE_CHECKING:
    from src_training.workspace import Workspace


class RunContext:
    """A run folder from inside its process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._recorder = Recorder(folder)
        self.stop = threading.Event()  # set by SIGTERM; the cancel file is the other way

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace the run belongs to, opened when first used."""
        from src_training.workspace import Workspace

        return Workspace.open(self.folder.parent.parent)

    def emit(self, event: dict[str, Any]) -> None:
        """Append an event, with the time, and say it in the log.

        Raises RunError when the disk refuses; a full one ends no run (``recording``).
        """
        record = plain({"event": event["event"], "time": utc_now(), **event})
        log(event_text(record))
        with writing(self.folder.name):
            self._recorder.record(record)

    def cancelled(self) -> bool:
        """Whether somebody asked the run to stop."""
        return self.stop.is_set() or confined.is_there(self.folder / CANCEL_FILE)
