"""The power is cut at every moment of the dataset's and the outbox's work: what was called saved is there."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from power_cuts import ALL, cut_everywhere
from soak_table import Figure, Part, Size, none_of

from src_training import durable

_CUTS = {"quick": 1, "full": 12}


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """States before every operation: nothing unsynced survived, all names did, or some of both."""
    disk = cut_everywhere(folder, ALL, _CUTS[size])
    cut = f"{disk.states:,} power-loss states"
    yield none_of(f"{cut}: states that lack something acknowledged", disk.lacking, disk.states)
    yield none_of(f"{cut}: invalid records, states that take no next frame", len(disk.invalid), disk.states)


@contextlib.contextmanager
def _files_unsynced() -> Iterator[None]:
    """A writer that trusts the system to bring a file's content to the disk some time."""

    def publish(path: Path, data: bytes, mode: int, name: Callable[[Path, Path], None]) -> None:
        temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
        fd = durable.disk.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        durable.disk.write(fd, data)
        os.close(fd)
        name(temporary, path)

    with mock.patch.object(durable, "_publish", publish):
        yield


def _folders_unsynced() -> contextlib.AbstractContextManager[object]:
    """The same trust for names."""
    return mock.patch.object(durable, "sync_dir", return_value=None)


PART = Part(run, {"files not synced": _files_unsynced, "folders not synced": _folders_unsynced})
