"""A disc of an archive (DICOMDIR), its folder, or a ZIP of it, as a list of runs."""

from __future__ import annotations

import contextlib
import itertools
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from src_training.cine.budget import unreadable
from src_training.cine.cine import Cine
from src_training.cine.disc_index import Listed, file_at, index_of, is_index, read_index
from src_training.cine.read import cine_of, images_in, natural_key, read_cine
from src_training.cine.series import grouped
from src_training.cine.sniff import DICOM_SUFFIXES, recognise, stem_of
from src_training.errors import UnreadableCine, printable

_MOST_FILES = 5000
_MOST_LOOKED_AT = 5000  # entries beside an index
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
    try:
        if path.is_dir():
            return index_of(path) is not None and not images_in(path)
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return is_index(path) or file.read(4) == _ZIP
    except OSError:
        return False


def looks_like_disc(path: Path) -> bool:
    """As `is_disc`, but a ZIP only where the names in it may be DICOM: for who must answer at once."""
    if not is_disc(path):
        return False
    if path.is_dir() or is_index(path):
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
        if path.is_dir() or is_index(path):
            folder, index = (path, index_of(path)) if path.is_dir() else (path.parent, path)
        else:
            folder = stack.enter_context(unpacked(path))
            index = _index_below(folder)
            folder = folder if index is None else index.parent
        yield _read(path.name, folder, index)


def _read(name: str, folder: Path, index: Path | None) -> Disc:
    disc = Disc()
    files = _walked(folder, name, disc) if index is None else _indexed(index, disc)
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
        cure = (
            "Unpack an archive of pictures." if index is None else "Copy all of the disc, or open its files."
        )
        raise UnreadableCine(printable(f"{name}: no angiogram on this disc{reason}. {cure}"))
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


def _indexed(index: Path, disc: Disc) -> list[Path]:
    listed = read_index(index)
    images = _listed(listed, index, disc)
    _tell_strangers(listed, index, images, disc)
    return images


def _listed(listed: Listed, index: Path, disc: Disc) -> list[Path]:
    """The images that an index names, as far as they are there."""
    if not listed.images:
        raise unreadable(index.name, "the index of a disc that lists no images", "Open the files beside it.")
    files = [file_at(listed.folder, parts) for parts in listed.images]
    if missing := files.count(None):
        disc.remarks.append(printable(f"{index.name}: {missing} of the images that it lists are not there."))
    return list(dict.fromkeys(file for file in files if file is not None))


def _tell_strangers(listed: Listed, index: Path, images: list[Path], disc: Disc) -> None:
    known = {*images, *(file_at(listed.folder, parts) for parts in listed.others)}
    if strangers := sum(1 for path in _files_near(listed.folder) if path not in known and _is_dicom(path)):
        disc.remarks.append(
            printable(
                f"{index.name}: {strangers} DICOM files on the disc that it does not list are left out. "
                "Give them by themselves."
            )
        )


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


def _is_dicom(path: Path) -> bool:
    try:
        return not is_index(path) and recognise(path) == "dicom"
    except OSError:
        return False


def _files_near(folder: Path) -> Iterator[Path]:
    """The files below a folder, of a large one only some: an index may lie among anything, as where downloads go."""
    return filter(_is_content, itertools.islice(folder.rglob("*"), _MOST_LOOKED_AT))


def _files_below(folder: Path) -> Iterator[Path]:
    return filter(_is_content, folder.rglob("*"))


def _is_content(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and "__MACOSX" not in path.parts


def _index_below(folder: Path) -> Path | None:
    """The one index below a folder; of several none is believed, and every image is looked at."""
    found = [path for path in folder.rglob("*") if is_index(path) and path.is_file()]
    return found[0] if len(found) == 1 else None
