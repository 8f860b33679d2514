"""A training whose disk is full waits for space instead of losing what it has learnt."""

from __future__ import annotations

import time
from collections.abc import Callable

from src_training import durable
from src_training.errors import Cancelled, RunError
from src_training.training.progress import Watcher

_LOOK_S = 1.0
_TELL_EVERY_S = 60.0


def write_when_there_is_space(write: Callable[[], None], step: int, watcher: Watcher) -> None:
    """Call ``write``, again and again while the disk is full.

    Raises
    ------
    Cancelled : asked to stop while waiting; what was written before is kept.
    RunError : the disk refuses for another reason.
    """
    told = waiting = False
    since = time.monotonic()
    while not _written(write):
        waiting = True
        if not told or time.monotonic() - since > _TELL_EVERY_S:
            told, since = True, time.monotonic()
            watcher.emit(
                _log(f"paused at step {step}: the disk is full. Free some space and it goes on, or cancel it")
            )
        if watcher.cancelled():
            raise Cancelled(
                f"stopped at step {step} for want of space; the last checkpoint that fitted is kept"
            )
        time.sleep(_LOOK_S)
    if waiting:
        watcher.emit(_log(f"there is space again: going on from step {step}"))


def _written(write: Callable[[], None]) -> bool:
    try:
        write()
    except OSError as error:
        if not durable.is_full(error):
            raise RunError(f"what was learnt cannot be written: {durable.cure_for(error)}") from error
        return False
    return True


def _log(message: str) -> dict[str, str]:
    return {"event": "log", "message": message}
