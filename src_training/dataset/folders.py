"""Images and masks from files: which belong together, whose they are, and what they hold."""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from src_training import durable
from src_training.cine.sniff import same_name, stem_of
from src_training.dataset.frame import Frame
from src_training.dataset.masks import read_mask
from src_training.errors import BadMask, DatasetError, UnreadableCine
from src_training.regular import read_regular

if TYPE_CHECKING:
    from src_training.cine import Polarity

_MASK_FILES = (".png", ".tif", ".tiff", ".npy", ".bmp", ".webp", ".gif", ".jpg", ".jpeg")
_LARGEST_CSV = 64 << 20
_MASK_END = "_mask"
_IMAGE_COLUMNS = ("image", "image_name", "name", "file", "filename", "file_name", "path")


@dataclass(frozen=True)
class LabelledFrame:
    """A frame, its mask (Y, X) of 0, 1, 255, and whether its file leaves open if text is burned in.

    ``name`` is what a message calls its file, ``polarity`` says whether its vessels are bright.
    """

    frame: Frame
    mask: NDArray[np.uint8]
    maybe_burned_in: bool
    name: str
    polarity: Polarity


class MaskSource(Protocol):
    """Where the mask of one image comes from; ``name`` is what a message calls it."""

    @property
    def name(self) -> str: ...

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255 for frame ``t`` of a cine of this size (T, Y, X); BadMask when it cannot be had."""
        ...


@dataclass(frozen=True)
class MaskFile:
    """A mask in a file of its own; from ``threshold`` on its values are vessel, if that is given.

    Raises BadMask for a threshold that no value reaches.
    """

    path: Path
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise BadMask(
                f"threshold {self.threshold:g}: no number that a mask could hold. Give one, as 128."
            )

    @property
    def name(self) -> str:
        return self.path.name

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        many = {"frame": t, "of": cine[0]} if cine[0] > 1 else {}
        return read_mask(self.path, threshold=self.threshold, **many)


@dataclass
class Matched:
    """``pairs`` of image and mask, from the ``images`` of the folder ``where``.

    ``failures``: work that has no place; ``remarks``: images without a mask.
    """

    where: str
    images: list[Path] = field(default_factory=list)
    pairs: list[tuple[Path, MaskSource]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def match_pairs(images: Path, masks: Path, threshold: float | None = None) -> Matched:
    """Pair the files of two folders (or of one) by stem; a mask may also be called ``<stem>_mask``."""
    drawn = [file for file in files_in(masks) if file.suffix.lower() in _MASK_FILES]
    matched = Matched(images.name, files_in(images))
    pairing = pair_up(matched.images, drawn, shared=same_folder(images, masks))
    matched.failures += pairing.ambiguous
    matched.pairs += [(image, MaskFile(mask, threshold)) for image, mask in pairing.pairs]
    matched.remarks += [
        f"{image.name}: no mask of this name; left out" for image in pairing.maskless if _may_be_image(image)
    ]
    matched.failures += [
        f"{mask.name}: no image of this name. Call both alike, or add _mask." for mask in pairing.imageless
    ]
    if not matched.pairs and not matched.failures:
        raise DatasetError(
            f"{images.name}: no image with a mask of its name in {masks.name}. Check both folders."
        )
    return matched


@dataclass
class Pairing:
    """Files by name: ``pairs`` of image and mask, a line for each image that could have several, and the rest."""

    pairs: list[tuple[Path, Path]] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    maskless: list[Path] = field(default_factory=list)
    imageless: list[Path] = field(default_factory=list)


def pair_up(images: Sequence[Path], masks: Sequence[Path], *, shared: bool) -> Pairing:
    """Pair files by stem; a mask may also be called ``<stem>_mask``, and has to be in a ``shared`` folder."""
    by_stem: defaultdict[str, list[Path]] = defaultdict(list)
    for mask in masks:
        stem = mask.stem if mask.suffix.lower() in _MASK_FILES else stem_of(mask)
        if not shared or stem.endswith(_MASK_END):
            by_stem[same_name(stem)].append(mask)
    pairing, taken = Pairing(), set[Path]()
    for image in images:
        if shared and stem_of(image).endswith(_MASK_END):
            continue
        stem = same_name(stem_of(image))
        found = [mask for called in (stem, stem + _MASK_END) for mask in by_stem[called]]
        if not found:
            pairing.maskless.append(image)
        elif len(found) > 1:
            names = ", ".join(mask.name for mask in found)
            pairing.ambiguous.append(f"{image.name}: several masks ({names}). Keep one of them.")
        elif found[0] in taken:
            pairing.ambiguous.append(
                f"{image.name}: {found[0].name} was taken as the mask of another image of this name. Rename one."
            )
        else:
            pairing.pairs.append((image, found[0]))
        taken.update(found)
    pairing.imageless = [mask for group in by_stem.values() for mask in group if mask not in taken]
    return pairing


def same_folder(one: Path, other: Path) -> bool:
    """Whether both are one folder, whatever the way to it."""
    return one.resolve() == other.resolve()


def read_pair(
    image: Path,
    mask: MaskSource,
    *,
    patient: str | None = None,
    frame: int | None = None,
    vessels_bright: bool | None = None,
) -> LabelledFrame:
    """One frame of an image file with its mask; ``vessels_bright`` None: its cine is looked at.

    Raises
    ------
    UnreadableCine, BadMask
        With the file, the reason and the cure; a mask of another size names both files and sizes.
    """
    from src_training.cine import polarity_of, read_cine
    from src_training.cine.sniff import recognise

    cine = read_cine(image)
    t = _chosen(cine.name, len(cine), frame)
    values = mask.read(t, cine.shape)
    check_size(mask.name, values.shape, image.name, cine.shape[1:])
    polarity = polarity_of(cine, vessels_bright)
    stored = Frame.from_cine(cine, t, patient, vessels_bright=polarity.bright)
    silent = recognise(image) == "dicom" and (cine.burned_in or "").strip().upper() != "NO"
    return LabelledFrame(stored, values, silent, cine.name, polarity)


def check_size(mask: str, size: tuple[int, ...], image: str, wanted: tuple[int, ...]) -> None:
    """BadMask naming both and their sizes (Y, X), unless these are equal."""
    if size != wanted:
        raise BadMask(
            f"{mask} is {_size(size)}, but {image} is {_size(wanted)} (rows x columns). "
            "Export the mask at the image's size."
        )


def read_patients(path: Path) -> dict[str, str]:
    """Image name (with or without its ending, see ``same_name``) → patient id, from a CSV with or without a header."""
    rows = _rows(path)
    name_at, patient_at, start = _columns(rows[0]) if rows else (0, 1, 0)
    found: dict[str, str] = {}
    for number, row in enumerate(rows[start:], start + 1):
        if len(row) <= max(name_at, patient_at):
            raise DatasetError(
                f"{path.name}: line {number} has no patient. Each line is: image name, patient id."
            )
        name = same_name(re.split(r"[\\/]", row[name_at].strip())[-1])
        patient = row[patient_at].strip()
        if found.setdefault(name, patient) != patient:
            raise DatasetError(f"{path.name}: line {number} gives {name} a second patient. Keep one of them.")
    return found


def files_in(folder: Path) -> list[Path]:
    """The files of a folder in natural order; DatasetError when there is no such folder."""
    from src_training.cine import natural_key
    from src_training.cine.read import may_be_file

    if not folder.is_dir():
        raise DatasetError(f"{folder.name}: there is no such folder. Check the path.")
    try:
        files = [entry for entry in folder.iterdir() if may_be_file(entry) and not entry.name.startswith(".")]
    except OSError as error:
        cure = durable.cure_for_reading(error)
        raise DatasetError(f"{folder.name}: cannot be listed. {cure}") from error
    return sorted(files, key=lambda file: natural_key(file.name))


def _may_be_image(file: Path) -> bool:
    """Whether it is one, or cannot be looked into."""
    from src_training.cine.sniff import recognise

    try:
        return recognise(file) is not None
    except OSError:
        return True


def _chosen(name: str, n_frames: int, frame: int | None) -> int:
    if frame is None and n_frames > 1:
        raise UnreadableCine(f"{name}: {n_frames} frames; which one has the mask? Choose it with --frame.")
    t = frame or 0
    if not 0 <= t < n_frames:
        raise UnreadableCine(f"{name}: has frames 0 to {n_frames - 1}, not {t}. Choose one of them.")
    return t


def _rows(path: Path) -> list[list[str]]:
    try:
        text = read_regular(path, _LARGEST_CSV).decode("utf-8-sig")
        first = text.partition("\n")[0]
        rows = csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count))
        found = [row for row in rows if any(map(str.strip, row))]
        if "\0" in text:
            raise csv.Error("a NUL byte in it")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        is_text = not isinstance(error, UnicodeDecodeError)
        reason = getattr(error, "strerror", None) or (error if is_text else "not UTF-8 text")
        raise DatasetError(f"{path.name}: {reason}. Give a CSV of image name, patient id.") from error
    return found


def _columns(first: list[str]) -> tuple[int, int, int]:
    """Where name and patient stand, and the first line of data."""
    names = [cell.strip().casefold().replace(" ", "_") for cell in first]
    name_at = next((at for at, name in enumerate(names) if name in _IMAGE_COLUMNS), None)
    patient_at = next((at for at, name in enumerate(names) if name.startswith("patient")), None)
    if name_at is None or patient_at is None:
        return 0, 1, 0
    return name_at, patient_at, 1


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
