"""What only one process may do at a time: it claims its turn, and who was killed in its turn has none."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from src_training import confined, durable
from src_training.errors import LightVesselError, printable
from src_training.json_objects import json_object
from src_training.ledger import Ledger

_TAKEN, _OVER = "taken.json", "over.json"
_PATIENCE_S, _LOOK_S = 5.0, 0.02
_LARGEST = 64 << 10  # bytes of a claim; ours have some hundred
_TIDIED = 8  # earlier turns that are looked for


@dataclass(frozen=True, eq=False)
class _Claim:
    """One attempt: two threads of a process may try for the same place, and one of them lets go of it again."""

    pid: int  # which a fork changes
    place: Path


_held: set[_Claim] = set()  # of its own turns a process knows better than any file


class Busy(LightVesselError):
    """Another process has its turn; ``what`` says at what."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is under way in another window or command. Look again in a moment.")
        self.what = what


@contextlib.contextmanager
def turn(folder: Path, what: str, check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Have one's turn in ``folder`` while the context lasts.

    ``check`` may raise what speaks against it. What it has seen still holds when the turn begins, because nobody has
    had one in between.

    Raises
    ------
    Busy : another process has its turn, and is alive; or it is on another computer and was heard of.
    OSError : the disk refuses.
    """
    ledger = Ledger(folder.absolute(), _TAKEN)
    while True:
        number = ledger.newest()
        if (others := _under_way(ledger, number)) is not None:
            raise Busy(others)
        check()
        claim = _Claim(os.getpid(), ledger.place(number + 1))
        if _claimed(ledger, number + 1, claim, what):
            break
    try:
        for past in range(max(1, number + 1 - _TIDIED), number + 1):
            confined.remove_tree(ledger.place(past))
        yield
    finally:
        _let_go(claim)


@contextlib.contextmanager
def patient_turn(folder: Path, what: str) -> Iterator[None]:
    """A turn that is waited for, to change a small file of the user's own.

    Where it does not come within 5 s, or the disk refuses, the change is made without: it would be lost for sure.
    """
    with contextlib.ExitStack() as stack:
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            try:
                stack.enter_context(turn(folder, what))
                break
            except Busy:
                time.sleep(_LOOK_S)
            except OSError:
                break
        yield


def _claimed(ledger: Ledger, number: int, claim: _Claim, what: str) -> bool:
    from src_training.runs.process import Identity

    _held.add(claim)  # before others of this process can see the file
    try:
        if ledger.add(number, {"what": what, "by": Identity.of().to_json()}):
            if ledger.newest() == number:
                return True
            confined.remove_tree(claim.place)  # a turn long past, whose place was tidied away
    except BaseException:
        _let_go(claim)
        raise
    _held.discard(claim)
    return False


def _let_go(claim: _Claim) -> None:
    _held.discard(claim)
    with contextlib.suppress(OSError):
        durable.rename(claim.place / _TAKEN, claim.place / _OVER)  # which takes no space


def _under_way(ledger: Ledger, number: int) -> str | None:
    """What another one does in its turn, if it does."""
    from src_training.runs.autopsy import overdue
    from src_training.runs.process import Identity

    place = ledger.place(number)
    text = ledger.read(number) or b""
    record = (json_object(text) if len(text) <= _LARGEST else None) or {}
    by = Identity.from_json(record.get("by"))
    if not any((claim.pid, claim.place) == (os.getpid(), place) for claim in tuple(_held)):
        # Neither its parent nor the id that we keep of this computer need be what they were.
        if by is None or replace(by, parent=0, machine="") == replace(Identity.of(), parent=0, machine=""):
            return None  # over, or ours whose end could not be written
        if not (by.is_alive or (not by.is_here and not overdue(place / _TAKEN))):
            return None
    return printable(str(record.get("what", "this"))[:80])
