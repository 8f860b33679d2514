"""Every operation on the disk fails with every error: none is kept quiet, and trying again saves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from disk_failures import ERRNOS, WORKS, fail_everywhere
from soak_table import Figure, Part, Size, all_of, none_of

from src_training import durable


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """All works, once and from then on."""
    seen = fail_everywhere(folder, each=size == "full")
    failed = f"{len(WORKS)} kinds of work x every operation x {len(ERRNOS)} errors"
    yield none_of(f"{failed}: silent losses", len(seen.silent), seen.attempts)
    yield all_of("what was refused is saved when tried again", seen.refused - len(seen.unsaved), seen.refused)


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """A function of the one durable module swallows what the disk says."""
    real = getattr(durable, name)

    def quiet(*arguments: object, **more: object) -> None:
        with contextlib.suppress(OSError):
            real(*arguments, **more)

    with mock.patch.object(durable, name, quiet):
        yield


PART = Part(
    run,
    {
        "a failed write kept quiet": lambda: _quiet("_publish"),
        "a failed sync of a folder kept quiet": lambda: _quiet("sync_dir"),
    },
)
