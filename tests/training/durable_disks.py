"""Disks that fail, die or forget on purpose, and frames to put on them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Iterator, Mapping
from errno import ENOSPC
from pathlib import Path

import numpy as np

from src_training.dataset import Dataset, Frame, Revision
from src_training.durable import Disk
from src_training.errors import DatasetError

SIZE = 24


def frame(seed: int, patient: str | None = None) -> Frame:
    """A small noisy frame."""
    rng = np.random.default_rng(seed)
    return Frame(
        rng.integers(0, 256, (SIZE, SIZE)).astype(np.uint8), patient if patient is not None else f"P{seed}"
    )


def mask(seed: int) -> np.ndarray:
    """A mask for it."""
    return (np.random.default_rng(seed + 1000).random((SIZE, SIZE)) > 0.8).astype(np.uint8)


class ScratchDisk(Disk):
    """Syncs nothing: quick, for what nobody needs after the test."""

    def sync(self, fd: int) -> None:
        pass

    def sync_dir(self, path: Path) -> None:
        if not path.is_dir():
            raise NotADirectoryError(path)


class StepDisk(ScratchDisk):
    """Counts the operations and calls ``at(step, name, *arguments)`` before each."""

    def __init__(self) -> None:
        self.steps = 0

    def at(self, step: int, name: str, *arguments) -> None:
        """What happens before an operation."""

    def _step(self, name: str, *arguments) -> None:
        step, self.steps = self.steps, self.steps + 1  # first: an operation that fails is one, too
        self.at(step, name, *arguments)

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        self._step("open", path)
        return super().open(path, flags, mode)

    def write(self, fd: int, data: bytes) -> None:
        self._step("write", fd, data)
        super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._step("sync", fd)
        super().sync(fd)

    def rename(self, temporary: Path, path: Path) -> None:
        self._step("rename", temporary, path)
        super().rename(temporary, path)

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        self._step("mkdir", path)
        super().mkdir(path, mode)

    def sync_dir(self, path: Path) -> None:
        self._step("sync_dir", path)
        super().sync_dir(path)


class LoggingDisk(StepDisk):
    """Remembers the order of operations."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []

    def at(self, step, name, *arguments):
        self.log.append(name)


