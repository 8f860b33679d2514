"""Checking a dataset: what is damaged, and what only lies around."""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src_training import confined
from src_training.dataset.blobs import LARGEST, mask_hash, read_blob
from src_training.dataset.commit import names_in, record_files
from src_training.dataset.facts import read_facts
from src_training.dataset.findings import VerifyReport
from src_training.dataset.lineage import agree, heads_of
from src_training.dataset.pixels import canonical, case_id
from src_training.dataset.record import (
    BLOB_NAME,
    CASE_NAME,
    RECORD_NAME,
    REVISION_SCHEMA,
    content_problems,
    read_record,
)
from src_training.dataset.revision import Revision
from src_training.dataset.snapshot import read_list
from src_training.errors import DatasetError
from src_training.regular import NotRegular, read_regular, size_of_regular

QUARANTINE = ".quarantine"
_PARTS = ("dataset.json", "cases", "snapshots", QUARANTINE)


def verify_folder(folder: Path, *, deep: bool = False) -> VerifyReport:
    """Check ``dataset.json``, every case and every snapshot; ``deep`` decodes every image and mask."""
    folder, report = confined.confine(folder), VerifyReport()
    with _counted(report):
        _check_links(folder, report)
        _check_facts(folder / "dataset.json", report)
        _check_snapshots(folder, report)
        for name in names_in(folder):
            if name not in _PARTS:
                _stranger(folder / name, name, report)
        put_away = _put_away(folder)
        standing: list[Revision] = []
        for case in _case_folders(folder / "cases", report):
            with _counted(report):
                standing += _check_case(case, report, deep, put_away)
        _note_twins(standing, report)
    return report


@contextlib.contextmanager
def _counted(report: VerifyReport) -> Iterator[None]:
    """A folder that cannot be listed is damage too, and no reason to stop looking at the others."""
    try:
        yield
    except DatasetError as error:
        report.add("D03", str(error))


def _check_facts(path: Path, report: VerifyReport) -> None:
    try:
        read_facts(path)
    except DatasetError as error:
        report.add("D01", str(error), path)


def _check_links(folder: Path, report: VerifyReport) -> None:
    for path, said, is_link in confined.odd_in(folder):
        if QUARANTINE not in path.relative_to(folder).parts:
            report.add("D11" if is_link else "N02", said, path)


def _put_away(folder: Path) -> frozenset[str]:
    """The records that a repair moved, by the first 16 digits of their sha."""
    found = (RECORD_NAME.fullmatch(path.name) for path, _ in confined.walk(folder / QUARANTINE))
    return frozenset(match[2] for match in found if match)


def _case_folders(cases: Path, report: VerifyReport) -> Iterator[Path]:
    if not confined.is_folder(cases):
        report.add("D02", "cases: the folder is missing")
    for shelf in names_in(cases):
        for name in names_in(cases / shelf):
            if CASE_NAME.fullmatch(name) and name[:2] == shelf:
                yield cases / shelf / name
            else:
                _stranger(cases / shelf / name, f"{shelf}/{name}", report)
        if not confined.is_folder(cases / shelf):
            _stranger(cases / shelf, shelf, report)


def _check_case(
    folder: Path, report: VerifyReport, deep: bool, put_away: frozenset[str]
) -> Sequence[Revision]:
    """Check a case; its heads."""
    sound: list[Revision] = []
    for path in record_files(folder):
        record = _read(path, REVISION_SCHEMA, "D04", report)
        if record is None:
            continue
        problems = [("D05", path, problem) for problem in content_problems(path, record)]
        if not problems:
            for kind in ("image", "mask"):
                for code, problem in _blob_problems(folder, kind, record, deep):
                    blamed = path if code == "D05" else folder / record[kind]["file"]
                    problems.append((code, blamed, problem))
        for code, blamed, problem in problems:
            report.add(code, f"{folder.name}/{path.name}: {problem}", blamed)
        if not any(code == "D05" for code, _, _ in problems):
            sound.append(Revision(folder, record, "train"))
    _check_patient(folder, sound, report)
    _check_parents(folder, sound, report, put_away)
    report.cases += bool(sound)
    report.revisions += len(sound)
    heads = heads_of(sound)
    if sound and not agree(heads):
        report.add("N03", f"{folder.name}: {len(heads)} heads say different things (a conflict)")
    used = {one.record[kind]["file"] for one in sound for kind in ("image", "mask")}
    _note_left_overs(folder, used, report)
    return heads


def _note_twins(heads: Sequence[Revision], report: VerifyReport) -> None:
    """A picture under two patients could be learnt from and judged by."""
    by_picture: defaultdict[str, dict[str | None, Revision]] = defaultdict(dict)
    for head in heads:
        if head.status != "rejected":
            by_picture[head.picture].setdefault(head.patient_key, head)
    for twins in by_picture.values():
        if len(twins) > 1:
            cases = ", ".join(head.case for head in twins.values())
            report.add("N05", f"{cases}: one picture under {len(twins)} patients (an unknown one counts)")


