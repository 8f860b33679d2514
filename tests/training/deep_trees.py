"""Folders in folders, deeper than any path can name and any recursion can follow."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

NAME = "a"


def dig(path: Path, depth: int) -> None:
    """Make ``depth`` folders below ``path``, each in the one before."""
    path.mkdir(parents=True)
    _down(path, depth, lambda folder: os.mkdir(NAME, dir_fd=folder))


def fill_in(path: Path) -> None:
    """Remove the folders that `dig` made below ``path``; what is not there any more is no matter."""
    while (path / NAME).is_dir():
        _lift(path)


def _down(path: Path, depth: int, before: Callable[[int], None]) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        for _ in range(depth):
            before(folder)
            inner = os.open(NAME, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = inner
    finally:
        os.close(folder)


def _lift(path: Path) -> None:
    """Empty ``path``, level by level: its folder's content takes its folder's place."""
    inner, lifted = path / NAME, path.with_name(f"{path.name}-lifted")
    if not (inner / NAME).is_dir():
        inner.rmdir()
        return
    os.rename(inner / NAME, lifted)
    inner.rmdir()
    os.rename(lifted, inner)
