"""Runs the children that paint until they are killed, or whose disk hangs, and reads what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
AT_ONCE = 10
PACE_MS = 0  # 0: the plugin's own


def paint_and_kill(folder: Path, count: int, windows: int = 0) -> list[tuple[int, int, float]]:
    """(strokes, lost strokes, age of the oldest lost one in seconds) of every kill.

    The first ``windows`` of ``count`` painters paint in a real napari. A journal that cannot be read is an error.
    """
    folder.mkdir(exist_ok=True)
    said = child("journal_children.py", str(folder), *map(str, (count, AT_ONCE, windows, PACE_MS)))
    lines = [line.split() for line in said.splitlines() if line.startswith(("killed", "unreadable"))]
    assert [line[0] for line in lines] == ["killed"] * count, said
    return [(int(strokes), int(lost), float(age)) for _, strokes, lost, age in lines]


def gap_of_a_stalled_journal(seconds: float, bug: str = "") -> tuple[float, int]:
    """How long a window stood still whose journal's disk hangs so long, in seconds; the frames kept in the end."""
    said = child("journal_stall_child.py", str(seconds), *([bug] if bug else []))
    _, gap, _, kept = said.splitlines()[-1].split()
    return float(gap), int(kept)


def child(script: str, *arguments: str) -> str:
    """What a script of this folder says in a process of its own."""
    ended = subprocess.run(
        [sys.executable, str(HERE / script), *arguments],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
