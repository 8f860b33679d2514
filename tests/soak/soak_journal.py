"""Painting is never lost: painters are killed, and the disk of their journal hangs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import journal_kills
from journal_kills import gap_of_a_stalled_journal, paint_and_kill
from soak_table import Figure, Part, Size, all_of

_KILLS = {"quick": (5, 1), "full": (200, 40)}  # of these in a real napari
_STALL_S = {"quick": 4, "full": 30}
_OLDEST_S = 2.0  # plus the stroke under way
_FROZEN_S = 2.0

_bug = ""


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Kills, then a stall."""
    count, windows = _KILLS[size]
    found = paint_and_kill(folder / "killed", count, windows)
    oldest = max(age for _, _, age in found)
    kills = f"{count} kill -9 while painting, {windows} of a real napari"
    yield Figure(f"{kills}: oldest lost stroke", f"{oldest:.2f} s", f"{_OLDEST_S:.0f} s", oldest <= _OLDEST_S)
    yield all_of(f"{kills}: painters that painted", sum(strokes > 5 for strokes, _, _ in found), count)
    gap, kept = gap_of_a_stalled_journal(_STALL_S[size], _bug)
    yield Figure(
        f"a sync of the journal that takes {_STALL_S[size]} s, painting and recovering: longest stop of the window",
        f"{1000 * gap:.0f} ms",
        f"100 ms; at most {_FROZEN_S:.0f} s",
        gap < _FROZEN_S,
    )
    yield all_of("frames painted meanwhile that are in the journal afterwards", kept, 3)


@contextlib.contextmanager
def _late() -> Iterator[None]:
    """A journal that looks for edits once a minute."""
    with mock.patch.object(journal_kills, "PACE_MS", 60_000), mock.patch.dict(_KILLS, quick=(2, 0)):
        yield


@contextlib.contextmanager
def _in_the_windows_thread() -> Iterator[None]:
    """A journal that the GUI thread writes itself."""
    with mock.patch.dict(globals(), _bug="written in the window's thread"), _no_kills():
        yield


@contextlib.contextmanager
def _taken_over_in_the_windows_thread() -> Iterator[None]:
    """A recovery whose disk the GUI thread waits for."""
    with mock.patch.dict(globals(), _bug="taken over in the window's thread"), _no_kills():
        yield


def _no_kills() -> contextlib.AbstractContextManager[object]:
    """They would show nothing of this bug."""
    return mock.patch.dict(_KILLS, quick=(1, 0))


PART = Part(
    run,
    {
        "looked for edits once a minute": _late,
        "journal written by the window": _in_the_windows_thread,
        "edits recovered by the window": _taken_over_in_the_windows_thread,
    },
    windows=True,
)
