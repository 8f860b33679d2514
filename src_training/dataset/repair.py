"""Putting damage away: files are only ever moved, into ``.quarantine``, and every move is told."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from src_training import confined, durable
from src_training.dataset.commit import record_files, saving
from src_training.dataset.findings import Finding, VerifyReport
from src_training.dataset.record import REVISION_SCHEMA, read_record
from src_training.dataset.verify import QUARANTINE
from src_training.errors import DatasetError

_MOVED = {"D04", "D05", "D07", "D09", "N01"}
_A_WRITER_S = 3600.0  # a left-over younger than this may belong to a save that is under way


def repair(folder: Path, report: VerifyReport) -> Iterator[str]:
    """Move what ``report`` found damaged in the dataset ``folder`` out of the way; yields a line for every file.

    With a damaged image or mask go the records that name it: the frame falls back to the revision before, or is
    gone, and the line says so. Raises DatasetError when the disk refuses; what was moved before stays moved.
    """
    away = folder / QUARANTINE / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    done: set[Path] = set()
    for finding in report.findings:
        for path in _concerned(finding):
            if path in done or not confined.is_there(path):
                continue
            with saving(folder):
                _move(path, away / path.relative_to(folder))
            done.add(path)
            yield f"{finding.code} {path.relative_to(folder)} → {away.relative_to(folder)}"


def _concerned(finding: Finding) -> Iterator[Path]:
    """The files that go: records before the images and masks they name, so that none ever lacks its own."""
    path = finding.path
    if finding.code not in _MOVED or path is None or not confined.is_there(path):
        return
    if finding.code == "N01" and time.time() - confined.status(path).st_mtime < _A_WRITER_S:
        return
    if finding.code == "D07":
        yield from (record for record in record_files(path.parent) if path.name in _named_in(record))
    yield path


def _named_in(record: Path) -> set[str]:
    try:
        found = read_record(record, REVISION_SCHEMA)
        return {found[kind]["file"] for kind in ("image", "mask")}
    except (DatasetError, KeyError, TypeError):
        return set()


def _move(path: Path, target: Path) -> None:
    durable.make_dir(target.parent)
    durable.rename(path, target)
    durable.sync_dir(path.parent)


def quarantined(folder: Path) -> int:
    """How many files lie in the dataset's quarantine."""
    return sum(stat.S_ISREG(facts.st_mode) for _, facts in confined.walk(folder / QUARANTINE))
