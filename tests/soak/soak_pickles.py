"""Hostile pickles through ``lightvessel models import``: nothing in them runs."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import torch
from hostile_pickles import hostile_files
from soak_table import Figure, Part, Size, all_of, none_of

from src_training import Workspace
from src_training.cli import main
from src_training.errors import ModelError
from src_training.models import foreign, importing

_EVERY = {"quick": 33, "full": 1}  # each takes a process that loads torch


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Each imported from the shell's own entry, in the process that the product starts for it."""
    workspace = Workspace.create(folder / "workspace")
    mark = folder / "executed"
    executed = refused = 0
    files = hostile_files(folder / "files", mark)[:: _EVERY[size]]
    for path in files:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = main(["models", "import", str(workspace.path), str(path)])
        refused += code == 2 and len(said.getvalue().splitlines()) == 1
        executed += mark.exists()
        _remove(mark)
    yield none_of(f"{len(files)} hostile pickles imported: executed", executed, len(files))
    yield all_of("of these, refused in one line", refused, len(files))
    yield none_of("models that came of them", len(workspace.models.ids()), len(files))


def _remove(mark: Path) -> None:
    if mark.is_dir():
        mark.rmdir()
    mark.unlink(missing_ok=True)


@contextlib.contextmanager
def _unpickled() -> Iterator[None]:
    """Files unpickled as they come; in this process, where the bug is planted."""

    def convert(source: Path, target: Path) -> None:
        try:
            with mock.patch.object(torch, "load", load):
                foreign.main(source, target)
        except SystemExit as ended:
            raise ModelError(f"{source.name}: not usable as weights ({ended.code}).") from ended

    def load(*arguments: object, weights_only: bool, **more: object) -> object:
        return trusting(*arguments, weights_only=False, **more)

    trusting = torch.load
    with mock.patch.object(importing, "_convert", convert), mock.patch.object(foreign, "_cap_memory"):
        yield


PART = Part(run, {"weights unpickled as they come": _unpickled})
