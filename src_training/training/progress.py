"""How far a training is, who watches it, and when it reports and saves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from src_training.errors import Cancelled

if TYPE_CHECKING:  # a run that only counts needs a watcher, but no settings
    from src_training.training.settings import LoopSettings

Item = TypeVar("Item")
_TELL_EVERY_S = 5.0


@dataclass
class Watcher:
    """Who watches a training, and may stop it; the loop does not know whether it is a shell or a window."""

    emit: Callable[[dict[str, Any]], None] = lambda event: None
    cancelled: Callable[[], bool] = lambda: False

    def check(self, doing: str) -> None:
        """Raise Cancelled where somebody asked to stop."""
        if self.cancelled():
            raise Cancelled(f"stopped while {doing}; what was kept before can be resumed")

    def through(self, items: Sequence[Item], doing: str) -> Iterator[Item]:
        """The items, one by one: between two it may be cancelled, and now and then it tells how many are done."""
        told = time.monotonic()
        for done, item in enumerate(items):
            self.check(doing)
            if time.monotonic() - told > _TELL_EVERY_S:
                told = time.monotonic()
                self.emit(
                    {
                        "event": "log",
                        "message": f"{doing}: {done} of {len(items)}",
                        "done": done,
                        "of": len(items),
                    }
                )
            yield item


@dataclass
class Progress:
    """What a checkpoint holds beside weights and optimiser; ``parts`` is in how many a batch fits the memory.

    ``unjudged``: it was stopped while the network of this step was validated.
    """

    step: int = 0
    best_score: float = -math.inf
    best_step: int = 0
    stale: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    parts: int = 1
    unjudged: bool = False

    def is_best(self, score: float) -> bool:
        """Note a validation score (Dice); whether it is the best so far."""
        if score > self.best_score:
            self.best_score, self.best_step, self.stale = score, self.step, 0
            return True
        self.stale += 1
        return False


class Clock:
    """When to report and to write a checkpoint, and how long is left."""

    def __init__(self, settings: LoopSettings, first_step: int) -> None:
        self.settings, self.first_step = settings, first_step
        self.started = self.reported = self.saved = time.monotonic()

    def report_due(self, step: int) -> bool:
        if step != self.settings.steps and time.monotonic() - self.reported < 1.0:
            return False
        self.reported = time.monotonic()
        return True

    def checkpoint_due(self) -> bool:
        if time.monotonic() - self.saved < 60 * self.settings.checkpoint_minutes:
            return False
        self.saved = time.monotonic()
        return True

    def progress_event(self, progress: Progress, terms: dict[str, float]) -> dict[str, Any]:
        done = max(1, progress.step - self.first_step)
        pace = (time.monotonic() - self.started) / done
        return {
            "event": "progress",
            "step": progress.step,
            "steps": self.settings.steps,
            "loss": progress.losses[-1][1],
            "terms": terms,
            "seconds_left": round(pace * (self.settings.steps - progress.step), 1),
        }
