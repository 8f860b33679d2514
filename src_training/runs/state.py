"""What a run has come to: a fold of its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from src_training.runs.events import Event
from src_training.runs.telling import compared_text
from src_training.texts import line

Status = Literal["queued", "running", "finished", "failed", "cancelled", "interrupted"]
ENDED: frozenset[Status] = frozenset({"finished", "failed", "cancelled", "interrupted"})
_MOST_STEPS = 2**31 - 1  # what a progress bar can count to
_LARGEST = 1e12  # of seconds and losses; a diverged loss is no point on a curve
_MOST_POINTS = 20_000  # of a curve: of more every other one is left out


@dataclass
class RunState:
    """A run at one moment.

    ``losses`` are (step, loss), ``validations`` (step, metrics), both in the order of steps; ``metrics`` are
    those of the latest validation, ``compared`` the comparison with the live model, ``eta_s`` the seconds
    left as the run itself estimates them. ``trained``: no further step is taken; what was learnt is weighed
    and compared. ``updated`` is when the last event was written, UTC.
    ``exit_code`` is that of a failed run's process, 2 for an error it foresaw.
    """

    status: Status = "queued"
    step: int = 0
    steps: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    validations: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    compared: dict[str, Any] | None = None
    message: str = ""
    model_id: str | None = None
    eta_s: float | None = None
    trained: bool = False
    exit_code: int | None = None
    updated: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen, unless it is resumed."""
        return self.status in ENDED

    def fold(self, events: Iterable[Event]) -> RunState:
        """Take events into account, in their order; unknown and incomplete ones change nothing."""
        for event in events:
            take = _TAKE.get(event["event"])
            if take is not None:
                try:
                    take(self, event)
                except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
                    continue  # an event of another version: what it cannot say is not worth a broken view
            self.updated = str(event.get("time") or self.updated)
        return self


def _launched(state: RunState, event: Event) -> None:
    state.status, state.message, state.eta_s, state.exit_code = "queued", "", None, None
    state.trained = False


def _started(state: RunState, event: Event) -> None:
    state.status = "running"
    state.steps = _steps(event.get("steps") or state.steps)


def _progress(state: RunState, event: Event) -> None:
    state.status = "running"
    state.step, state.steps = _steps(event["step"]), _steps(event.get("steps") or state.steps)
    state.eta_s = None if (left := event.get("seconds_left")) is None else _finite(left)
    # A resumed run goes back to its checkpoint and takes some steps again.
    _forget_from(state.losses, state.step)
    _forget_from(state.validations, state.step)
    if event.get("loss") is not None:
        _add(state.losses, (state.step, _finite(event["loss"])))


def _validated(state: RunState, event: Event) -> None:
    step = _steps(event["step"])
    metrics = {str(name): _finite(value) for name, value in event["metrics"].items()}
    _forget_from(state.validations, step)
    _add(state.validations, (step, metrics))
    state.metrics = metrics


def _checkpoint(state: RunState, event: Event) -> None:
    state.step = _steps(event["step"])  # progress is told about once a second, a checkpoint to the step


def _trained(state: RunState, event: Event) -> None:
    state.trained, state.eta_s = True, None
    _log(state, event)


def _compared(state: RunState, event: Event) -> None:
    compared_text(event)  # one that cannot be told is none
    state.compared = event


def _log(state: RunState, event: Event) -> None:
    state.message = line(event["message"])


def _finished(state: RunState, event: Event) -> None:
    state.status, state.eta_s, state.message = "finished", None, ""
    state.model_id = model_id if isinstance(model_id := event.get("model_id"), str) else None


def _cancelled(state: RunState, event: Event) -> None:
    state.status, state.eta_s = "cancelled", None
    state.message = line(event.get("message") or "cancelled")


def _failed(state: RunState, event: Event) -> None:
    state.status, state.eta_s = "failed", None
    state.message = line(event.get("message") or "failed")
    code = int(event.get("exit_code") or 1)
    state.exit_code = code if 0 < code < 256 else 1


def _steps(value: Any) -> int:
    if not 0 <= (steps := int(value)) <= _MOST_STEPS:
        raise ValueError(value)
    return steps


def _finite(value: Any) -> float:
    if not abs(number := float(value)) < _LARGEST:
        raise ValueError(value)
    return number


def _forget_from(points: list[tuple[int, Any]], step: int) -> None:
    """Forget the points from ``step`` on: in place, and each is forgotten once, however often a run goes back."""
    while points and points[-1][0] >= step:
        points.pop()


def _add(points: list[tuple[int, Any]], point: tuple[int, Any]) -> None:
    points.append(point)
    if len(points) > _MOST_POINTS:
        del points[-2::-2]


_TAKE = {
    "launched": _launched,
    "started": _started,
    "progress": _progress,
    "validated": _validated,
    "checkpoint": _checkpoint,
    "trained": _trained,
    "compared": _compared,
    "log": _log,
    "finished": _finished,
    "cancelled": _cancelled,
    "failed": _failed,
}
