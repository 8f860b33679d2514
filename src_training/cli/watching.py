"""Watching a training from the shell: events as lines, Ctrl-C as a polite cancel."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from src_training.cli.common import json_line, say

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
        return json_line(event)
    kind = event.get("event", "")
    try:
        return _LINES[kind](event)
    except (KeyError, TypeError, ValueError):
        return str(event.get("message") or kind)  # of another version, or with nothing more to say


def compared_text(event: dict[str, Any]) -> str:
    """The figures of a comparison with the live model, and what the gate says of them."""
    from src_training.cli.models import _figures

    decision = event["decision"]
    reasons = " ".join(decision["reasons"])
    return f"{_figures(event)} · {decision['verdict'].replace('_', ' ')}{': ' * bool(reasons)}{reasons}"


def _started(event: dict[str, Any]) -> str:
    steps = f", {event['steps']} steps" if event.get("steps") else ""
    return f"{event['kind']} started{steps}"


def _progress(event: dict[str, Any]) -> str:
    left = _duration(event.get("seconds_left"))
    return f"step {event['step']}/{event['steps']} · loss {event['loss']:.4f} · {left} left"


def _validated(event: dict[str, Any]) -> str:
    figures = " ".join(f"{name} {value:.4f}" for name, value in event["metrics"].items())
    return f"step {event['step']} · validation {figures}"


_LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "started": _started,
    "progress": _progress,
    "validated": _validated,
    "checkpoint": lambda event: f"step {event['step']} · checkpoint written",
    "compared": lambda event: f"compared with {event['current']}: {compared_text(event)}",
    "finished": lambda event: f"finished: {event['model_id']}" if event["model_id"] else "finished",
}


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min" if minutes else f"{rest} s"
