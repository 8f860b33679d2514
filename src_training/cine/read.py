"""From a path to a ``Cine``: what a file is, is decided by its content, never by its name alone."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from src_training.cine.apart import open_apart
from src_training.cine.beside import masks_beside
from src_training.cine.budget import check_frames, readable, unreadable
from src_training.cine.cine import Cine
from src_training.cine.sniff import SUFFIXES, recognise

# What lies beside the images of a folder by custom: nobody takes it for an angiogram.
_COMPANIONS = (".csv", ".json", ".txt")
_NO_IMAGES = ("no angiograms directly in this folder", "Choose the folder that has them.")


def read_cine(path: str | os.PathLike, *, as_cine: bool = False) -> Cine:
    """Open one acquisition; frames are decoded later, when asked for.

    Parameters
    ----------
    path : path
        A DICOM, TIFF, PNG, JPEG, JPEG 2000, WebP, GIF, BMP, NPY or video file, or a folder.
    as_cine : bool
        Take a folder as one acquisition, its files as frames in natural order.

    Raises
    ------
    UnreadableCine
        For everything that cannot be read, with the file, the reason and the cure in one line.
    """
    path = Path(path)
    # "." has no name of its own.
    path = path if path.name else path.resolve()
    with readable(path.name, "opening", "Check the file and its permissions."):
        if path.is_dir():
            return _read_folder(path) if as_cine else _refuse_folder(path)
        return _read_file(path)


def find_inputs(paths: Iterable[str | os.PathLike], *, masks: bool = False) -> list[Path]:
    """Each file as it is; a folder as the images directly inside it, in natural order.

    Masks that lie beside their images are left out unless ``masks`` are wanted, too.
    What calls itself an image and is none stays in the list, and so does a folder without any image or that
    may not be listed: reading them tells why.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        found += _listed(path, masks) if os.path.isdir(path) else [path]  # unlike Path.is_dir never raises
    return found


def images_in(folder: Path, *, masks: bool = False) -> list[Path]:
    """The files directly in ``folder`` that are images or named so, in natural order; not the hidden ones.

    Nor masks that lie beside their images, unless ``masks`` are wanted.
    """
    files = [entry for entry in _files(folder) if _may_be_image(entry)]
    if not masks:
        beside = masks_beside(files)
        files = [file for file in files if file not in beside]
    return sorted(files, key=lambda file: natural_key(file.name))


def left_out(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """The files directly in the folders among ``paths`` that ``find_inputs`` passes over, by name.

    Hidden files, the index of a disc and tables or notes (csv, json, txt) are not counted.
    """
    files = [file for path in paths if os.path.isdir(path) for file in _listed_files(Path(path))]
    return sorted(
        file for file in files if file.suffix.lower() not in _COMPANIONS and not _may_be_image(file)
    )


def left_out_masks(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """The masks beside their images that ``find_inputs`` passes over in the folders among ``paths``, by name."""
    folders = [Path(path) for path in paths if os.path.isdir(path)]
    return sorted(mask for folder in folders for mask in masks_beside(_listed_files(folder)))


def may_be_file(entry: Path) -> bool:
    """Whether what lies in a folder is a file, or a link to one that is not there: reading it tells so."""
    return entry.is_file() or (entry.is_symlink() and not entry.is_dir())


def natural_key(name: str) -> tuple:
    """Sorts ``frame2`` before ``frame10``."""
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part.casefold()) for part in _parts(name))


def _listed(folder: Path, masks: bool) -> list[Path]:
    try:
        return images_in(folder, masks=masks) or [folder]
    except OSError:
        return [folder]


def _read_file(path: Path) -> Cine:
    _check_regular(path)
    return open_apart(path)


def _check_regular(path: Path) -> None:
    try:
        mode, size = path.stat().st_mode, path.stat().st_size
    except FileNotFoundError:
        raise unreadable(path.name, "there is no such file", "Check the path.") from None
    # Opening a pipe or a device would wait for ever.
    if not stat.S_ISREG(mode):
        raise unreadable(path.name, "not a regular file", "Give a file on disk.")
    if size == 0:
        raise unreadable(path.name, "the file is empty", "Copy or export it again.")


def _refuse_folder(folder: Path) -> Cine:
    if not images_in(folder):
        raise unreadable(folder.name, *_NO_IMAGES)
    raise unreadable(
        folder.name,
        "a folder, whose files are separate acquisitions",
        "Give one of its files.",
    )


def _read_folder(folder: Path) -> Cine:
    files = images_in(folder)
    if not files:
        raise unreadable(folder.name, *_NO_IMAGES)
    check_frames(folder.name, len(files))
    members = [_read_file(file) for file in files]
    for member in members:
        _check_fits(folder, members[0], member)
    _, grey, header = members[0].parts
    header = replace(header, is_multiframe_file=True)
    return Cine(FolderFrames(members), name=folder.name, source=folder, grey=grey, header=header)


def _check_fits(folder: Path, first: Cine, member: Cine) -> None:
    where = f"{folder.name}/{member.name}"
    if len(member) != 1:
        raise unreadable(
            where,
            f"{len(member)} frames; the files of a folder opened as one cine hold one frame each",
            "Open this file on its own.",
        )
    if member.shape != first.shape:
        raise unreadable(
            where,
            f"{_size(member)}, but {first.name} is {_size(first)}, and one cine has one size",
            "Put other images in another folder.",
        )
    if (member.dtype, member.grey) != (first.dtype, first.grey):
        raise unreadable(
            where,
            f"its grey values ({member.dtype}) are stored differently from {first.name} ({first.dtype})",
            "Put the frames of one acquisition in one folder.",
        )


@dataclass(frozen=True)
class FolderFrames:
    """Single images as the frames of one cine."""

    members: list[Cine]

    @property
    def shape(self) -> tuple[int, int, int]:
        return (len(self.members), *self.members[0].shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return self.members[0].dtype

    def decode(self, t: int) -> np.ndarray:
        """The stored values of the ``t``-th file, past its own cache."""
        frames, _, _ = self.members[t].parts
        return frames.decode(0)


def _listed_files(folder: Path) -> list[Path]:
    try:
        return _files(folder)
    except OSError:
        return []


def _files(folder: Path) -> list[Path]:
    # A disc's index file lies beside the images and is none.
    return [
        entry
        for entry in folder.iterdir()
        if not entry.name.startswith(".") and entry.name.upper() != "DICOMDIR" and may_be_file(entry)
    ]


def _may_be_image(entry: Path) -> bool:
    try:
        return entry.suffix.lower() in SUFFIXES or recognise(entry) is not None
    except OSError:
        return True


def _size(cine: Cine) -> str:
    return f"{cine.shape[1]}x{cine.shape[2]}"


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"(\d+)", name) if part]
