"""From a path to a ``Cine``: what a file is, is decided by its content, never by its name alone."""

from __future__ import annotations

import itertools
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from src_training.cine.apart import open_apart
from src_training.cine.beside import MASK_END, masks_beside
from src_training.cine.budget import check_frames, readable, unreadable
from src_training.cine.cine import Calibration, Cine, Header, about_one_value
from src_training.cine.disc_index import index_of, is_index, leads_to_an_image
from src_training.cine.series import Series, difference, grouped, listed, stored_as
from src_training.cine.sniff import DICOM_SUFFIXES, SUFFIXES, recognise

# What lies beside the images of a folder by custom: nobody takes it for an angiogram.
_COMPANIONS = (".csv", ".json", ".txt")
_MOST_LOOKED_AT = 2000  # entries below a folder that nobody gave
_NO_IMAGES = ("no angiograms directly in this folder", "Choose the folder that has them.")


def read_cine(path: str | os.PathLike, *, as_cine: bool = False) -> Cine:
    """Open one acquisition; frames are decoded later, when asked for.

    Parameters
    ----------
    path : path
        A DICOM, TIFF, PNG, JPEG, JPEG 2000, WebP, GIF, BMP, NPY or video file, or a folder.
    as_cine : bool
        Take a folder as one acquisition, its files as frames in the order of InstanceNumber, else of acquisition
        time, else of names; a remark of the cine says which.

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

    Nor masks that lie beside their images, unless ``masks`` are wanted; nor what lies beside the index of a disc, if
    none of it is DICOM and the disc is there: these are pictures of the viewer that is on it.
    """
    files = [entry for entry in _files(folder) if _may_be_image(entry)]
    if files and (index := index_of(folder)) is not None and _are_of_a_viewer(files, index):
        return []
    if not masks:
        beside = masks_beside(files)
        files = [file for file in files if file not in beside]
    return sorted(files, key=lambda file: (natural_key(file.name), file.name))


