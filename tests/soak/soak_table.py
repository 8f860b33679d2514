"""What a part of the soak is: promises that are measured, and bugs that are planted to see them broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Size = Literal["quick", "full"]


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes
    ----------
    promise : str
        What is counted, for example ``killed while appending: acknowledged frames lost``.
    found, aim : str
    held : bool or None
        None: a time, printed and not judged.
    """

    promise: str
    found: str
    aim: str
    held: bool | None


@dataclass(frozen=True)
class Part:
    """Promises that belong together.

    ``run(size, folder)`` measures them in an empty folder. ``mutants`` plant a bug while their context lasts: the
    same measurement must then find a promise broken. ``windows``: it opens some, so that nobody else may meanwhile.
    """

    run: Callable[[Size, Path], Iterator[Figure]]
    mutants: Mapping[str, Callable[[], AbstractContextManager[object]]] = field(default_factory=dict)
    windows: bool = False


def none_of(promise: str, bad: int, of: int) -> Figure:
    """A promise that must never be broken, counted; nothing tried is nothing shown."""
    return Figure(promise, f"{bad:,} of {of:,}", "0", bad == 0 and of > 0)


def all_of(promise: str, good: int, of: int) -> Figure:
    """A promise that must be kept every time, counted."""
    return Figure(promise, f"{good:,} of {of:,}", "all", good == of > 0)


def measured(promise: str, seconds: float, aim: str) -> Figure:
    """A time: printed, not judged."""
    return Figure(promise, f"{seconds * 1000:,.0f} ms", aim, None)
