"""Images and masks from files: which belong together, whose they are, and what they hold."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from src_training import durable
from src_training.cine.beside import MASK_END
from src_training.dataset.frame import Frame
from src_training.dataset.mask_kinds import (
    is_drawn,
    is_mask_file,
    is_outlined,
    is_volume,
    looks_outlined,
    unread_kind,
)
from src_training.dataset.masks import read_mask
from src_training.dataset.patients import known_patient
from src_training.errors import BadMask, DatasetError, UnreadableCine, printable
from src_training.naming import lying, masks_among, match, stem

if TYPE_CHECKING:
    from src_training.cine import Cine, Polarity

_DEEPEST = 6  # folders below the one that was chosen


@dataclass(frozen=True)
class LabelledFrame:
    """A frame, its mask (Y, X) of 0, 1, 255, and whether its file leaves open if text is burned in.

    ``name`` is what a message calls its file, ``polarity`` says whether its vessels are bright, ``remarks`` are those
    on how its file was read.
    """

    frame: Frame
    mask: NDArray[np.uint8]
    maybe_burned_in: bool
    name: str
    polarity: Polarity
    remarks: tuple[str, ...] = ()


class MaskSource(Protocol):
    """Where the mask of one image comes from; ``name`` is what a message calls it.

    One that can have a page for every frame also has ``frames(cine)``, which says for which ones of a cine of this
    size (T, Y, X).
    """

    @property
    def name(self) -> str: ...

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255 for frame ``t`` of a cine of this size (T, Y, X); BadMask when it cannot be had."""
        ...


