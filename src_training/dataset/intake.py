"""What an import would save, looked at before anything is: every frame with its mask, its patient and what is odd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.folders import LabelledFrame, MaskSource, Matched, open_image, read_pair
from src_training.dataset.frame import IGNORE, VESSEL
from src_training.dataset.plausible import Judgement, judge_frame, promises_vessels
from src_training.errors import BadMask, UnreadableCine, printable
from src_training.naming import common_folder, lying


@dataclass(frozen=True)
class Inverted:
    """A mask that is black on white: its 0 is vessel, its 1 background."""

    source: MaskSource

    @property
    def name(self) -> str:
        return self.source.name

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255."""
        return inverted(self.source.read(t, cine))

    def frames(self, cine: tuple[int, int, int]) -> Sequence[int] | None:
        """As its source has them."""
        return frames_of(self.source, cine)


@dataclass(frozen=True)
class Looked:
    """One frame that could be saved: where it comes from, whose it is, and what was found.

    ``frame`` is None for a single image. ``ignored`` is the share of the frame that nobody judges.
    """

    image: Path
    mask: MaskSource
    frame: int | None
    name: str
    patient: str | None
    judgement: Judgement
    ignored: float

    @property
    def source(self) -> str:
        """The frame, and its mask where that is called otherwise."""
        return self.name if self.mask.name == self.image.name else f"{self.name}: {self.mask.name}"

    def record(self) -> dict[str, Any]:
        """For machines, without the patient."""
        found = self.judgement
        return {
            "image": self.name,
            "mask": self.mask.name,
            "frame": self.frame,
            "vessel_share": round(found.share, 5),
            "ignored_share": round(self.ignored, 5),
            "contrast": None if found.contrast is None else round(found.contrast, 3),
            "polarity": found.polarity or None,
            "odd": [one.code for one in found.findings],
            "line": found.text,
        }

    def row(self) -> str:
        """For people: share, contrast, polarity, name and what is odd."""
        contrast = self.judgement.contrast
        told = "    -" if contrast is None else f"{contrast:+.2f}"
        looks = self.judgement.polarity or "-"
        return f"{self.judgement.share:7.2%} {told} {looks:<6} {self.name}  {self.judgement.oddity}".rstrip()


@dataclass(frozen=True)
class Undrawn:
    """A line about the pages of a stack on which nothing is drawn."""

    line: str


@dataclass(frozen=True)
class Unread:
    """A pair that cannot be read, or whose stack has nothing drawn, in a line."""

    image: Path
    line: str


def look_at(
    matched: Matched, patient_of: dict[Path, str], status: str, *, vessels_bright: bool | None
) -> Iterator[Looked | Undrawn | Unread]:
    """Every frame that has a mask, in the order of the pairs; of a stack those whose page is drawn, and a line.

    Holds one frame at a time. ``vessels_bright`` None: each cine is looked at.
    """
    root = common_folder(matched.images)
    for image, mask in matched.pairs:
        called = lying(image, root).text
        try:
            yield from _frames(image, called, mask, patient_of.get(image), status, vessels_bright)
        except (UnreadableCine, BadMask) as error:
            yield Unread(image, naming(error, called, mask.name))


def check_plausible(mask: MaskSource, labelled: LabelledFrame, status: str) -> None:
    """Raise BadMask, saying what is odd and the cure, unless the mask that was read can be that of its frame."""
    if text := _judged(mask, labelled, status).text:
        raise BadMask(f"{mask.name}: {text}")


def naming(error: Exception, image: str, mask: str) -> str:
    """What an error says, with the image's name (and folder) where it does not name it or, in no folder, its mask."""
    text, names = printable(str(error)), [image] if "/" in image else [image, mask]
    return text if any(printable(name) in text for name in names) else f"{image}: {text}"


def frames_of(mask: MaskSource, cine: tuple[int, int, int]) -> Sequence[int] | None:
    """The frames that a mask has a page for, where it can have several; None where it is of one picture."""
    pages = getattr(mask, "frames", None)
    return None if pages is None or cine[0] == 1 else pages(cine)


def inverted(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Vessel and background changed over; what is ignored stays."""
    return np.where(mask == IGNORE, mask, 1 - mask).astype(np.uint8)


def _judged(mask: MaskSource, labelled: LabelledFrame, status: str) -> Judgement:
    found = judge_frame(labelled.frame, labelled.mask, status)
    return found.of_inverted if isinstance(mask, Inverted) else found


def _frames(
    image: Path, called: str, mask: MaskSource, patient: str | None, status: str, vessels_bright: bool | None
) -> Iterator[Looked | Undrawn]:
    from src_training.cine import polarity_of

    folder = image.is_dir()
    cine = open_image(image, as_cine=folder)
    frames: Sequence[int | None] = frames_of(mask, cine.shape) or [None]
    bright = polarity_of(cine, vessels_bright).bright  # once for all its pages
    drawn = 0
    for t in frames:
        labelled = read_pair(image, mask, patient=patient, frame=t, vessels_bright=bright, as_cine=folder)
        if t is None or (labelled.mask == VESSEL).any() or not promises_vessels(status):
            drawn += 1
            name = called if t is None else f"{called} frame {t}"
            judgement = _judged(mask, labelled, status)
            ignored = float((labelled.mask == IGNORE).mean())
            yield Looked(image, mask, t, name, labelled.frame.patient, judgement, ignored)
    if not drawn:
        raise BadMask(f"{mask.name}: nothing is drawn on any of its {len(frames)} pages. Check the file.")
    if drawn < len(frames):
        yield Undrawn(f"{mask.name}: {drawn} of {len(frames)} pages are drawn; the other frames are left out")
