"""Patients stay on their side of the split, whoever appends, however much, and on whatever computer."""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from durable_disks import ScratchDisk, frame, mask
from forking import forked
from scipy.stats import binom
from soak_table import Figure, Part, Size, all_of, none_of

from src_training import durable
from src_training.dataset import Dataset, keyring, store
from src_training.dataset.patients import bucket_of, patient_key
from src_training.dataset.record import read_revision
from src_training.dataset.revision import Revision
from src_training.errors import DatasetError

_WRITERS = 4
_APPENDS = {"quick": 200, "full": 5_000}
_PATIENTS = {"quick": 40, "full": 400}
_COMPUTERS_SHARE = {"quick": 8, "full": 100}  # patients
_CHANCE = 1e-6  # of a sound split outside the bounds


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Writers at once, then two computers with site keys of their own."""
    with mock.patch.object(durable, "disk", ScratchDisk()):
        yield from _crowded(size, folder / "crowded")
        yield from _two_computers(_COMPUTERS_SHARE[size], folder)


def _crowded(size: Size, folder: Path) -> Iterator[Figure]:
    appends, patients = _APPENDS[size], _PATIENTS[size]
    Dataset.create(folder)
    told = _told_by_writers(folder, appends, patients)
    sides: defaultdict[str, set[str]] = defaultdict(set)
    for bucket in ("train", "val", "test"):
        for head in Dataset.open(folder).heads(bucket=bucket):
            sides[head.patient_key].add(bucket)
    by = f"{sum(map(len, told.values())):,} appends of {_WRITERS} writers"
    moved = sum(len({*buckets, *sides[key]}) > 1 for key, buckets in told.items())
    yield none_of(f"{by}: patients that changed their side of the split", moved, len(told))
    yield none_of(f"{by}: patients on two sides", sum(len(on) > 1 for on in sides.values()), len(sides))
    yield all_of(f"{by}: all there", sum(map(len, told.values())), appends)
    for bucket in ("val", "test"):
        yield _share(bucket, sum(on == {bucket} for on in sides.values()), patients)


def _share(bucket: str, found: int, patients: int) -> Figure:
    low, high = (int(bound) for bound in binom.interval(1 - _CHANCE, patients, 0.15))
    promise = f"patients in {bucket}, of {patients}: within the binomial bounds of 15 %"
    return Figure(promise, f"{found}", f"{low} to {high}", low <= found <= high)


def _told_by_writers(folder: Path, appends: int, patients: int) -> dict[str, list[str]]:
    """The side that every patient was on at every append, as the writers saw it."""
    lines = [_writer(folder, first, appends, patients) for first in range(_WRITERS)]
    told: defaultdict[str, list[str]] = defaultdict(list)
    for pid, pipe in lines:
        with os.fdopen(pipe) as stream:
            for key, bucket in map(json.loads, stream):
                told[key].append(bucket)
        os.waitpid(pid, 0)
    return told


def _writer(folder: Path, first: int, appends: int, patients: int) -> tuple[int, int]:
    """A process that appends every fourth frame; its id, and the pipe that it tells on."""
    told, tell = os.pipe()
    child = forked(lambda: _append_every_fourth(folder, range(first, appends, _WRITERS), patients, tell))
    os.close(tell)
    return child, told


def _append_every_fourth(folder: Path, numbers: range, patients: int, tell: int) -> None:
    dataset = Dataset.open(folder)
    for number in numbers:
        # Frames of one patient come from all writers at once, and again later.
        saved = dataset.append(frame(number, f"P{number // _WRITERS % patients}"), mask(number))
        os.write(tell, json.dumps([saved.patient_key, saved.bucket]).encode() + b"\n")


def _two_computers(patients: int, folder: Path) -> Iterator[Figure]:
    """One dataset on a shared disk, and a user of each computer who appends a frame of every patient."""
    with _computer(folder / "ann"):
        dataset = Dataset.create(folder / "shared")
        ours = [dataset.append(frame(n, f"P{n}"), mask(n)) for n in range(patients)]
        key = dataset.site_key()
    with _computer(folder / "ben"):
        keyring.own_key()
        same = Dataset.open(dataset.folder)
        refused = sum(_is_refused(same, n) for n in range(patients))
        with contextlib.suppress(DatasetError):
            same.import_key(key)
        theirs = [same.append(frame(patients + n, f" p{n}"), mask(n)) for n in range(patients)]
    split = sum(
        (one.patient_key, one.bucket) != (other.patient_key, other.bucket)
        for one, other in zip(ours, theirs, strict=True)
    )
    yield all_of("appends with another site key that are refused until it is imported", refused, patients)
    yield none_of("patients split between two computers", split, patients)


@contextlib.contextmanager
def _computer(config: Path) -> Iterator[None]:
    with mock.patch.dict(os.environ, {"LIGHTVESSEL_CONFIG_DIR": str(config)}):
        yield


def _is_refused(dataset: Dataset, number: int) -> bool:
    try:
        dataset.append(frame(900_000 + number, f"P{number}"), mask(number))
    except DatasetError as error:
        return "lightvessel dataset key import" in str(error)
    return False


@contextlib.contextmanager
def _by_frame() -> Iterator[None]:
    """A split of frames instead of patients."""

    def read(dataset: Dataset, path: Path) -> Revision:
        record = read_revision(path)
        return Revision(path.parent, record, bucket_of(dataset.facts["split"]["salt"], record["case"]))

    with mock.patch.object(Dataset, "_read", read):
        yield


@contextlib.contextmanager
def _own_key_taken() -> Iterator[None]:
    """A dataset that takes whatever key its user has."""

    def own(_dataset: Dataset) -> bytes:
        return keyring.own_key()

    with mock.patch.object(Dataset, "site_key", own):
        yield


@contextlib.contextmanager
def _spelling_kept() -> Iterator[None]:
    """Two spellings of one id taken for two patients."""

    def key_of(site_key: bytes, patient: str | None) -> str | None:
        return patient_key(site_key, repr(patient))

    with mock.patch.object(store, "patient_key", key_of):
        yield


PART = Part(
    run,
    {
        "split by frame": _by_frame,
        "any site key taken": _own_key_taken,
        "spellings of an id told apart": _spelling_kept,
    },
)
