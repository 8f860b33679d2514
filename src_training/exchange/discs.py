"""A disc of an archive (DICOMDIR), its folder, or a ZIP of it, as a list of runs."""

from __future__ import annotations

import contextlib
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from src_training.cine.apart import ask_file
from src_training.cine.cine import Cine
from src_training.cine.read import cine_of, index_of, natural_key, read_cine
from src_training.cine.series import grouped
from src_training.cine.sniff import DICOM_SUFFIXES, recognise, stem_of
from src_training.errors import UnreadableCine, printable

_INDEX = "DICOMDIR"
_MOST_FILES = 5000
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Run:
    """One acquisition of a disc: its ``name`` there, which is that of its first file with its folders; opened."""

    name: str
    cine: Cine
    files: tuple[Path, ...]

    @property
    def description(self) -> str:
        """For a list to choose from; never who the patient is."""
        frames, rows, columns = self.cine.shape
        number = self.cine.parts[2].instance.series_number
        parts = [
            "" if number is None else f"series {number}",
            f"{frames} frame{'s' if frames != 1 else ''} of {rows}x{columns}",
            self.cine.projection.label,
        ]
        return f"{self.name}: {' · '.join(part for part in parts if part)}"


@dataclass
class Disc:
    """What a disc holds: its runs in the order of its index or names, and a line for each file that is none."""

    runs: list[Run] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def is_disc(path: Path) -> bool:
    """Whether a path is a DICOMDIR, the folder of one without images directly in it, or a ZIP archive."""
    from src_training.cine.read import images_in

    try:
        if path.is_dir():
            return index_of(path) is not None and not images_in(path)
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return path.name.upper() == _INDEX or file.read(4) == _ZIP
    except OSError:
        return False


def looks_like_disc(path: Path) -> bool:
    """As `is_disc`, but a ZIP only where the names in it may be DICOM: for who must answer at once."""
    if not is_disc(path):
        return False
    if path.is_dir() or path.name.upper() == _INDEX:
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return any(map(_may_be_dicom, archive.namelist()))
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def _may_be_dicom(member: str) -> bool:
    """As files of discs are called: with a DICOM ending, or a name without any letter after its last point."""
    name = PurePosixPath(member).name
    return (
        bool(name)
        and not member.endswith("/")
        and (name.lower().endswith(DICOM_SUFFIXES) or not re.search(r"\.[^.]*[A-Za-z]", name))
    )


@contextlib.contextmanager
def opened_disc(path: Path) -> Iterator[Disc]:
    """The runs of a disc; those of a ZIP can be decoded as long as it is open.

    Raises
    ------
    LightVesselError
        When the index or archive cannot be read, or no image is there.
    """
    from src_training.exchange.archives import unpacked

    with contextlib.ExitStack() as stack:
        if path.is_dir() or path.name.upper() == _INDEX:
            folder, index = (path, index_of(path)) if path.is_dir() else (path.parent, path)
        else:
            folder = stack.enter_context(unpacked(path))
            index = _index_below(folder)
            folder = folder if index is None else index.parent
        yield _read(path.name, folder, index)


def _read(name: str, folder: Path, index: Path | None) -> Disc:
    disc = Disc()
    files = _walked(folder, name, disc) if index is None else _listed(folder, index, disc)
    if index is not None and (strangers := len({*_dicom_below(folder)} - {*files})):
        disc.remarks.append(
            printable(
                f"{index.name}: {strangers} DICOM files on the disc that it does not list are left out. "
                "Give them by themselves."
            )
        )
    if len(files) > _MOST_FILES:
        raise UnreadableCine(
            printable(f"{name}: {len(files)} images; at most {_MOST_FILES}. Open a part of it.")
        )
    cines: dict[Path, Cine] = {}
    for file in files:
        try:
            cines[file] = read_cine(file)
        except UnreadableCine as error:
            disc.remarks.append(str(error))
    if not cines:
        reason = f" ({disc.remarks[0]})" if disc.remarks else ""
        raise UnreadableCine(
            printable(f"{name}: no angiogram on this disc{reason}. Unpack an archive of pictures.")
        )
    place = {id(cine): file for file, cine in cines.items()}
    stems: set[str] = set()
    for series in grouped(cines.values()):
        file = place[id(series.members[0])]
        called = _called("_".join(file.relative_to(folder).parts), stems)
        files_of = tuple(place[id(member)] for member in series.members)
        disc.runs.append(Run(called, cine_of(called, file, series), files_of))
    return disc


def _called(wanted: str, stems: set[str]) -> str:
    """A name that no other run has, nor the mask of one: with a number where folders and endings leave two alike."""
    stem = stem_of(Path(wanted))
    ending, free, number = wanted[len(stem) :], stem, 1
    while free.casefold() in stems:
        number += 1
        free = f"{stem}_{number}"
    stems.add(free.casefold())
    return free + ending


def _listed(folder: Path, index: Path, disc: Disc) -> list[Path]:
    """The images that an index names, as far as they are there; a name that leads out of the disc is not followed."""
    files: dict[Path, None] = {}
    missing = 0
    for parts in ask_file(index, {"ask": "disc"}).facts["files"]:
        file = _found(folder, parts)
        if file is None:
            missing += 1
        else:
            files[file] = None
    if missing:
        disc.remarks.append(printable(f"{index.name}: {missing} of the images that it lists are not there."))
    return list(files)


def _found(folder: Path, parts: list[str]) -> Path | None:
    """The file of these parts, in whatever case of letters the disc was copied with."""
    at = folder
    for part in parts:
        if not part or part in (".", "..") or re.search(r"[/\\:\0]", part):
            return None
        names = {entry.name.split(";")[0].casefold(): entry for entry in _entries(at)}
        entry = names.get(part.casefold())
        if entry is None:
            return None
        at = entry
    real = Path(os.path.realpath(at))
    return at if at.is_file() and Path(os.path.realpath(folder)) in real.parents else None


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _walked(folder: Path, name: str, disc: Disc) -> list[Path]:
    """The DICOM files below a folder that has no index, in natural order; that there are other pictures is told."""
    kinds = {path: recognise(path) for path in _files_below(folder)}
    found = [path for path, kind in kinds.items() if kind == "dicom"]
    others = sum(kind not in ("dicom", None) for kind in kinds.values())
    if others and found:
        disc.remarks.append(
            printable(f"{name}: {others} of its files are pictures or videos, no DICOM, and left out.")
        )
    return sorted(found, key=lambda path: [natural_key(part) for part in path.relative_to(folder).parts])


def _dicom_below(folder: Path) -> Iterator[Path]:
    for path in _files_below(folder):
        with contextlib.suppress(OSError):
            if path.name.upper() != _INDEX and recognise(path) == "dicom":
                yield path


def _files_below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and "__MACOSX" not in path.parts:
            yield path


def _index_below(folder: Path) -> Path | None:
    """The one index below a folder; of several none is believed, and every image is looked at."""
    found = [path for path in folder.rglob("*") if path.name.upper() == _INDEX and path.is_file()]
    return found[0] if len(found) == 1 else None
