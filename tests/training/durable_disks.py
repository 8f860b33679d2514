"""Disks that fail, die or forget on purpose, and frames to put on them."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from src_training.dataset import Dataset, Frame
from src_training.durable import Disk

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


class StepDisk(Disk):
    """Counts the operations and calls ``at(step, name, *arguments)`` before each."""

    def __init__(self) -> None:
        self.steps = 0

    def at(self, step: int, name: str, *arguments) -> None:
        """What happens before an operation."""

    def _step(self, name: str, *arguments) -> None:
        self.at(self.steps, name, *arguments)
        self.steps += 1

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

    def mkdir(self, path: Path) -> None:
        self._step("mkdir", path)
        super().mkdir(path)

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

    def mkdir(self, path: Path) -> None:
        self._check(path)
        super().mkdir(path)

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


class PowerCutDisk(StepDisk):
    """Keeps, beside the real files, what a power cut would leave: only what was synced is sure to be there.

    ``without`` leaves operations out, as a buggy writer would.
    """

    def __init__(self, root: Path, without: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.root, self.without = root, without
        self.names: dict[Path, int | None] = {}  # as seen by programs; None is a folder
        self.kept: dict[Path, int | None] = {}  # surely on the disk
        self.content: dict[int, bytes] = {}
        self.synced: dict[int, bytes] = {}
        self._open: dict[int, int] = {}
        self._adopt()

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        fd = super().open(path, flags, mode)
        inode = os.fstat(fd).st_ino
        self.names[path], self._open[fd] = inode, inode
        self.content[inode], self.synced[inode] = b"", b""
        return fd

    def write(self, fd: int, data: bytes) -> None:
        super().write(fd, data)
        self.content[self._open[fd]] += bytes(data)

    def sync(self, fd: int) -> None:
        super().sync(fd)
        if "sync" not in self.without:
            self.synced[self._open[fd]] = self.content[self._open[fd]]

    def rename(self, temporary: Path, path: Path) -> None:
        super().rename(temporary, path)
        self.names[path] = self.names.pop(temporary)

    def mkdir(self, path: Path) -> None:
        super().mkdir(path)
        self.names[path] = None

    def sync_dir(self, path: Path) -> None:
        super().sync_dir(path)
        if "sync_dir" in self.without:
            return
        self.kept = {name: inode for name, inode in self.kept.items() if name.parent != path}
        self.kept |= {name: inode for name, inode in self.names.items() if name.parent == path}

    def after_power_cut(
        self, target: Path, rng: random.Random | None, *, names_survive: bool = False
    ) -> Path:
        """Build in ``target`` one state the disk may be found in.

        Nothing unsynced survives, or (``names_survive``) all names do, empty where not synced, or a random part.
        """
        state = dict(self.kept)
        for name in self.names.keys() | self.kept.keys():
            if names_survive or (rng is not None and rng.random() < 0.5):
                state.pop(name, None)
                if name in self.names:
                    state[name] = self.names[name]
        for name in sorted(state):
            self._put(target, name, state[name], rng)
        return target

    def _put(self, target: Path, name: Path, inode: int | None, rng: random.Random | None) -> None:
        path = target / name.relative_to(self.root)
        if not path.parent.is_dir():
            return  # its folder did not survive
        if inode is None:
            path.mkdir()
            return
        data = self.synced[inode]
        if data != self.content[inode] and rng is not None:
            data = self.content[inode][: rng.randrange(len(self.content[inode]) + 1)]
        path.write_bytes(data)

    def _adopt(self) -> None:
        for path in sorted(self.root.rglob("*")):
            inode = None if path.is_dir() else path.stat().st_ino
            self.names[path] = self.kept[path] = inode
            if inode is not None:
                self.content[inode] = self.synced[inode] = path.read_bytes()


def everything(dataset: Dataset) -> Iterator[str]:
    """``case name`` of every revision that can be read whole."""
    for case in dataset.cases():
        for revision in dataset.revisions(case):
            revision.image(), revision.mask()
            yield f"{case} {revision.name}"
