"""Watching a training from the shell: events as lines, Ctrl-C as a polite cancel."""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING, Any

from src_training.cli.common import say

if TYPE_CHECKING:
    from src_training.training.loop import Watcher


def watch_here(as_json: bool) -> Watcher:
    """A watcher for a training in this process: lines on stderr, Ctrl-C asks it to stop after its step."""
    from src_training.training.loop import Watcher

    asked = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: asked.set())
    return Watcher(emit=lambda event: say(event_line(event, as_json)), cancelled=asked.is_set)


def event_line(event: dict[str, Any], as_json: bool = False) -> str:
    """One event as a person reads it, or as JSON."""
    if as_json:
        return json.dumps(event, ensure_ascii=False)
    kind = event.get("event", "")
    if kind == "progress":
        left = _duration(event.get("seconds_left"))
        return f"step {event['step']}/{event['steps']} · loss {event['loss']:.4f} · {left} left"
    if kind == "validated":
        figures = " ".join(f"{name} {value:.4f}" for name, value in event["metrics"].items())
        return f"step {event['step']} · validation {figures}"
    return str(event.get("message") or " ".join(f"{k} {v}" for k, v in event.items() if k != "event") or kind)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min" if minutes else f"{rest} s"
