"""Archives and datasets that mean no good are imported: nothing is written elsewhere, nothing of theirs is taken."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from archive_files import zip_of
from archives_contents import bad_blobs, bad_json, bad_records
from archives_folders import bad_folders, bad_others
from archives_packing import bombs, named_badly, odd_tars, odd_zips, packing
from archives_sandbox import Attempt, Found, Sandbox
from forking import forked
from soak_table import Figure, Part, Size, all_of, none_of

from src_training.dataset import record as record_module
from src_training.exchange import archives
from src_training.exchange.archive_budget import Budget

_EVERY = {"quick": 14, "full": 1}  # of the long tables every so many entries
_TARS = {"quick": ("w:gz",), "full": ("w", "w:gz", "w:bz2", "w:xz")}
_INTERRUPTS = {"quick": 5, "full": 60}


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Hostile names, kinds, bombs, records; then Ctrl-C and kill -9 in the middle."""
    sandbox = Sandbox(folder)
    found = Found()
    with sandbox.temporary():
        for attempt in _attempts(size, sandbox):
            sandbox.attempt(attempt, found)
        cut_short = _interrupted(sandbox, _INTERRUPTS[size])
        killed = _killed(sandbox)
    what = f"{found.tried} hostile archives and datasets"
    yield none_of(f"{what}: which created or changed something elsewhere", len(found.outside), found.tried)
    yield none_of(f"{what}: whose bad frames were taken", len(found.taken), found.tried)
    yield all_of(
        f"{what}: sound frames among bad ones that were taken", found.sound - len(found.missed), found.sound
    )
    yield none_of(
        f"{what}: that ended otherwise than in a line with its cure", len(found.crashed), found.tried
    )
    yield none_of(f"{what}: that were not reported (exit code 2)", len(found.silent), found.tried)
    yield none_of(f"{what}: temporary folders left", len(found.left), found.tried)
    yield none_of(
        f"{_INTERRUPTS[size]} Ctrl-C while unpacking: temporary folders left", cut_short, _INTERRUPTS[size]
    )
    yield none_of("kill -9 while unpacking: temporary folders left after a later import", killed, 1)


# -- what is tried -------------------------------------------------------------------------------------------


def _attempts(size: Size, box: Sandbox) -> Iterator[Attempt]:
    every = _EVERY[size]
    yield from named_badly(box, every)
    yield from odd_zips(box)
    yield from odd_tars(box, _TARS[size])
    yield from bombs(box, size)
    yield from list(bad_records(box))[::every]
    yield from list(bad_blobs(box))[:: (every + 2) // 3]
    yield from list(bad_json(box))[:: (every + 2) // 3]
    yield from bad_folders(box)
    yield from list(bad_others())[::every]


# -- cut short -----------------------------------------------------------------------------------------------


def _interrupted(box: Sandbox, count: int) -> int:
    """Ctrl-C at every step of unpacking in turn; how many folders it left."""
    source = packing(zip_of, box.files)(box.inbox)
    left = 0
    true_write = archives._write
    for step in range(count):
        calls = iter(range(10_000))

        def write(*arguments: Any, step: int = step, calls: Iterator[int] = calls) -> None:
            true_write(*arguments)
            if next(calls) == step % len(box.files):
                raise KeyboardInterrupt

        with mock.patch.object(archives, "_write", write):
            code, saved = box.imported(source)
        left += len(list(box.temp.iterdir())) + (code != 130) + bool(saved)
    return left


def _killed(box: Sandbox) -> int:
    """kill -9 in the middle: the next import, an hour later, puts away what it left."""
    source = packing(zip_of, box.files)(box.inbox)
    told, tell = os.pipe()
    child = forked(lambda: _unpack_slowly(source, tell))
    os.close(tell)
    os.read(told, 1)
    os.close(told)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    before = list(box.temp.iterdir())
    for path in before:
        os.utime(path, (time.time() - 4_000,) * 2)
    box.imported(source)
    return len(list(box.temp.iterdir())) + (not before)


def _unpack_slowly(source: Path, tell: int) -> None:
    with archives.unpacked(source):
        os.write(tell, b"x")
        time.sleep(60)


# -- bugs ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _dots_allowed() -> Iterator[None]:
    """A name check that does not know what .. does."""
    true_problem = archives.problem_of

    def problem(name: str) -> str | None:
        return None if ".." in name.split("/") else true_problem(name)

    with mock.patch.object(archives, "problem_of", problem):
        yield


@contextlib.contextmanager
def _links_followed() -> Iterator[None]:
    """Links are made as the archive has them, and written through."""
    true_check, true_write = archives._check, archives._write

    def check(archive: Path, member: Any, taken: Any) -> None:
        if member.odd != "is a symbolic link" and not member.name.startswith("link/"):
            true_check(archive, member, taken)

    def write(place: Path, member: Any, budget: Any) -> None:
        if member.odd:
            place.symlink_to(b"".join(member.chunks()).decode() or "nowhere")
        else:
            true_write(place, member, budget)

    with mock.patch.multiple(archives, _check=check, _write=write):
        yield


@contextlib.contextmanager
def _headers_believed() -> Iterator[None]:
    """A budget that adds up what the headers announce, and does not look at what comes out."""
    with mock.patch.object(Budget, "came_out"):
        yield


@contextlib.contextmanager
def _records_believed() -> Iterator[None]:
    """Records whose seal holds are taken as they are."""
    with mock.patch.object(record_module, "value_problems", return_value=()):
        yield


@contextlib.contextmanager
def _folder_kept() -> Iterator[None]:
    """What was unpacked is not cleared up."""

    class ForGood:
        def __init__(self, prefix: str, **options: Any) -> None:
            self.name = tempfile.mkdtemp(prefix=prefix)

        def cleanup(self) -> None:
            pass

    with mock.patch.object(archives.tempfile, "TemporaryDirectory", ForGood):
        yield


PART = Part(
    run,
    {
        "a name check that misses ..": _dots_allowed,
        "links that are followed": _links_followed,
        "a budget that believes the header": _headers_believed,
        "records that are believed": _records_believed,
        "a folder that stays": _folder_kept,
    },
)
