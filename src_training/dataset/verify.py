"""Checking a dataset: what is damaged, and what only lies around."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from src_training.dataset.commit import mask_hash, names_in, record_files
from src_training.dataset.frame import STATUSES
from src_training.dataset.lineage import agree, heads_of
from src_training.dataset.pixels import canonical, case_id, decode
from src_training.dataset.record import (
    BLOB_NAME,
    CASE_NAME,
    DATASET_SCHEMA,
    RECORD_NAME,
    REVISION_SCHEMA,
    SNAPSHOT_SCHEMA,
    read_record,
    record_name,
)
from src_training.dataset.revision import Revision
from src_training.errors import DatasetError


@dataclass
class VerifyReport:
    """``problems`` are damage; ``notes`` are left-overs and conflicts, which lose nothing."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cases: int = 0
    revisions: int = 0

    @property
    def sound(self) -> bool:
        """No damage."""
        return not self.problems


def verify_folder(folder: Path, *, deep: bool = False) -> VerifyReport:
    """Check ``dataset.json``, every case and every snapshot; ``deep`` decodes every image and mask."""
    report = VerifyReport()
    _read(folder / "dataset.json", DATASET_SCHEMA, "dataset.json", report)
    for case in _case_folders(folder / "cases", report):
        _check_case(case, report, deep)
    _check_snapshots(folder, report)
    _note_strangers(folder, names_in(folder), {"dataset.json", "cases", "snapshots"}, report)
    return report


def _case_folders(cases: Path, report: VerifyReport) -> Iterator[Path]:
    if not cases.is_dir():
        report.problems.append("cases: the folder is missing")
    for shelf in names_in(cases):
        for name in names_in(cases / shelf):
            if CASE_NAME.fullmatch(name) and name[:2] == shelf:
                yield cases / shelf / name
            else:
                _stranger(f"{shelf}/{name}", report)
        if not (cases / shelf).is_dir():
            _stranger(shelf, report)


def _check_case(folder: Path, report: VerifyReport, deep: bool) -> None:
    sound: list[Revision] = []
    for path in record_files(folder):
        where = f"{folder.name}/{path.name}"
        problems = list(_record_problems(path, deep, sound))
        report.problems += [f"{where}: {problem}" for problem in problems]
    _check_parents(folder, sound, report)
    report.cases += bool(sound)
    report.revisions += len(sound)
    if sound and not agree(heads_of(sound)):
        report.notes.append(f"{folder.name}: {len(heads_of(sound))} heads say different things (a conflict)")
    used = {one.record[kind]["file"] for one in sound for kind in ("image", "mask")}
    _note_left_overs(folder, used, report)


def _record_problems(path: Path, deep: bool, sound: list[Revision]) -> Iterator[str]:
    try:
        record = read_record(path, REVISION_SCHEMA)
        yield from _content_problems(path, record)
        for kind in ("image", "mask"):
            yield from _blob_problems(path.parent, kind, record, deep)
        sound.append(Revision(path.parent, record, "train"))
    except DatasetError as error:
        yield _without_name(error, path)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        yield f"a value is missing or of the wrong kind ({type(error).__name__}: {error})"


def _content_problems(path: Path, record: dict[str, Any]) -> Iterator[str]:
    if f"{record_name(record)}.json" != path.name:
        yield f"the record is named {record_name(record)} by its content"
    if record["case"] != path.parent.name:
        yield f"the record is of case {record['case']}"
    if record["status"] not in STATUSES:
        yield f"status {record['status']!r} is not known"
    if record["image"]["shape"] != record["mask"]["shape"]:
        yield f"image {record['image']['shape']} and mask {record['mask']['shape']} differ in size"


def _blob_problems(folder: Path, kind: str, record: dict[str, Any], deep: bool) -> Iterator[str]:
    facts = record[kind]
    match = BLOB_NAME.fullmatch(facts["file"])
    if not match or match[1] != kind or match[2] != facts["sha256"][:16]:
        yield f"{facts['file']!r} is not the name of its {kind}"
        return
    path = folder / facts["file"]
    try:
        if path.stat().st_size != facts["bytes"]:
            yield f"{path.name} has {path.stat().st_size} bytes, recorded are {facts['bytes']}"
        elif deep:
            yield from _pixel_problems(path, kind, record)
    except OSError as error:
        yield f"{path.name}: {error.strerror}"


def _pixel_problems(path: Path, kind: str, record: dict[str, Any]) -> Iterator[str]:
    data, facts = path.read_bytes(), record[kind]
    if hashlib.sha256(data).hexdigest() != facts["sha256"]:
        yield f"{path.name}: its content is not what was saved"
        return
    try:
        pixels = decode(data, facts)
    except ValueError as error:
        yield f"{path.name}: {error}"
        return
    if kind == "image" and facts.get("lossless", True):
        if case_id(canonical(pixels), record["patient_key"]) != record["case"]:
            yield f"{path.name}: its pixels belong to another case"
    elif kind == "mask":
        if not np.isin(pixels, (0, 1, 255)).all():
            yield f"{path.name}: a mask with values other than 0, 1, 255"
        elif mask_hash(pixels) != facts["pixels_sha256"]:
            yield f"{path.name}: its pixels are not what was saved"


def _check_parents(folder: Path, sound: list[Revision], report: VerifyReport) -> None:
    known = {one.sha for one in sound}
    missing = {sha: one for one in sound for sha in one.replaces if sha not in known}
    if not missing:
        return
    # A writer may have added parent and child while we read; the parent is there now.
    present = {path.name.split("-")[1][:16] for path in record_files(folder)}
    for sha, child in missing.items():
        if sha[:16] not in present:
            report.problems.append(
                f"{folder.name}/{child.name}.json: the revision it corrects ({sha[:16]}) is missing"
            )


def _check_snapshots(folder: Path, report: VerifyReport) -> None:
    for name in names_in(folder / "snapshots"):
        path = folder / "snapshots" / name
        if path.suffix != ".json" or name.startswith("."):
            _stranger(f"snapshots/{name}", report)
            continue
        record = _read(path, SNAPSHOT_SCHEMA, f"snapshots/{name}", report)
        for case, sha in (record or {}).get("revisions", []):
            found = record_files(folder / "cases" / case[:2] / case)
            if not any(one.stem.endswith(sha[:16]) for one in found):
                report.problems.append(f"snapshots/{name}: revision {sha[:16]} of case {case} is missing")


def _note_left_overs(folder: Path, used: set[str], report: VerifyReport) -> None:
    for name in names_in(folder):
        if BLOB_NAME.fullmatch(name):
            if name not in used:
                report.notes.append(f"{folder.name}/{name}: no record names it (a save that was cut short)")
        elif not RECORD_NAME.fullmatch(name):
            _stranger(f"{folder.name}/{name}", report)


def _note_strangers(folder: Path, names: list[str], expected: set[str], report: VerifyReport) -> None:
    for name in names:
        if name not in expected:
            _stranger(name, report)


def _stranger(where: str, report: VerifyReport) -> None:
    torn = where.rsplit("/", 1)[-1].startswith(".") and where.endswith(".tmp")
    report.notes.append(
        f"{where}: {'left over from a save that was cut short' if torn else 'not part of the dataset'}"
    )


def _read(path: Path, schema: str, where: str, report: VerifyReport) -> dict[str, Any] | None:
    try:
        return read_record(path, schema)
    except DatasetError as error:
        report.problems.append(f"{where}: {_without_name(error, path)}")
        return None


def _without_name(error: DatasetError, path: Path) -> str:
    return str(error).removeprefix(f"{path.name}: ")
