"""Putting damage away: files are only ever moved, into ``.quarantine``, and every move is told."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from src_training import confined, durable
from src_training.dataset.commit import record_files, saving
from src_training.dataset.findings import Finding, VerifyReport
from src_training.dataset.record import REVISION_SCHEMA, read_record
from src_training.dataset.verify import QUARANTINE
from src_training.errors import DatasetError
from src_training.file_clock import now_on

_MOVED = {"D04", "D05", "D07", "D09", "N01"}
_A_WRITER_S = 3600.0  # a left-over younger than this may belong to a save that is under way


def repair(folder: Path, report: VerifyReport) -> Iterator[str]:
    """Move what ``report`` found damaged in the dataset ``folder`` out of the way; yields a line for every file.

    With a damaged image or mask go the records that name it: the frame falls back to the revision before, or is
    gone, and the line says so. Raises DatasetError when the disk refuses; what was moved before stays moved.

    What no record names may be of a save that is under way, whatever the clocks say: it is looked for records once
    more before it is moved, and after that, too; then it is put back. A save looks for its files when its record is
    there (`commit`), so that whichever of the two comes last sees the other.
    """
    folder = confined.confine(folder)
    now = now_on(folder)  # the clock that dates its files; this computer's may be hours from it
    away = folder / QUARANTINE / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    done: set[Path] = set()
    for finding in report.findings:
        for path in _concerned(finding, now):
            if path in done or not confined.is_there(path):
                continue
            target = away / path.relative_to(folder)
            with saving(folder):
                if not _move(path, target):
                    continue
                if finding.code == "N01" and _is_named(path):
                    _put_back(target, path)
                    continue
            done.add(path)
            yield f"{finding.code} {path.relative_to(folder)} → {away.relative_to(folder)}"


def _concerned(finding: Finding, now: float | None) -> Iterator[Path]:
    """The files that go: records before the images and masks they name, so that none ever lacks its own."""
    path = finding.path
    if finding.code not in _MOVED or path is None or not confined.is_there(path):
        return
    if confined.leads_elsewhere(
        confined.status(path)
    ):  # somebody's own way to keep it elsewhere, as it may be
        return
    if finding.code == "N01" and (not _is_old(path, now) or _is_named(path)):
        return
    if finding.code == "D07":
        yield from (record for record in record_files(path.parent) if path.name in _named_in(record))
    yield path


def _is_old(path: Path, now: float | None) -> bool:
    """Whether it is no longer in the hands of a writer; what is dated in the future, or cannot be told, is not."""
    try:
        return now is not None and now - confined.status(path).st_mtime >= _A_WRITER_S
    except OSError:
        return False


def _is_named(path: Path) -> bool:
    return any(path.name in _named_in(record) for record in record_files(path.parent))


def _put_back(target: Path, path: Path) -> None:
    """Unless the writer, who missed it, has written it anew."""
    if not confined.is_there(path):
        _move(target, path)


def _named_in(record: Path) -> set[str]:
    try:
        found = read_record(record, REVISION_SCHEMA)
        return {found[kind]["file"] for kind in ("image", "mask")}
    except (DatasetError, KeyError, TypeError):
        return set()


def _move(path: Path, target: Path) -> bool:
    """Whether it was there: its writer, or another repair, may have been quicker."""
    durable.make_dir(target.parent)
    try:
        durable.rename(path, target)
    except FileNotFoundError:
        return False
    durable.sync_dir(path.parent)
    return True


def quarantined(folder: Path) -> int:
    """How many files lie in the dataset's quarantine."""
    return sum(stat.S_ISREG(facts.st_mode) for _, facts in confined.walk(folder / QUARANTINE))
