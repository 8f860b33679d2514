"""Watching a training from the shell: events as lines, Ctrl-C as a polite cancel, twice as one at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from src_training.cli.common import json_line, say
from src_training.runs.telling import event_text

if TYPE_CHECKING:
    from src_training.training.progress import Watcher


def watch_here(as_json: bool) -> Watcher:
    """A watcher for a training in this process: lines on stderr.

    Ctrl-C asks it to stop where it can be resumed; a second one raises KeyboardInterrupt at once.
    """
    from src_training.training.progress import Watcher

    asked = threading.Event()

    def heard(*_signal: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    signal.signal(signal.SIGINT, heard)
    told = json_line if as_json else event_text
    return Watcher(emit=lambda event: say(told(event)), cancelled=asked.is_set)
