"""How old files are by the clock of the file system that they lie on: a share's may be hours from this computer's."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path

from src_training import confined

SKEW_S = 300.0  # so far the clocks of who writes to one file system may be apart


def now_on(folder: Path) -> float | None:
    """What time it is on the file system of a folder, in seconds of the epoch: a file is made in it, and removed.

    None where none can be made.
    """
    # Its name is that of a left-over, should we die before it is gone.
    probe = folder / f".{secrets.token_hex(8)}.tmp"
    try:
        descriptor = confined.open_below(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return None
    try:
        return os.fstat(descriptor).st_mtime
    except OSError:
        return None
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            confined.remove(probe)


def age_s(path: Path) -> float:
    """Seconds since a file was written, by the clock of its file system; below 0: it is dated in the future.

    Where nothing can be written beside it, by this computer's. Raises OSError where there is no such file.
    """
    written = confined.status(path).st_mtime
    now = now_on(path.parent)
    return (time.time() if now is None else now) - written
