"""The new folder of an export: where it may lie, and that it appears when it is whole."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from src_training import durable
from src_training.dataset import Dataset
from src_training.errors import DatasetError


@contextlib.contextmanager
def new_folder(dataset: Dataset, target: Path, sources: Sequence[Path] = ()) -> Iterator[Path]:
    """A folder to write into, which becomes ``target`` at the end; when anything fails, there is no ``target``.

    Raises DatasetError when ``target`` exists, lies in the workspace or beside one of the files ``sources``, or the
    disk refuses.
    """
    target = target.expanduser().absolute()
    _check_free(dataset, target, sources)
    staged = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        staged.mkdir(parents=True)
        yield staged
        staged.rename(target)
    except OSError as error:
        raise DatasetError(f"{target.name}: not exported. {durable.cure_for(error)}") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


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
