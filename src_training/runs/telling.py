"""Events of a run as a person reads them: in the shell, and in the run's log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from src_training.texts import line


def event_text(event: dict[str, Any]) -> str:
    """One event in a line."""
    kind = event.get("event", "")
    try:
        return line(_LINES[kind](event))
    except (KeyError, TypeError, ValueError, AttributeError):
        return line(event.get("message") or kind)  # of another version, or with nothing more to say


def compared_text(event: dict[str, Any]) -> str:
    """The metrics of a comparison with the active model, and what the gate says of them."""
    decision = event["decision"]
    reasons = " ".join(decision["reasons"])
    return f"{figures_text(event)} · {decision['verdict'].replace('_', ' ')}{': ' * bool(reasons)}{reasons}"


def figures_text(record: dict[str, Any]) -> str:
    """The metrics of a comparison with the active model."""
    home = f"reference set {record['home_dice_current']:.3f} → {record['home_dice_candidate']:.3f}"
    if record["delta_dice"] is None:
        return f"no test patients; {home}"
    low, high = record["dice_interval"]
    return (
        f"Dice {record['delta_dice']:+.3f} [{low:+.3f}, {high:+.3f}], {record['patients']} patients, "
        f"{record['worse_patients']} worse; {home}"
    )


def losing_lines(record: dict[str, Any]) -> list[str]:
    """The frames of a comparison that got worse, a line each, worst first; empty when there are none."""
    if not record["losing_frames"]:
        return []
    lines = [f"  {change:+.3f}  {name}" for name, change in record["losing_frames"]]
    return ["frames that got worse (change of Dice), worst first:", *lines]


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
