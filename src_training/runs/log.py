"""The end of a run's log."""

from __future__ import annotations

import os
from pathlib import Path

from src_training import texts
from src_training.regular import open_regular

_TAIL_BYTES = 64 * 1024


def tail(path: Path, n: int) -> str:
    """The last ``n`` lines, at most 64 KiB, each as a printable line; empty when there is no log to read."""
    try:
        with open_regular(path) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    found = text.removesuffix("\n").replace("\r\n", "\n").split("\n")
    return "\n".join(texts.lines(found[-n:])) if n > 0 else ""


def last_line(path: Path) -> str:
    """The last line with something on it, shortened to fit on a screen."""
    lines = [line.strip() for line in tail(path, 50).splitlines() if line.strip()]
    return texts.line(lines[-1], 200) if lines else ""
