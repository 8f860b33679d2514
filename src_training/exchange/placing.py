"""The new folder of an export: where it may lie, and that it appears when it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from src_training import durable
from src_training.dataset import Dataset
from src_training.errors import DatasetError
from src_training.runs.machine import machine_id, process_space

_PARTIAL = ".partial"


@contextlib.contextmanager
def new_folder(dataset: Dataset, target: Path, sources: Sequence[Path] = ()) -> Iterator[Path]:
    """A folder to write into, which becomes ``target`` at the end; when anything fails, there is no ``target``.

    Raises DatasetError when ``target`` exists, lies in the workspace or beside one of the files ``sources``, or the
    disk refuses.
    """
    target = target.expanduser().absolute()
    _check_free(dataset, target, sources)
    _put_away_left_overs(target.parent)
    staged = target.with_name(f".{_ours()}{os.getpid()}-{secrets.token_hex(4)}{_PARTIAL}")
    try:
        staged.mkdir(parents=True)
        yield staged
        staged.rename(target)
    except OSError as error:
        raise DatasetError(f"{target.name}: not exported. {durable.cure_for(error)}") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _ours() -> str:
    """How what this computer writes begins: whether others still write, on a shared drive, is not to be seen."""
    seen_from = f"{machine_id()}|{process_space()}"
    return f"{hashlib.sha256(seen_from.encode()).hexdigest()[:12]}-"


def _put_away_left_overs(folder: Path) -> None:
    """Remove what exports left here that were killed: it holds pictures of patients."""
    for path in folder.glob(f".{_ours()}*{_PARTIAL}"):
        with contextlib.suppress(OSError, ValueError, OverflowError):
            process = int(path.name.removeprefix(f".{_ours()}").partition("-")[0])
            if not psutil.pid_exists(process) and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)


def _check_free(dataset: Dataset, target: Path, sources: Sequence[Path]) -> None:
    real = target.resolve()
    around = (real, *real.parents)
    if dataset.folder.resolve().parent in around:
        raise DatasetError(f"{target.name}: lies in the workspace. Choose a folder outside it.")
    for source in sources:
        if source.resolve().parent in around:
            raise DatasetError(
                f"{target.name}: lies in the folder of {source.name}. Choose a folder outside it."
            )
    if os.path.exists(target):  # unlike Path.exists never raises
        raise DatasetError(f"{target.name}: exists already. Choose a new folder.")