def _blob_problems(folder: Path, kind: str, record: dict[str, Any], deep: bool) -> Iterator[tuple[str, str]]:
    """What is wrong between a record and its image or mask, and who is to blame (`_blamed`)."""
    facts = record[kind]
    path = folder / facts["file"]
    try:
        if (size := size_of_regular(path, LARGEST)) != facts.get("bytes", size):
            yield _blamed(path), f"{path.name} has {size} bytes, recorded are {facts['bytes']}"
        elif deep:
            yield from ((_blamed(path), problem) for problem in _pixel_problems(path, kind, record))
    except NotRegular as error:
        yield "D07", f"{path.name}: {error.strerror}"
    except OSError as error:
        yield "D06", f"{path.name}: {error.strerror}"
    except (KeyError, TypeError, ValueError) as error:
        yield _blamed(path), f"{path.name}: {error}"


def _blamed(path: Path) -> str:
    """A file of pixels is called by its content: one that is as it is called was not changed, and its record lies.

    Other records may name it as well, and a repair puts away all that name a file which was changed.
    """
    named = BLOB_NAME.fullmatch(path.name)
    found = hashlib.sha256(read_regular(path, LARGEST)).hexdigest()
    return "D05" if named and found.startswith(named[2]) else "D07"


def _pixel_problems(path: Path, kind: str, record: dict[str, Any]) -> Iterator[str]:
    facts = record[kind]
    pixels = read_blob(path.parent, facts)
    if kind == "image" and facts.get("lossless", True):
        if case_id(canonical(pixels), record["patient_key"]) != record["case"]:
            yield f"{path.name}: its pixels belong to another case"
    elif kind == "mask":
        if not np.isin(pixels, (0, 1, 255)).all():
            yield f"{path.name}: a mask with values other than 0, 1, 255"
        elif mask_hash(pixels) != facts["pixels_sha256"]:
            yield f"{path.name}: its pixels are not what was saved"


def _check_patient(folder: Path, sound: list[Revision], report: VerifyReport) -> None:
    """A case is a frame of one patient: with two, it could stand on both sides of the split."""
    for other in sound:
        if other.patient_key != sound[0].patient_key:
            path = folder / f"{other.name}.json"
            report.add("D05", f"{folder.name}/{path.name}: another patient than in {sound[0].name}", path)


def _check_parents(
    folder: Path, sound: list[Revision], report: VerifyReport, put_away: frozenset[str]
) -> None:
    known = {one.sha for one in sound}
    missing = {sha: one for one in sound for sha in one.replaces if sha not in known}
    if not missing:
        return
    # A writer may have added parent and child while we read; the parent is there now.
    present = {path.name.split("-")[1][:16] for path in record_files(folder)}
    for sha, child in missing.items():
        where = f"{folder.name}/{child.name}.json: the revision it corrects ({sha[:16]})"
        if sha[:16] in put_away:
            report.add("N04", f"{where} was put away")
        elif sha[:16] not in present:
            report.add("D08", f"{where} is missing")


def _check_snapshots(folder: Path, report: VerifyReport) -> None:
    for name in names_in(folder / "snapshots"):
        path = folder / "snapshots" / name
        if path.suffix != ".json" or name.startswith("."):
            _stranger(path, f"snapshots/{name}", report)
        else:
            try:
                listed = read_list(path)
            except DatasetError as error:
                report.add("D09", str(error), path)
                continue
            for line in _missing(folder, listed):
                report.add("D10", f"snapshots/{name}: {line}")


def _missing(folder: Path, listed: Sequence[Sequence[str]]) -> Iterator[str]:
    for case, sha in listed:
        records = record_files(folder / "cases" / case[:2] / case)
        if not any(one.stem.endswith(sha[:16]) for one in records):
            yield f"revision {sha[:16]} of case {case} is missing"


def _note_left_overs(folder: Path, used: set[str], report: VerifyReport) -> None:
    for name in names_in(folder):
        if BLOB_NAME.fullmatch(name):
            if name not in used:
                what = "no record names it (a save that was cut short)"
                report.add("N01", f"{folder.name}/{name}: {what}", folder / name)
        elif not RECORD_NAME.fullmatch(name):
            _stranger(folder / name, f"{folder.name}/{name}", report)


def _stranger(path: Path, where: str, report: VerifyReport) -> None:
    torn = path.name.startswith(".") and path.name.endswith(".tmp")
    what = "left over from a save that was cut short" if torn else "not part of the dataset"
    report.add("N01" if torn else "N02", f"{where}: {what}", path)


def _read(path: Path, schema: str, code: str, report: VerifyReport) -> dict[str, Any] | None:
    try:
        return read_record(path, schema)
    except DatasetError as error:
        report.add(code, str(error), path)
        return None