@dataclass(frozen=True)
class MaskFile:
    """A mask in a file of its own; from ``threshold`` on its values are vessel, if that is given.

    A ``stacked`` one has a page for every frame of its cine; else one page does for the frame that was chosen.
    Raises BadMask for a threshold that no value reaches.
    """

    path: Path
    threshold: float | None = None
    stacked: bool = False

    def __post_init__(self) -> None:
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise BadMask(
                f"threshold {self.threshold:g}: no number that a mask could hold. Give one, as 128."
            )

    @property
    def name(self) -> str:
        return self.path.name

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255."""
        frame, of = (t, cine[0]) if cine[0] > 1 else (None, None)
        return read_mask(self.path, threshold=self.threshold, frame=frame, of=of, stacked=self.stacked)

    def frames(self, cine: tuple[int, int, int]) -> Sequence[int]:
        """All of them."""
        return range(cine[0])


@dataclass
class Matched:
    """``pairs`` of image and mask, from the ``images`` of the folder ``where``.

    ``failures``: work that has no place; ``remarks``: images without a mask, and what lies beside masks.
    """

    where: str
    images: list[Path] = field(default_factory=list)
    pairs: list[tuple[Path, MaskSource]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def match_pairs(
    images: Path,
    masks: Path,
    threshold: float | None = None,
    source_of: Callable[[Path], MaskSource] | None = None,
) -> Matched:
    """Pair the files of two folders (or of one), and of the folders in them, by name (see `naming`).

    ``source_of`` makes of a mask's file what reads it: a `MaskFile`, unless somebody knows better.
    """
    there = files_below(images, leave_out=masks)
    beside = files_below(masks, leave_out=images)
    unread = {file: kind for file in beside if (kind := unread_kind(file))}
    drawn = [file for file in beside if is_mask_file(file) and file not in unread]
    matched = Matched(images.name, there)
    pairing = pair_up(there, drawn, images, masks)
    _add_runs(matched, pairing, images, masks)
    matched.failures += pairing.ambiguous
    source_of = source_of or (lambda path: MaskFile(path, threshold, stacked=True))
    matched.pairs += [(image, source_of(mask)) for image, mask in pairing.pairs]
    _tell_unread(matched, unread, images, masks)
    matched.remarks += [
        f"{lying(image, images).text}: no mask of this name; left out"
        for image in pairing.maskless
        if _may_be_image(image)
    ]
    matched.failures += [
        f"{lying(mask, masks).text}: no image of this name. Call both alike, or add _mask."
        for mask in pairing.imageless
        if not is_outlined(mask) or looks_outlined(mask)
    ]
    if not matched.pairs and not matched.failures:
        raise DatasetError(
            f"{images.name}: no image with a mask of its name in {masks.name}. Check both folders."
        )
    return matched


def _tell_unread(matched: Matched, unread: dict[Path, str], images: Path, masks: Path) -> None:
    """Say which files are masks of a kind that is not read.

    The JSON that a program leaves beside sound masks, for the classes of all, is only remarked on.
    """
    in_one = same_folder(images, masks)  # then it may be a picture
    left = [file for file in unread if not (in_one and _may_be_image(file))]
    pictures = [lying(image, images) for image in matched.images if image not in unread]
    nameless = set(match([lying(file, masks) for file in left], pictures, masks=True).unmatched)
    for at, file in enumerate(left):
        line, is_json = (
            f"{file.name}: {unread[file]}, which is not read as a mask",
            file.suffix.lower() == ".json",
        )
        if is_json and at in nameless and matched.pairs:
            matched.remarks.append(f"{line}; left out")
        else:
            other = " Or export COCO, which lightvessel dataset import reads." if is_json else ""
            matched.failures.append(f"{line}. Save it as PNG, TIFF, NIfTI or NRRD.{other}")


def _add_runs(matched: Matched, pairing: Pairing, images: Path, masks: Path) -> None:
    """Pair masks that are called like a folder of single frames with all of it: so `segment --cine` names them."""
    runs = [run for run in dict.fromkeys(image.parent for image in matched.images) if run != images]
    asked, there = pairing.imageless, [lying(run, images) for run in runs]
    found = match([lying(mask, masks) for mask in asked], there, masks=True)
    for one, other in found.pairs:
        matched.images.append(runs[other])
        pairing.pairs.append((runs[other], asked[one]))
        pairing.maskless = [image for image in pairing.maskless if image.parent != runs[other]]
    taken = {asked[one] for one, _ in found.pairs}
    pairing.imageless = [mask for mask in asked if mask not in taken]


@dataclass
class Pairing:
    """Files by name: ``pairs`` of image and mask, a line for each name that could mean several, and the rest."""

    pairs: list[tuple[Path, Path]] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    maskless: list[Path] = field(default_factory=list)
    imageless: list[Path] = field(default_factory=list)


def pair_up(images: Sequence[Path], masks: Sequence[Path], images_in: Path, masks_in: Path) -> Pairing:
    """Pair files that lie in two folders, or in one where the masks are called as such; each is taken once at most."""
    if same_folder(images_in, masks_in):
        of_masks = _masks_among([*images, *masks])
        images = [file for file in images if file not in of_masks]
        masks = [file for file in masks if file in of_masks]
    asked, there = [lying(file, masks_in) for file in masks], [lying(file, images_in) for file in images]
    found, pairing = match(asked, there, masks=True), Pairing()
    in_order = sorted(found.pairs, key=lambda pair: pair[1])
    pairing.pairs = [(images[other], masks[one]) for one, other in in_order]
    for other, several in found.contested.items():
        names = ", ".join(asked[one].text for one in several)
        pairing.ambiguous.append(f"{there[other].text}: several masks ({names}). Keep one of them.")
    told = {other for several in found.ambiguous.values() for other in several} | {*found.contested}
    for one, several in found.ambiguous.items():
        if not any(one in claimants for claimants in found.contested.values()):
            names = ", ".join(there[other].text for other in several)
            pairing.ambiguous.append(
                f"{asked[one].text}: could be the mask of several images ({names}). Call it like one of them."
            )
    told.update(other for _, other in found.pairs)
    pairing.maskless = [image for at, image in enumerate(images) if at not in told]
    pairing.imageless = [masks[one] for one in found.unmatched]
    return pairing


def _masks_among(files: Sequence[Path]) -> set[Path]:
    """Those that are masks by what they and their neighbours are called."""
    of_folder: defaultdict[Path, list[str]] = defaultdict(list)
    for file in files:
        of_folder[file.parent].append(file.name)
    called = {folder / name for folder, names in of_folder.items() for name in masks_among(names)}
    with_mask = {(file.parent, MASK_END.sub("", stem(file.name))) for file in called}
    # A volume beside a mask that is called after it is the picture: case1.nii.gz with case1_seg.nii.gz.
    return called | {
        file
        for file in files
        if is_drawn(file) and not (is_volume(file) and (file.parent, stem(file.name)) in with_mask)
    }


def same_folder(one: Path, other: Path) -> bool:
    """Whether both are one folder, whatever the way to it."""
    return one.resolve() == other.resolve()


def open_image(image: Path, *, as_cine: bool = False) -> Cine:
    """The cine in a file of a kind that data sets have their pictures in, or ``as_cine`` in a folder of frames."""
    from src_training.cine import read_cine
    from src_training.dataset.volume_pictures import open_volume

    if is_volume(image) and not image.is_dir():
        return open_volume(image)
    return read_cine(image, as_cine=as_cine)


def read_pair(
    image: Path,
    mask: MaskSource,
    *,
    patient: str | None = None,
    frame: int | None = None,
    vessels_bright: bool | None = None,
    as_cine: bool = False,
) -> LabelledFrame:
    """One frame of an image file, or ``as_cine`` of a folder of single frames, with its mask.

    ``vessels_bright`` None: its cine is looked at.

    Raises
    ------
    UnreadableCine, BadMask
        With the file, the reason and the cure; a mask of another size names both files and sizes.
    """
    from src_training.cine import polarity_of
    from src_training.cine.sniff import recognise

    cine = open_image(image, as_cine=as_cine)
    t = _chosen(cine.name, len(cine), frame)
    values = mask.read(t, cine.shape)
    check_size(mask.name, values.shape, image.name, cine.shape[1:])
    polarity = polarity_of(cine, vessels_bright)
    stored = Frame.from_cine(cine, t, patient, vessels_bright=polarity.bright)
    first = files_in(image)[0] if as_cine else image
    silent = recognise(first) == "dicom" and (cine.burned_in or "").strip().upper() != "NO"
    remarks = (*cine.remarks, *_contradicted(cine, patient))
    return LabelledFrame(stored, values, silent, cine.name, polarity, remarks)


def _contradicted(cine: Cine, patient: str | None) -> Iterator[str]:
    """Ids of patients are often replaced on purpose: what was given counts, but nobody mixes two up in silence."""
    given, stated = known_patient(patient), known_patient(cine.patient_id)
    if given and stated and given != stated:
        yield printable(
            f"{cine.name}: its own PatientID is another than the patient given for it, who is taken."
        )


def check_size(mask: str, size: tuple[int, ...], image: str, wanted: tuple[int, ...]) -> None:
    """BadMask naming both and their sizes (Y, X), unless these are equal."""
    if size != wanted:
        raise BadMask(
            f"{mask} is {_size(size)}, but {image} is {_size(wanted)} (rows x columns). "
            "Export the mask at the image's size."
        )


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


def files_below(folder: Path, *, leave_out: Path | None = None) -> list[Path]:
    """The files of a folder and of the folders in it, a run each, in natural order; see `files_in`."""
    found = files_in(folder)
    real = folder.resolve()
    seen = {real, *real.parents}
    if leave_out is not None:
        seen.add(leave_out.resolve())
    for inside in _folders_in(folder, seen):
        found += files_in(inside)
    return found


def _folders_in(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """The folders in ``folder``, each once, and no real path that was ``seen``; those that are linked come last."""
    # A link beside what it leads to would else take its place, or make each of its files two.
    linked: list[tuple[Path, int]] = []
    yield from _real_folders_in(folder, _DEEPEST, seen, linked)
    while linked:
        link, deepest = linked.pop(0)
        if link.resolve() not in seen:
            seen.add(link.resolve())
            yield link
            yield from _real_folders_in(link, deepest, seen, linked)


def _real_folders_in(
    folder: Path, deepest: int, seen: set[Path], linked: list[tuple[Path, int]]
) -> Iterator[Path]:
    """The folders that lie in ``folder`` themselves; others are added to ``linked``, with the depth left to them."""
    from src_training.cine import natural_key

    try:
        inside = [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        cure = durable.cure_for_reading(error)
        raise DatasetError(f"{folder.name}: cannot be listed. {cure}") from error
    for entry in sorted(inside, key=lambda one: natural_key(one.name)) if deepest else ():
        if entry.is_symlink():
            linked.append((entry, deepest - 1))
        elif (real := entry.resolve()) not in seen:
            seen.add(real)
            yield entry
            yield from _real_folders_in(entry, deepest - 1, seen, linked)


def _may_be_image(file: Path) -> bool:
    """Whether it is one, or cannot be looked into."""
    from src_training.cine.sniff import recognise

    try:
        return recognise(file) is not None
    except OSError:
        return True


def _chosen(name: str, n_frames: int, frame: int | None) -> int:
    if frame is None and n_frames > 1:
        raise UnreadableCine(
            f"{name}: {n_frames} frames; which one has the mask? Choose it with --frame of lightvessel dataset append."
        )
    t = frame or 0
    if not 0 <= t < n_frames:
        raise UnreadableCine(f"{name}: has frames 0 to {n_frames - 1}, not {t}. Choose one of them.")
    return t


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
