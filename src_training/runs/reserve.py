"""What a run puts by while the disk has space, so that on a full one it can be stopped and still be heard."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from src_training import confined, durable
from src_training.regular import size_of_regular

CANCEL_FILE = "cancel"  # its presence asks the run to stop
_UNASKED_FILE = "cancel.unasked"  # becomes the cancel file by a rename, which takes no space
_RESERVE_FILE = "reserve"
_BLOCK_BYTES = 4096  # the least that a usual file system hands out
_RESERVE_BYTES = 16 * _BLOCK_BYTES
_LAST_WORD_BYTES = 4 * _BLOCK_BYTES  # of them, kept for the end and what waits until then


def put_by(folder: Path) -> None:
    """Take the space of the last words and of a cancel request; OSError when there is not even that."""
    # Random, because some file systems keep zeros without taking space for them.
    durable.replace(folder / _RESERVE_FILE, os.urandom(_RESERVE_BYTES))
    durable.replace(folder / _UNASKED_FILE, b"")


def ask_to_stop(folder: Path) -> None:
    """Leave the cancel request; OSError when the folder cannot be written."""
    if confined.is_there(folder / CANCEL_FILE):
        return
    try:
        durable.rename(folder / _UNASKED_FILE, folder / CANCEL_FILE)
    except FileNotFoundError:  # a run of an older version has put nothing by
        durable.replace(folder / CANCEL_FILE, b"")


def spend(folder: Path, *, on_last_word: bool) -> bool:
    """Hand a block of the reserve back to the full disk, for a last word all; False when none is left for that."""
    path = folder / _RESERVE_FILE
    try:
        left = size_of_regular(path)
        if on_last_word:
            confined.remove(path)
        elif left <= _LAST_WORD_BYTES:
            return False
        else:
            durable.shorten(path, left - _BLOCK_BYTES)
    except OSError:
        return False
    return left > 0


def release(folder: Path) -> None:
    """Hand all of it back: the run has ended."""
    for name in (_RESERVE_FILE, _UNASKED_FILE):
        with contextlib.suppress(FileNotFoundError):
            confined.remove(folder / name)
