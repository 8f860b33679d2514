"""A ZIP or TAR from elsewhere is unpacked into a private folder, member by member, or refused as a whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from src_training import durable
from src_training.errors import DatasetError, LightVesselError, printable
from src_training.exchange.archive_budget import Budget, TooMuch
from src_training.exchange.archive_members import Damaged, Member, NoArchive, members
from src_training.exchange.member_names import Taken, parts_of, problem_of
from src_training.file_clock import age_s
from src_training.regular import NotRegular

_PREFIX = "lightvessel-import-"
_OURS_S = 3600.0  # a folder younger than this may belong to a process that we cannot see
_SPARE = 256 << 20  # of the disk, for everybody else
_PACK_FILES = "Pack the files themselves, with plain names"
_PACK_AGAIN = "Get it again, or pack it again as ZIP or TAR"
_UNPACK = "If you trust it, unpack it yourself and import the folder"


@contextlib.contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """What a ZIP or TAR (.gz, .bz2, .xz) holds, in a folder of this user that is gone afterwards, whatever happens.

    Nothing is created or changed outside that folder, and the archive is only read; archives in it are not opened.

    Raises
    ------
    DatasetError
        One line: the archive, the member and the reason, the cure. Nothing of a refused archive is given.
    """
    with _private_folder(archive) as folder:
        with _refusing(archive):
            _unpack(archive, folder)
        yield folder


def _unpack(archive: Path, folder: Path) -> None:
    budget, taken = Budget(archive, shutil.disk_usage(folder).free - _SPARE), Taken()
    for member in members(archive, budget):
        budget.member(member.size)
        _check(archive, member, taken)
        place = folder.joinpath(*parts_of(member.name))
        if member.is_folder:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            _write(place, member, budget)


def _check(archive: Path, member: Member, taken: Taken) -> None:
    """Refuse what is no plain file under a plain name of its own."""
    problem = problem_of(member.name) or member.odd
    problem = problem or taken.take(parts_of(member.name), is_folder=member.is_folder)
    if problem:
        raise _refused(archive, f"{_shown(member.name)} {problem}", _PACK_FILES)


def _write(place: Path, member: Member, budget: Budget) -> None:
    written = 0
    with place.open("xb") as file:
        for chunk in member.chunks():
            written += len(chunk)
            budget.of_one_file(written)
            file.write(chunk)
    if written != member.size:
        raise Damaged(f"{_shown(member.name)} is not as long as announced")


@contextlib.contextmanager
def _refusing(archive: Path) -> Iterator[None]:
    """Turn whatever an archive makes of its readers into one line."""
    try:
        yield
    except LightVesselError:
        raise
    except NoArchive:
        raise _refused(archive, "neither ZIP nor TAR", _PACK_AGAIN) from None
    except TooMuch as error:
        raise _refused(archive, str(error), _UNPACK) from None
    except Damaged as error:
        raise _refused(archive, str(error), _PACK_AGAIN) from None
    except NotRegular as error:
        raise _refused(archive, str(error.strerror), _PACK_AGAIN) from None
    except OSError as error:
        if error.errno is None:  # gzip's way to say that the file is damaged
            raise _refused(archive, f"it is damaged ({error})", _PACK_AGAIN) from error
        cure = durable.cure_for_reading if error.filename == str(archive) else durable.cure_for
        raise DatasetError(printable(f"{archive.name}: not unpacked: {cure(error)}")) from error
    # zipfile, tarfile and what they use raise what they like; whatever it is, this is no readable archive.
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise _refused(archive, f"it is damaged ({reason})", _PACK_AGAIN) from error


def _refused(archive: Path, reason: str, cure: str) -> DatasetError:
    return DatasetError(printable(f"{archive.name}: not unpacked: {reason}. {cure}."))


def _shown(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:60]}…{name[-30:]}"


@contextlib.contextmanager
def _private_folder(archive: Path) -> Iterator[Path]:
    _put_away_left_overs()
    try:
        made = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True)
    except OSError as error:
        raise DatasetError(
            printable(f"{archive.name}: no temporary folder (TMPDIR): {durable.cure_for(error)}")
        ) from error
    try:
        folder = Path(made.name) / "archive"  # what messages call it
        folder.mkdir()
        yield folder
    finally:
        try:
            made.cleanup()
        except KeyboardInterrupt:  # a second Ctrl-C is not meant for the clearing up
            made.cleanup()
            raise


def _put_away_left_overs() -> None:
    """Remove what imports left that were killed: it may be of patients."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        with contextlib.suppress(OSError, ValueError, OverflowError):
            process = int(path.name.removeprefix(_PREFIX).partition("-")[0])
            if not psutil.pid_exists(process) and age_s(path) > _OURS_S:
                shutil.rmtree(path, ignore_errors=True)
