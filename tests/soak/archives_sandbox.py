"""Where hostile archives are imported: a receiving workspace, a canary beside it, and a look at both afterwards."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import archive_files as made
import numpy as np
import typer
from durable_disks import SIZE, frame, mask

from src_training import cli
from src_training.cli import dataset as dataset_commands
from src_training.dataset import Frame
from src_training.workspace import Workspace

#: Bytes of a mebibyte.
MIB = 1 << 20
#: Contents by name, as an archive or a folder holds them.
Files = dict[str, bytes]


@dataclass(frozen=True)
class Attempt:
    """One hostile archive or folder, built in a folder of its own; ``sound``: the cases that are to be taken."""

    name: str
    build: Callable[[Path], Path]
    sound: frozenset[str] = frozenset()


@dataclass
class Found:
    """What all attempts did."""

    tried: int = 0
    outside: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    sound: int = 0
    left: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


class Sandbox:
    """A receiving workspace, a canary beside it, and the folder that temporary ones are made in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temp, self.canary, self.inbox = folder / "temp", folder / "canary", folder / "inbox"
        for path in (self.temp, self.canary, self.inbox):
            path.mkdir(parents=True)
        (self.canary / "secret.png").write_bytes(made.png(SIZE, SIZE, bytes((SIZE + 1) * SIZE)))
        self.receiving = folder / "receiving"
        Workspace.create(self.receiving)
        self.files = self._sound(folder / "sound")
        exact = [
            name
            for name in made.records_in(self.files)
            if b'"dtype": "uint8"' in self.files[name].partition(b'"mask"')[0]
        ]
        self.target = exact[0]
        shutil.rmtree(folder / "sound")

    @staticmethod
    def _sound(folder: Path) -> Files:
        workspace = Workspace.create(folder)
        workspace.dataset.append(frame(1), mask(1))
        floats = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype(np.float32)
        workspace.dataset.append(Frame(floats, "P3"), mask(3))
        return made.files_of(folder)

    @functools.cached_property
    def cases(self) -> frozenset[str]:
        """All cases of the sound workspace."""
        return frozenset(name.split("/")[-2] for name in made.records_in(self.files))

    @property
    def but_target(self) -> frozenset[str]:
        """Those that stay sound when the target's record is made hostile."""
        return self.cases - {self.target.split("/")[-2]}

    @functools.cached_property
    def image(self) -> str:
        """The member that holds the target's image."""
        folder = self.target.rpartition("/")[0]
        return next(name for name in self.files if name.startswith(f"{folder}/image-"))

    @functools.cached_property
    def head(self) -> str:
        """The member that says what dataset it is."""
        return next(name for name in self.files if name.endswith("dataset.json"))

    @contextlib.contextmanager
    def temporary(self) -> Iterator[None]:
        """Temporary folders are made where the sandbox looks for them."""
        with mock.patch.object(tempfile, "tempdir", str(self.temp)):
            yield

    def attempt(self, attempt: Attempt, found: Found) -> None:
        """Import it and note what should not be."""
        home = self.inbox / "one"
        home.mkdir()
        source = attempt.build(home)
        before = self._snapshot()
        code, saved = self.imported(source)
        after = self._snapshot()
        found.tried += 1
        if before != after:
            found.outside.append(attempt.name)
        if any(self.temp.iterdir()):
            found.left.append(attempt.name)
        if saved - attempt.sound:
            found.taken.append(attempt.name)
        found.sound += len(attempt.sound)
        found.missed += [attempt.name] * len(attempt.sound - saved)
        if code not in (0, 2):
            found.crashed.append(attempt.name)
        if code == 0:
            found.silent.append(attempt.name)
        self._clear(home)

    def imported(self, source: Path) -> tuple[int, set[str]]:
        """Exit code and saved cases of ``dataset import``."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.object(cli, "build_app", _app),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            # Its masks fit no picture: what is asked here is what an archive can do, not what the gate lets in.
            code = cli.main(["dataset", "import", str(self.receiving), str(source), "--accept-implausible"])
        return code, {line.split()[1] for line in out.getvalue().splitlines() if line.startswith("saved ")}

    def _snapshot(self) -> dict[str, Any]:
        """Everything but the receiving dataset's cases: name, kind, time and content."""
        cases = self.receiving / "dataset" / "cases"
        found: dict[str, Any] = {}
        for parent, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if Path(parent, name) != cases]
            for path in (Path(parent, name) for name in [*folders, *names]):
                facts = path.lstat()
                found[str(path)] = (facts.st_mode, facts.st_size, _content(path, facts))
        return found

    def _clear(self, home: Path) -> None:
        shutil.rmtree(home)
        for path in [*self.temp.iterdir(), *self.canary.iterdir()]:
            if path.name != "secret.png":
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for path in [self.folder / "x", self.inbox / "x"]:
            path.unlink(missing_ok=True)


@functools.cache
def _app() -> typer.Typer:
    """``lightvessel dataset …`` alone, put together once: that takes longer than most imports here."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    dataset_commands.register(app)
    return app


def _content(path: Path, facts: os.stat_result) -> Any:
    if not stat.S_ISREG(facts.st_mode):
        return None
    return facts.st_mtime_ns, hashlib.sha256(path.read_bytes()).digest() if facts.st_size < MIB else 0
