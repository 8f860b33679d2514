"""Disks run full at every point of a row of saves: every frame is saved, kept or refused, and nothing is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from disk_failures import TRACEBACKS
from durable_disks import ScratchDisk, SmallDisk, frame, mask, readable, used_bytes
from power_cuts import at_home
from soak_table import Figure, Part, Size, all_of, none_of

from src_training import durable
from src_training.dataset import Dataset, Kept, Revision, save_or_keep
from src_training.dataset.outbox import Outbox
from src_training.errors import DatasetError, NotSaved

_POINTS = {"quick": 16, "full": 80}
_FRAMES = 12  # every third one corrects the first case


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """From no byte left to nearly enough; the user's own disk, with the outbox, runs full at every other point."""
    points, needed = _POINTS[size], _needed(folder / "roomy")
    seen = [
        _fill(folder / f"{point}", needed * point // points, _room_for_the_outbox(point, needed, points))
        for point in range(points)
    ]
    at = f"{points} disk-full points x {_FRAMES} frames"
    acknowledged = sum(point.saved + point.kept for point in seen)
    yield none_of(
        f"{at}: neither saved, kept nor refused in a line",
        sum(point.untold for point in seen),
        points * _FRAMES,
    )
    yield none_of(f"{at}: acknowledged frames lost", sum(point.lost for point in seen), acknowledged)
    yield all_of(
        "disks that ran full and took all frames once there was room",
        sum(point.ran_full and not point.wrong for point in seen),
        points,
    )
    # Else nothing of the three was tried.
    yield none_of(
        "kinds of outcome that no point had",
        sum(not any(getattr(point, kind) for point in seen) for kind in ("saved", "kept", "refused")),
        3,
    )


@dataclass
class _Point:
    """What became of the frames while a disk was full, and what was wrong, then or after room was made."""

    saved: int = 0
    kept: int = 0
    refused: int = 0
    untold: int = 0
    lost: int = 0
    ran_full: bool = False
    wrong: list[str] = field(default_factory=list)


def _needed(root: Path) -> int:
    with at_home(root), mock.patch.object(durable, "disk", ScratchDisk()):
        dataset = Dataset.create(root / "dataset")
        empty = used_bytes(dataset.folder)
        for number in range(_FRAMES):
            _decide(dataset, number)
        return used_bytes(dataset.folder) - empty


def _room_for_the_outbox(point: int, needed: int, points: int) -> int:
    return needed * (points - point) // points if point % 2 else 100 * needed


def _fill(root: Path, left: int, left_at_home: int) -> _Point:
    point = _Point()
    with at_home(root), mock.patch.object(durable, "disk", ScratchDisk()):
        dataset = Dataset.create(root / "dataset")
        disk = SmallDisk({dataset.folder: left, root / "config": left_at_home})
        with mock.patch.object(durable, "disk", disk):
            outcomes = {number: _tried(dataset, number, point) for number in range(_FRAMES)}
        point.ran_full = disk.refused > 0
        names = {f"{one.case} {one.name}" for one in outcomes.values() if isinstance(one, Revision)}
        point.lost += len(names - readable(dataset.folder))
        point.wrong += dataset.verify(deep=True).problems
        _make_room(dataset, outcomes, point)
    return point


def _tried(dataset: Dataset, number: int, point: _Point) -> Revision | Kept | None:
    try:
        outcome = _decide(dataset, number)
    except DatasetError as error:
        point.refused += 1
        point.untold += "\n" in str(error)
        return None
    except TRACEBACKS:
        point.untold += 1
        return None
    point.saved += isinstance(outcome, Revision)
    point.kept += isinstance(outcome, Kept)
    return outcome


def _make_room(dataset: Dataset, outcomes: dict[int, Revision | Kept | None], point: _Point) -> None:
    """Hand over what waits: now all that was acknowledged is there; then save what was refused."""
    try:
        list(Outbox(dataset).publish())
    except DatasetError as error:
        point.wrong.append(str(error))
    missing = {number for number in outcomes if not _is_there(dataset, number)}
    point.lost += sum(outcomes[number] is not None for number in missing)
    with contextlib.suppress(DatasetError):
        for number in sorted(missing):
            _decide(dataset, number)
    point.wrong += [f"frame {number}" for number in missing if not _is_there(dataset, number)]
    point.wrong += dataset.verify(deep=True).problems


def _decide(dataset: Dataset, number: int) -> Revision | Kept:
    return save_or_keep(dataset, frame(_seed(number)), mask(number))


def _is_there(dataset: Dataset, number: int) -> bool:
    """Whether this mask is one of the revisions of its frame."""
    prepared = dataset.prepare(frame(_seed(number)), mask(number))
    with contextlib.suppress(DatasetError):
        revisions = Dataset.open(dataset.folder).revisions(prepared.case)
        return any(bool((one.mask() == prepared.mask).all()) for one in revisions)
    return False


def _seed(number: int) -> int:
    return number if number % 3 else 0


@contextlib.contextmanager
def _kept_nowhere() -> Iterator[None]:
    """An outbox that calls a frame kept although its own disk is full, too."""
    keep = Outbox.keep

    def kept(outbox: Outbox, prepared: object) -> Path:
        with contextlib.suppress(NotSaved):
            return keep(outbox, prepared)
        return outbox.folder

    with mock.patch.object(Outbox, "keep", kept):
        yield


@contextlib.contextmanager
def _cut_short() -> Iterator[None]:
    """A writer that takes a short write for a whole one."""
    publish = durable._publish

    def quiet(path: Path, data: bytes, mode: int, name: Callable[[Path, Path], None]) -> None:
        try:
            publish(path, data, mode, name)
        except FileExistsError:
            raise
        except OSError:
            path.write_bytes(data[: len(data) // 2])

    with mock.patch.object(durable, "_publish", quiet):
        yield


PART = Part(run, {"kept where there is no room": _kept_nowhere, "a short write taken for whole": _cut_short})
