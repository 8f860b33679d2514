"""Watching a training from the shell: events as lines, Ctrl-C as a polite cancel, twice as one at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

from src_training.cli.common import progress, result, say
from src_training.runs.telling import event_text

if TYPE_CHECKING:
    from src_training.training.progress import Watcher

_PROGRESS = frozenset({"progress", "validated", "checkpoint"})


def watch_here(as_json: bool) -> Watcher:
    """A watcher for a training in this process: lines on stderr, or records on stdout.

    Ctrl-C asks it to stop where it can be resumed; a second one raises KeyboardInterrupt at once.
    """
    from src_training.training.progress import Watcher

    asked = threading.Event()

    def heard(*_signal: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    signal.signal(signal.SIGINT, heard)
    return Watcher(emit=lambda event: tell_event(event, as_json), cancelled=asked.is_set)


def tell_event(event: dict[str, Any], as_json: bool) -> None:
    """An event of a training: a record on stdout for machines, else a line; how far it is only where one watches."""
    if as_json:
        result("", event, True)
    elif event.get("event") in _PROGRESS or "done" in event:
        progress(event_text(event))
    else:
        say(event_text(event))
