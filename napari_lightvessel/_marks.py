"""What the plugin knows about each frame of a cine: its status, and whether a person changed the mask since."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

VESSEL = 1
UNSURE = 2
IGNORE = 255

UNANNOTATED = "unannotated"
PROPOSED = "proposed"
ACCEPTED = "accepted"
NO_VESSEL = "no_vessel"
NOT_EVALUABLE = "not_evaluable"

#: A person decided these: a prediction never replaces them unasked.
DECIDED = frozenset({ACCEPTED, NO_VESSEL, NOT_EVALUABLE})

WORDS = {
    UNANNOTATED: "not segmented",
    PROPOSED: "proposed",
    ACCEPTED: "accepted",
    NO_VESSEL: "no vessel",
    NOT_EVALUABLE: "not evaluable",
}


@dataclass(frozen=True)
class Plane:
    """One frame's labels in two bits a pixel: small enough to keep for every frame, exact enough to compare."""

    shape: tuple[int, int]
    vessel: bytes
    unsure: bytes

    @classmethod
    def of(cls, labels: np.ndarray) -> Plane:
        """Pack a (Y, X) plane of labels; labels other than 1 and 2 count as background."""
        vessel, unsure = np.packbits(labels == VESSEL), np.packbits(labels == UNSURE)
        return cls(labels.shape, vessel.tobytes(), unsure.tobytes())

    def labels(self) -> np.ndarray:
        """Unpack to (Y, X) uint8 of 0, 1, 2."""
        return self._bits(self.vessel) * VESSEL + self._bits(self.unsure) * UNSURE

    def _bits(self, packed: bytes) -> np.ndarray:
        size = self.shape[0] * self.shape[1]
        return np.unpackbits(np.frombuffer(packed, np.uint8), count=size).reshape(self.shape)


@dataclass
class Mark:
    """One frame's bookkeeping.

    ``baseline`` is the plane as the plugin last put or saved it (None: empty); a frame is *edited* when
    its pixels differ from it. Undo, redo and scripts are thereby covered without listening to any event.
    """

    status: str = UNANNOTATED
    baseline: Plane | None = None
    proposal: Plane | None = None
    model_id: str | None = None
    saved: str = ""
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
        """What a person did to the proposal: seconds, strokes, pixels added and removed."""
        before = self.proposal.labels() == VESSEL if self.proposal else np.zeros(labels.shape, bool)
        now = labels == VESSEL
        return {
            "seconds": round(self.seconds, 1),
            "strokes": self.strokes,
            "pixels_added": int((now & ~before).sum()),
            "pixels_removed": int((before & ~now).sum()),
        }


def stored_mask(labels: np.ndarray, region: tuple[slice, slice] | None = None) -> np.ndarray:
    """Labels as the dataset keeps them: 0 background, 1 vessel, 255 where nobody can say.

    ``region`` limits the review to a rectangle; everything outside becomes 255.
    """
    mask = np.where(labels == UNSURE, IGNORE, labels == VESSEL).astype(np.uint8)
    if region is None:
        return mask
    reviewed = np.full_like(mask, IGNORE)
    reviewed[region] = mask[region]
    return reviewed
