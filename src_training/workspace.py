"""A workspace: the one folder that holds a dataset, the models made from it, and the runs that made them."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from src_training import confined, durable
from src_training.dataset.commit import names_in, saving
from src_training.dataset.keyring import user_config_dir
from src_training.dataset.store import Dataset, checked_salt
from src_training.errors import DatasetError
from src_training.regular import read_regular

if TYPE_CHECKING:
    from src_training.models import ModelStore
    from src_training.runs import RunStore

__all__ = ["Workspace", "user_config_dir"]

_LARGEST_FACTS = 1 << 20
_PARTS = ("dataset", "models", "runs")


class Workspace:
    """``dataset/``, ``models/`` and ``runs/`` in one folder; each is opened when first used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Workspace({str(self.path)!r})"

    @classmethod
    def create(
        cls, path: str | Path, *, split_salt: str | None = None, site_key: bytes | None = None
    ) -> Workspace:
        """Make a workspace in a new or empty folder; salt and key as in ``Dataset.create``."""
        split_salt = checked_salt(split_salt)
        with confined.confining(Path(path).expanduser()) as path:
            _check_free(path)
            with saving(path):
                for part in _PARTS:
                    durable.make_dir(path / part)
            Dataset.create(path / "dataset", split_salt=split_salt, site_key=site_key)
            from src_training.models.seals import Seals

            Seals(path).begin()  # no older version has decided anything here
            return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> Workspace:
        """Open an existing workspace; ``DatasetError`` says what the folder is instead, and the cure.

        From then on this process follows no link below it.
        """
        with confined.confining(Path(path).expanduser()) as path:
            try:
                if not confined.is_file(path / "dataset" / "dataset.json"):
                    raise DatasetError(f"{path.name or path}: {_what_it_is(path)}")
            except OSError as error:
                raise DatasetError(
                    f"{path.name}: cannot be read. {durable.cure_for_reading(error)}"
                ) from error
            workspace = cls(path)
            _ = workspace.dataset  # a damaged dataset.json is told now, not at the first save
            return workspace

    @cached_property
    def dataset(self) -> Dataset:
        """The corrected frames."""
        return Dataset.open(self.path / "dataset")

    @cached_property
    def models(self) -> ModelStore:
        """The models of this workspace, and which one is live."""
        from src_training.models import ModelStore

        return ModelStore(self.path / "models")

    @cached_property
    def runs(self) -> RunStore:
        """The trainings of this workspace."""
        from src_training.runs import RunStore

        return RunStore(self.path / "runs")


def _check_free(path: Path) -> None:
    if confined.is_file(path / "dataset" / "dataset.json"):
        raise DatasetError(f"{path.name}: a workspace already. Open it.")
    if confined.is_there(path) and not confined.is_folder(path):
        raise DatasetError(f"{path.name}: a file is in the way. Choose a new or empty folder.")
    strangers = [name for name in names_in(path) if name not in _PARTS and not name.startswith(".")]
    if strangers or names_in(path / "models") or names_in(path / "runs"):
        raise DatasetError(f"{path.name}: there is something in it already. Choose a new or empty folder.")
    if around := [folder for folder in path.parents if confined.is_file(folder / "dataset" / "dataset.json")]:
        raise DatasetError(f"{path.name}: inside the workspace {around[0].name}. Choose a folder outside it.")


def _what_it_is(path: Path) -> str:
    make = "Make one in a new folder: lightvessel dataset init FOLDER."
    if not confined.is_there(path):
        return f"there is no such folder. {make}"
    if not confined.is_folder(path):
        return f"a file, not a workspace. Give the workspace's folder. {make}"
    if link := _link_to(path / "dataset" / "dataset.json"):
        return f"{link}. Put the folder or file itself in its place."
    if _is_dataset(path):
        return f"the dataset inside a workspace. Give the folder around it: {path.parent.name}."
    if confined.is_file(path.parent / "dataset" / "dataset.json"):
        return f"a part of a workspace. Give the folder around it: {path.parent.name}."
    return f"not a workspace (no dataset/dataset.json in it). {make}"


def _link_to(path: Path) -> str:
    """Says that a file is a link, or lies behind one; empty where it does not."""
    try:
        return confined.LINK.format(path.name) if confined.leads_elsewhere(confined.status(path)) else ""
    except confined.Leads as error:
        return error.strerror or ""
    except OSError:
        return ""


def _is_dataset(path: Path) -> bool:
    try:
        return "site_key_fingerprint" in json.loads(read_regular(path / "dataset.json", _LARGEST_FACTS))
    except (OSError, ValueError, TypeError):
        return False
