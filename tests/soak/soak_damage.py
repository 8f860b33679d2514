"""Damage is planted, one kind after the other: all of it is found, and a sound dataset raises no alarm."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from dataset_damage import DAMAGE, is_told, make_clean, make_pristine
from durable_disks import ScratchDisk
from soak_table import Figure, Part, Size, all_of, none_of

from src_training import durable
from src_training.dataset import verify

_CLEAN = {"quick": 150, "full": 10_000}


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """What `doctor` says, and what `dataset verify --deep` does."""
    with mock.patch.object(durable, "disk", ScratchDisk()):
        pristine = make_pristine(folder / "pristine")
        clean = make_clean(folder / "clean", _CLEAN[size])
    found = sum(_is_found(pristine, folder / "damaged", *planted) for planted in DAMAGE.values())
    yield all_of("planted corruptions found by doctor and by verify --deep", found, len(DAMAGE))
    report = verify.verify_folder(clean.folder, deep=True)
    yield none_of("false alarms on clean cases", len(report.findings), report.cases)
    yield all_of("clean cases looked at", report.cases, _CLEAN[size])


def _is_found(pristine: Path, copy: Path, code: str, plant: Any) -> bool:
    shutil.copytree(pristine, copy)
    plant(copy)
    told = is_told(copy, code) and not verify.verify_folder(copy / "dataset", deep=True).sound
    shutil.rmtree(copy)
    return told


def _pixels_unread() -> contextlib.AbstractContextManager[object]:
    """A deep look that takes a file of the right size for the right one."""
    return mock.patch.object(verify, "_pixel_problems", return_value=())


def _patients_unread() -> contextlib.AbstractContextManager[object]:
    """A look that does not see a case of two patients: a leaky split."""
    return mock.patch.object(verify, "_check_patient")


@contextlib.contextmanager
def _rounding_forgotten() -> Iterator[None]:
    """A look that forgets that some pixels are stored rounded: it cries wolf."""
    real = verify._pixel_problems

    def problems(path: Path, kind: str, record: dict[str, Any]) -> Iterator[str]:
        return real(path, kind, record | {kind: record[kind] | {"lossless": True}})

    with mock.patch.object(verify, "_pixel_problems", problems):
        yield


PART = Part(
    run,
    {
        "pixels not read": _pixels_unread,
        "patients not compared": _patients_unread,
        "rounding forgotten": _rounding_forgotten,
    },
)
