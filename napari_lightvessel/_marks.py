"""What the plugin knows about each frame of a cine: its status, and whether a person changed the mask since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from src_training import Revision

VESSEL = 1
UNSURE = 2
IGNORE = 255
_OTHER = 3

UNANNOTATED = "unannotated"
PROPOSED = "proposed"
ACCEPTED = "accepted"
NO_VESSEL = "no_vessel"
NOT_EVALUABLE = "not_evaluable"
WITHDRAWN = "withdrawn"  # a note on a frame whose decision was taken back
ELSEWHERE = "in another workspace"  # a note on a frame that was decided there, and not in the open one

#: Notes on a mask that a person made and that is no unsaved edit.
KEPT = frozenset({WITHDRAWN, ELSEWHERE})

#: A person decided these: a prediction never replaces them unasked.
DECIDED = frozenset({ACCEPTED, NO_VESSEL, NOT_EVALUABLE})

WORDS = {
    UNANNOTATED: "not segmented",
    PROPOSED: "proposed",
    ACCEPTED: "accepted",
    NO_VESSEL: "no vessel",
    NOT_EVALUABLE: "not evaluable",
    "rejected": WITHDRAWN,
}


@dataclass(frozen=True)
class Plane:
    """One frame's labels in a few bits a pixel: small enough to keep for every frame, exact enough to compare.

    ``other`` are labels that napari offers and we have no name for (3 and up); empty where there are none.
    """

    shape: tuple[int, int]
    vessel: bytes
    unsure: bytes
    other: bytes = b""

    @classmethod
    def of(cls, labels: np.ndarray) -> Plane:
        """Pack a (Y, X) plane of labels."""
        other = labels > UNSURE
        packed = np.packbits(other).tobytes() if other.any() else b""
        vessel, unsure = np.packbits(labels == VESSEL), np.packbits(labels == UNSURE)
        return cls(labels.shape, vessel.tobytes(), unsure.tobytes(), packed)

    @classmethod
    def unknown(cls, shape: tuple[int, int]) -> Plane:
        """A plane that nobody remembers: unequal to every other, and empty when unpacked."""
        return cls(shape, np.packbits(np.zeros(shape, bool)).tobytes(), b"")

    @property
    def is_known(self) -> bool:
        """Whether it is not `unknown`."""
        return bool(self.unsure)

    def labels(self) -> np.ndarray:
        """Unpack to (Y, X) uint8 of 0, 1, 2, and 3 for whatever was more."""
        labels = self._bits(self.vessel) * VESSEL
        if self.unsure:
            labels = labels + self._bits(self.unsure) * UNSURE
        return labels + self._bits(self.other) * _OTHER if self.other else labels

    def _bits(self, packed: bytes) -> np.ndarray:
        size = self.shape[0] * self.shape[1]
        return np.unpackbits(np.frombuffer(packed, np.uint8), count=size).reshape(self.shape)


def is_vessel(labels: np.ndarray) -> np.ndarray:
    """Where a vessel was painted: with label 1, or with any other that does not say unsure."""
    return (labels != 0) & ~is_unsure(labels)


def is_unsure(labels: np.ndarray) -> np.ndarray:
    """Where nobody can say."""
    return (labels == UNSURE) | (labels == IGNORE)


@dataclass
class Mark:
    """One frame's bookkeeping.

    ``baseline`` is the plane as the plugin last put or saved it (None: empty); a frame is *edited* when
    its pixels differ from it. Undo, redo and scripts are thereby covered without listening to any event.
    ``stored`` is the plane of the revision that was saved last, of which the next one is a correction; ``head`` that
    revision and ``seen`` the hashes of all that this window has shown, so that nobody's work is overwritten unseen;
    ``case`` is what the dataset calls this frame. ``region``: what lies outside a rectangle was reviewed by nobody.
    ``seconds`` and ``strokes`` count since the last revision.
    """

    status: str = UNANNOTATED
    baseline: Plane | None = None
    proposal: Plane | None = None
    stored: Plane | None = None
    model_id: str | None = None
    saved: str = ""
    head: Revision | None = None
    seen: frozenset[str] = frozenset()
    case: str = ""
    region: bool = False
    saving: bool = False
    strokes: int = 0
    seconds: float = 0.0

    @property
    def decided(self) -> bool:
        """Whether a person's decision stands on this frame."""
        return self.status in DECIDED or self.saving

    def differs(self, labels: np.ndarray) -> bool:
        """Whether these pixels are not the ones the plugin knows."""
        if self.baseline is None:
            return bool(labels.any())
        return Plane.of(labels) != self.baseline

    def effort(self, labels: np.ndarray) -> dict[str, float]:
        """What a person did since the last revision, else to the proposal: seconds, strokes, pixels of vessel.

        The pixels are left out where nobody knows what the work began from.
        """
        told: dict[str, float] = {"seconds": round(self.seconds, 1), "strokes": self.strokes}
        start = self.stored or self.proposal
        if start is not None and not start.is_known:
            return told
        before = is_vessel(start.labels()) if start else np.zeros(labels.shape, bool)
        now = is_vessel(labels)
        added, removed = int((now & ~before).sum()), int((before & ~now).sum())
        return {**told, "pixels_added": added, "pixels_removed": removed}

    def show(self, revision: Revision, plane: Plane) -> None:
        """This window shows what stands in the dataset: ``revision``, with ``plane`` as its labels."""
        self.baseline = self.stored = plane
        self.know(revision)
        self.saved, self.model_id = revision.text, revision.model_id
        self.seconds, self.strokes = 0.0, 0

    def leave(self) -> None:
        """Another workspace is open: what was decided in the former one is not decided here; the mask stays."""
        if self.decided or self.head is not None:
            self.saved = ELSEWHERE
        if self.status in DECIDED:
            self.status = PROPOSED
        self.stored = self.head = None
        self.seen, self.case = frozenset(), ""

    def know(self, revision: Revision) -> None:
        """The person knows of this revision: the next one may stand in for it."""
        self.head, self.case = revision, revision.case
        self.seen |= {revision.sha}


def count_words(frames: int) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{frames} frame{'s' * (frames != 1)}"


def stored_mask(labels: np.ndarray, region: tuple[slice, slice] | None = None) -> np.ndarray:
    """Labels as the dataset keeps them: 0 background, 1 vessel, 255 where nobody can say.

    ``region`` limits the review to a rectangle; everything outside becomes 255.
    """
    mask = np.where(is_unsure(labels), IGNORE, is_vessel(labels)).astype(np.uint8)
    if region is None:
        return mask
    reviewed = np.full_like(mask, IGNORE)
    reviewed[region] = mask[region]
    return reviewed
