"""Every operation on the disk fails once, or from then on: it is told, nothing is damaged, trying again saves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from errno import EACCES, EDQUOT, EIO, ENOSPC, EROFS, ESTALE
from itertools import count
from pathlib import Path
from unittest import mock

from durable_disks import FailingDisk, ScratchDisk, frame, mask, readable

from src_training import durable
from src_training.dataset import Dataset
from src_training.dataset.outbox import Outbox
from src_training.errors import DatasetError

ERRNOS = (ENOSPC, EIO, EROFS, EDQUOT, EACCES, ESTALE)
#: What a person must never be shown instead of a line.
TRACEBACKS = (OSError, LookupError, ValueError, TypeError, AttributeError)

#: Does something durable, the ``number``-th of its kind; whether it is there, asked afterwards.
Work = Callable[[Dataset, int], Callable[[], bool]]


@dataclass
class Failures:
    """What was seen: ``silent`` are losses that nobody was told of, ``unsaved`` what a second try did not save."""

    attempts: int = 0
    refused: int = 0
    silent: list[str] = field(default_factory=list)
    unsaved: list[str] = field(default_factory=list)

    def attempt(self, dataset: Dataset, work: Work, number: int, disk: FailingDisk) -> bool:
        """Whether an operation failed."""
        before, there, wrong = readable(dataset.folder), None, []
        with mock.patch.object(durable, "disk", disk):
            try:
                there = work(dataset, number)
            except DatasetError as error:
                wrong += [f"more than a line: {error}"] if "\n" in str(error) else []
            except TRACEBACKS as error:
                wrong.append(f"no line, but {error!r}")
        self.attempts, self.refused = self.attempts + 1, self.refused + (there is None)
        if there is not None and disk.failed:
            wrong.append("a failure was kept quiet")
        if there is not None and not there():
            wrong.append("told as saved, and not there")
        wrong += dataset.verify(deep=True).problems
        wrong += [f"lost: {name}" for name in before - readable(dataset.folder)]
        if wrong:
            self.silent.append(
                f"{work.__name__}, step {disk.failing}, errno {disk.errno}: {'; '.join(wrong)}"
            )
        self._again(dataset, work, number, disk)
        return disk.failed > 0

    def _again(self, dataset: Dataset, work: Work, number: int, disk: FailingDisk) -> None:
        try:
            if not work(dataset, number)():
                self.unsaved.append(f"{work.__name__}, step {disk.failing}: not there")
        except (DatasetError, *TRACEBACKS) as error:
            self.unsaved.append(f"{work.__name__}, step {disk.failing}: {error}")


def fail_everywhere(folder: Path, *, each: bool) -> Failures:
    """All works at all their operations: with ``each`` errno, else with one of them in turn."""
    seen = Failures()
    turns = [(errno,) for errno in ERRNOS] if each else [ERRNOS]
    with mock.patch.object(durable, "disk", ScratchDisk()):
        for work in WORKS:
            for number, (errnos, sticky) in enumerate((e, s) for e in turns for s in (False, True)):
                dataset = _two_cases(folder / f"{work.__name__}-{number}")
                for step in count():
                    disk = FailingDisk(step, errnos[(step + 3 * sticky) % len(errnos)], sticky=sticky)
                    if not seen.attempt(dataset, work, step, disk):
                        break
    return seen


def _two_cases(folder: Path) -> Dataset:
    made = Dataset.create(folder)
    for seed, mask_seed in ((1, 1), (2, 2), (2, 22)):
        made.append(frame(seed), mask(mask_seed))
    return made


def new_case(dataset: Dataset, number: int) -> Callable[[], bool]:
    return _appended(dataset, 100 + number, number)


def correction(dataset: Dataset, number: int) -> Callable[[], bool]:
    return _appended(dataset, 1, 100 + number)


def snapshot(dataset: Dataset, number: int) -> Callable[[], bool]:
    name = f"s{number}"
    frozen = dataset.snapshot(name, dataset.heads())
    return lambda: Dataset.open(dataset.folder).load_snapshot(name).sha256 == frozen.sha256


def creation(dataset: Dataset, number: int) -> Callable[[], bool]:
    """A dataset of a user who has no key yet."""
    folder = dataset.folder.with_name(f"{dataset.folder.name}-made-{number}")
    home = {"LIGHTVESSEL_CONFIG_DIR": str(folder.with_suffix(".config"))}
    with mock.patch.dict(os.environ, home):
        made = Dataset.open(folder) if (folder / "dataset.json").exists() else Dataset.create(folder)
        key = made.site_key()
    return lambda: Dataset.open(folder).fingerprint == made.fingerprint and len(key) == 32


def keeping(dataset: Dataset, number: int) -> Callable[[], bool]:
    """A frame into the outbox."""
    entry = Outbox(dataset).keep(dataset.prepare(frame(300 + number), mask(number)))

    def there() -> bool:
        posted = {}
        with contextlib.suppress(DatasetError):
            for at, revision in Outbox(dataset).publish():
                posted[at] = revision
        return entry in posted and bool((posted[entry].mask() == mask(number)).all())

    return there


def _appended(dataset: Dataset, seed: int, mask_seed: int) -> Callable[[], bool]:
    saved = dataset.append(frame(seed), mask(mask_seed))
    return lambda: f"{saved.case} {saved.name}" in readable(dataset.folder)


WORKS: tuple[Work, ...] = (new_case, correction, snapshot, creation, keeping)