class FailingDisk(StepDisk):
    """Raises ``errno`` at one step, or from it on; a failing write leaves half of its data."""

    def __init__(self, step: int, errno: int, *, sticky: bool) -> None:
        super().__init__()
        self.failing, self.errno, self.sticky, self.failed = step, errno, sticky, 0

    def at(self, step: int, name: str, *arguments) -> None:
        if step == self.failing or (self.sticky and step > self.failing):
            self.failed += 1
            if name == "write":
                fd, data = arguments
                os.write(fd, data[: len(data) // 2])
            raise OSError(self.errno, os.strerror(self.errno))


class RefusingDisk(Disk):
    """Refuses every write below ``root`` with ``errno`` while ``refusing``; other folders are well."""

    def __init__(self, root: Path, errno: int) -> None:
        self.root, self.errno, self.refusing = root, errno, True

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        self._check(path)
        return super().open(path, flags, mode)

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        self._check(path)
        super().mkdir(path, mode)

    def _check(self, path: Path) -> None:
        if self.refusing and self.root in path.parents:
            raise OSError(self.errno, os.strerror(self.errno))


class DyingDisk(StepDisk):
    """Kills its own process at one step, in the middle of a write if it is one."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.dying = step

    def at(self, step: int, name: str, *arguments) -> None:
        if step == self.dying:
            if name == "write":
                fd, data = arguments
                os.write(fd, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)


class SmallDisk(ScratchDisk):
    """Has so many bytes left below each of its roots; the write that does not fit leaves what does."""

    def __init__(self, left: Mapping[Path, int]) -> None:
        self.capacity = {root: used_bytes(root) + left for root, left in left.items()}
        self.refused = 0
        self._paths: dict[int, Path] = {}

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        self._check(path, 1)
        fd = super().open(path, flags, mode)
        self._paths[fd] = path
        return fd

    def write(self, fd: int, data: bytes) -> None:
        fits = min(len(data), self._left(self._paths[fd]))
        super().write(fd, data[:fits])
        self._check(self._paths[fd], len(data) - fits)

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        self._check(path, 1)
        super().mkdir(path, mode)

    def _check(self, path: Path, more: int) -> None:
        if more > self._left(path):
            self.refused += 1
            raise OSError(ENOSPC, os.strerror(ENOSPC))

    def _left(self, path: Path) -> int:
        left = [room - used_bytes(root) for root, room in self.capacity.items() if root in path.parents]
        return max(0, min(left, default=1 << 40))


def used_bytes(folder: Path) -> int:
    """How much all files below a folder hold."""
    return sum(
        os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(folder) for name in names
    )


class PowerCutDisk(StepDisk):
    """Keeps, beside the real files, what a power cut would leave: only what was synced is sure to be there."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.names: dict[Path, int | None] = {}  # as seen by programs: the file's number; None is a folder
        self.kept: dict[Path, int | None] = {}  # surely on the disk
        self.content: list[bytes] = []  # by the file's number
        self.synced: list[bytes] = []
        self._open: dict[int, int] = {}
        for path in sorted(root.rglob("*")):
            self.names[path] = self.kept[path] = None if path.is_dir() else self._file(path.read_bytes())

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        fd = super().open(path, flags, mode)
        self.names[path] = self._open[fd] = self._file(b"")
        return fd

    def write(self, fd: int, data: bytes) -> None:
        super().write(fd, data)
        self.content[self._open[fd]] += bytes(data)

    def sync(self, fd: int) -> None:
        self._step("sync", fd)
        self.synced[self._open[fd]] = self.content[self._open[fd]]

    def rename(self, temporary: Path, path: Path) -> None:
        super().rename(temporary, path)
        self.names[path] = self.names.pop(temporary)

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        super().mkdir(path, mode)
        self.names[path] = None

    def sync_dir(self, path: Path) -> None:
        self._step("sync_dir", path)
        self._forget_removed()
        self.kept = {name: file for name, file in self.kept.items() if name.parent != path}
        self.kept |= {name: file for name, file in self.names.items() if name.parent == path}

    def after_power_cut(
        self, target: Path, rng: random.Random | None, *, names_survive: bool = False
    ) -> Path:
        """Build in ``target`` one state the disk may be found in.

        Nothing unsynced survives, or (``names_survive``) all names do, empty where not synced, or a random part.
        """
        self._forget_removed()
        state = dict(self.kept)
        for name in sorted(self.names.keys() | self.kept.keys()):
            if names_survive or (rng is not None and rng.random() < 0.5):
                state.pop(name, None)
                if name in self.names:
                    state[name] = self.names[name]
        for name in sorted(state):
            self._put(target, name, state[name], rng)
        return target

    def _put(self, target: Path, name: Path, file: int | None, rng: random.Random | None) -> None:
        path = target / name.relative_to(self.root)
        if not path.parent.is_dir():
            return  # its folder did not survive
        if file is None:
            path.mkdir()
            return
        data = self.synced[file]
        if data != self.content[file] and rng is not None:
            data = self.content[file][: rng.randrange(len(self.content[file]) + 1)]
        path.write_bytes(data)

    def _file(self, data: bytes) -> int:
        self.content.append(data)
        self.synced.append(data)
        return len(self.content) - 1

    def _forget_removed(self) -> None:
        """What was removed without our help may still be found after a power cut, or not."""
        self.names = {name: file for name, file in self.names.items() if name.exists()}


def everything(dataset: Dataset) -> Iterator[str]:
    """``case name`` of every revision that can be read whole."""
    for case in dataset.cases():
        for revision in dataset.revisions(case):
            revision.image(), revision.mask()
            yield f"{case} {revision.name}"


def readable(folder: Path) -> set[str]:
    """The same of a dataset that may be damaged: nothing of a damaged case."""
    dataset, found = Dataset.open(folder), set()
    for case in dataset.cases():
        with contextlib.suppress(DatasetError):
            found |= {f"{case} {_read_whole(revision).name}" for revision in dataset.revisions(case)}
    return found


def _read_whole(revision: Revision) -> Revision:
    revision.image(), revision.mask()
    return revision