def left_out(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """The files directly in the folders among ``paths`` that ``find_inputs`` passes over, by name.

    Hidden files, the index of a disc and tables or notes (csv, json, txt) are not counted.
    """
    files = [file for path in paths if os.path.isdir(path) for file in _listed_files(Path(path))]
    return sorted(
        file for file in files if file.suffix.lower() not in _COMPANIONS and not _may_be_image(file)
    )


def folders_left_out(paths: Iterable[str | os.PathLike]) -> list[Path]:
    """The folders with images directly in those among ``paths`` whose own images are looked at, by name.

    Not those that are given themselves, nor hidden ones, nor such that are called as masks are.
    """
    found = [Path(path) for path in paths if os.path.isdir(path)]
    given = {folder.resolve() for folder in found}
    inside = [entry for folder in found if _has_images(folder) for entry in folder.iterdir()]
    return sorted(entry for entry in inside if _is_of_images(entry) and entry.resolve() not in given)


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


def series_in(folder: str | os.PathLike) -> list[Series]:
    """The acquisitions whose single files lie directly in a folder; UnreadableCine when one cannot be read."""
    folder = Path(folder)
    with readable(folder.name, "opening", "Check the folder and its permissions."):
        return grouped([_read_file(file) for file in images_in(folder)])


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
        _check_single(folder, member)
    series = grouped(members)
    if found := difference(members):
        reason, cure = found
        raise unreadable(folder.name, f"{reason}; it holds {listed(series)}", cure)
    for member in members:
        _check_fits(folder, members[0], member)
    (only,) = series
    return _joined(folder.name, folder, only)


def cine_of(name: str, source: Path, series: Series) -> Cine:
    """An acquisition as one cine: its only file, of however many frames, or its files of one frame each."""
    if len(series.members) > 1:
        return _joined(name, source, series)
    frames, grey, header = series.members[0].parts
    return Cine(frames, name=name, source=source, grey=grey, header=header)


def _joined(name: str, source: Path, series: Series) -> Cine:
    members = list(series.members)
    header = _header_of(series)
    grey = header.greys[0] if header.greys else members[0].grey
    return Cine(FolderFrames(members), name=name, source=source, grey=grey, header=header)


def _header_of(series: Series) -> Header:
    """What is true of all its files: text burned into one may be in any, and millimetres of one are not another's."""
    headers = [member.parts[2] for member in series.members]
    remarks = list(_remarks(series.members))
    if len(headers) > 1:
        remarks.insert(0, f"its {len(headers)} files are in the order of {series.order}")
    calibration = headers[0].calibration
    if any(header.calibration != calibration for header in headers):
        calibration = Calibration()
        remarks.append("its files state different pixel spacings, so it is taken as uncalibrated")
    stated = {(header.burned_in or "").strip().upper() for header in headers}
    return replace(
        headers[0],
        is_multiframe_file=True,
        calibration=calibration,
        projection=next((h.projection for h in headers if h.projection.label), headers[0].projection),
        greys=_where_they_differ(list(about_one_value(tuple(member.grey for member in series.members)))),
        windows=_where_they_differ([header.window for header in headers]),
        projections=_where_they_differ([header.projection for header in headers]),
        burned_in="YES" if "YES" in stated else headers[0].burned_in if len(stated) == 1 else None,
        remarks=tuple(remarks),
    )


def _remarks(members: Iterable[Cine]) -> Iterator[str]:
    """What is remarked on the files of a folder: each finding once, with the files it is true of."""
    files: dict[str, list[str]] = {}
    for member in members:
        for remark in member.parts[2].remarks:
            files.setdefault(remark, []).append(member.name)
    for remark, (first, *others) in files.items():
        yield f"{first}{f' and {len(others)} more' if others else ''}: {remark}"


def _check_single(folder: Path, member: Cine) -> None:
    if len(member) != 1:
        raise unreadable(
            f"{folder.name}/{member.name}",
            f"{len(member)} frames; the files of a folder opened as one cine hold one frame each",
            "Open this file on its own.",
        )


def _check_fits(folder: Path, first: Cine, member: Cine) -> None:
    where = f"{folder.name}/{member.name}"
    if member.shape != first.shape:
        raise unreadable(
            where,
            f"{_size(member)}, but {first.name} is {_size(first)}, and one cine has one size",
            "Put other images in another folder.",
        )
    if stored_as(member) != stored_as(first):
        raise unreadable(
            where,
            f"its grey values ({member.dtype}) are stored differently from {first.name} ({first.dtype})",
            "Put the frames of one acquisition in one folder.",
        )


def _where_they_differ(values: list) -> tuple:
    return tuple(values) if len(set(values)) > 1 else ()


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
    return [entry for entry in folder.iterdir() if _is_content(entry)]


def _is_content(entry: Path) -> bool:
    # A disc's index file lies beside the images and is none.
    return not entry.name.startswith(".") and not is_index(entry) and may_be_file(entry)


def _is_of_images(entry: Path) -> bool:
    if not entry.is_dir() or entry.name.startswith(".") or MASK_END.search(f" {entry.name}"):
        return False
    below = itertools.islice(entry.rglob("*"), _MOST_LOOKED_AT)
    return any(_is_content(file) and _may_be_image(file) for file in below)


def _are_of_a_viewer(pictures: list[Path], index: Path) -> bool:
    return not any(map(_may_be_dicom, pictures)) and leads_to_an_image(index)


def _has_images(folder: Path) -> bool:
    try:
        return bool(images_in(folder))
    except OSError:
        return False


def _may_be_dicom(entry: Path) -> bool:
    try:
        return entry.suffix.lower() in DICOM_SUFFIXES or recognise(entry) == "dicom"
    except OSError:
        return True


def _may_be_image(entry: Path) -> bool:
    try:
        return entry.suffix.lower() in SUFFIXES or recognise(entry) is not None
    except OSError:
        return True


def _size(cine: Cine) -> str:
    return f"{cine.shape[1]}x{cine.shape[2]}"


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"(\d+)", name) if part]
