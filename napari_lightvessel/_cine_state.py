"""One cine's work: probabilities, masks and frame marks, bound to its Image layer whatever that is called."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_lightvessel._layers import MaskLayer
from napari_lightvessel._marks import KEPT, PROPOSED, UNANNOTATED, Mark, Plane, is_vessel
from src_training import Cine, Polarity, mask_from_probability

if TYPE_CHECKING:
    from napari_lightvessel._journalling import JournalEntry


@dataclass(frozen=True)
class Prediction:
    """One frame's answer: ``probability`` float16 (Y, X), ``mask`` uint8 0/1 at the asked threshold."""

    t: int
    probability: np.ndarray
    mask: np.ndarray
    model_id: str


@dataclass
class CineState:
    """What a person and the network have done on one cine; changed in the GUI thread only.

    ``chosen`` names the numbers a person set by hand; the others follow the model. ``outdated``: the image
    holds other pixels now, so that edits made on these ones can be looked at, and no more.
    """

    image: Image
    cine: Cine
    threshold: float | None = None
    min_size_px: int | None = None
    chosen: set[str] = field(default_factory=set)
    outdated: bool = False
    inverted: bool = False
    polarity: Polarity | None = None  # as its pictures tell, once they were looked at
    polarity_asked: bool = False
    patient: str = ""
    fingerprint: str = ""  # of its pixels, once known: the same cine again, whatever its file is called
    mask: MaskLayer | None = None
    probabilities: dict[int, np.ndarray] = field(default_factory=dict)
    damaged: dict[int, str] = field(default_factory=dict)  # frames the network could not be shown, and why
    marks: list[Mark] = field(default_factory=list)
    workspace: Path | None = None  # in which its decisions stand
    last_frame: int | None = None  # where one was in it last; None before it was ever in view
    journal: JournalEntry | None = None  # where its edits are kept until they are accepted

    def __post_init__(self) -> None:
        self.marks = [Mark() for _ in range(self.n_frames)]
        self.area_px = np.full(self.n_frames, np.nan)

    @property
    def n_frames(self) -> int:
        """Frames of the cine."""
        return int(self.cine.shape[0])

    def layer_in(self, viewer: ViewerModel) -> Layer:
        """Its image; its Labels when the image was taken out or holds other pixels."""
        if self.mask is not None and (self.outdated or self.image not in viewer.layers):
            return self.mask.layer
        return self.image

    def is_in(self, viewer: ViewerModel) -> bool:
        """Whether one of its layers is in the viewer."""
        masked = self.mask is not None and self.mask.layer in viewer.layers
        return masked or (not self.outdated and self.image in viewer.layers)

    def enter(self, workspace: Path) -> None:
        """This workspace is open from now on: decisions of another one are none here."""
        if self.workspace not in (None, workspace):
            for mark in self.marks:
                mark.leave()
        self.workspace = workspace

    def ensure_mask(self, viewer: ViewerModel) -> MaskLayer:
        """The Labels layer, made when missing and put back when somebody removed it."""
        if self.mask is None:
            self.mask = MaskLayer(self.image, self.cine.shape, owner=self)
            self._refill(self.mask)
        self.mask.show(viewer)
        return self.mask

    def move_edits_to(self, fresh: CineState) -> None:
        """Hand the Labels layer to the state of the image's new pixels, with what a person edited on it."""
        assert self.mask is not None
        edited = set(self.edited_frames())
        for t in range(self.n_frames):
            if t in edited:
                fresh.marks[t].baseline = self.marks[t].baseline
            else:
                self.mask.put(t, np.zeros(self.cine.shape[1:], np.uint8))
        fresh.mask, self.mask = self.mask, None
        fresh.mask.belong_to(fresh)
        fresh.measure(edited)
        fresh.mask.refresh()

    def labels(self, t: int) -> np.ndarray:
        """Frame ``t``'s labels (Y, X); zeros while there is no layer."""
        if self.mask is None:
            return np.zeros(self.cine.shape[1:], np.uint8)
        return self.mask.plane(t)

    def edited(self, t: int) -> bool:
        """Whether a person changed frame ``t`` since it was proposed or saved."""
        return self.mask is not None and self.marks[t].differs(self.mask.plane(t))

    def edited_frames(self) -> list[int]:
        """Every frame with changes that are not in the dataset."""
        return [t for t in range(self.n_frames) if self.edited(t)]

    def open_edits(self) -> list[int]:
        """Edited frames that are not on their way into the dataset."""
        return [t for t in self.edited_frames() if not self.marks[t].saving]

    def protected(self, t: int) -> bool:
        """Whether a prediction must not touch frame ``t`` unasked."""
        mark = self.marks[t]
        return mark.decided or self.edited(t) or (mark.saved in KEPT and bool(self.labels(t).any()))

    def take(self, prediction: Prediction) -> bool:
        """Keep a prediction's probability; show its mask unless the frame is a person's. True if shown."""
        self.probabilities[prediction.t] = prediction.probability
        return self.propose(prediction.t, prediction.mask, prediction.model_id)

    def propose(self, t: int, mask: np.ndarray, model_id: str | None = None) -> bool:
        """Show a proposed mask on frame ``t`` unless a person edited or decided it. True if shown."""
        if self.mask is None or self.protected(t):
            return False
        self.mask.put(t, mask)
        self._mark_proposed(t, mask, model_id)
        return True

    def replace(self, t: int, mask: np.ndarray, model_id: str | None = None) -> None:
        """Put a proposal over a person's work: only when they asked, and as one undoable step."""
        if self.mask is not None:
            self.mask.replace(t, mask)
            self._mark_proposed(t, mask, model_id)

    def derived(self, t: int) -> np.ndarray:
        """Frame ``t``'s mask from its stored probability at the present threshold and size filter."""
        return mask_from_probability(
            self.probabilities[t].astype(np.float32), self.threshold or 0.5, self.min_size_px or 0
        )

    def measure(self, frames: Iterable[int]) -> None:
        """Refresh the vessel area of these frames; a frame that nobody segmented, painted or decided has none."""
        for t in frames:
            area = np.count_nonzero(is_vessel(self.labels(t)))
            self.area_px[t] = area if self._is_begun(t) else np.nan

    def _is_begun(self, t: int) -> bool:
        mark = self.marks[t]
        return mark.decided or mark.status != UNANNOTATED or bool(self.labels(t).any())

    def next_open(self, after: int) -> int | None:
        """The next frame a person has not decided, wrapping round; None when all are."""
        order = [(after + step) % self.n_frames for step in range(1, self.n_frames + 1)]
        waiting = [t for t in order if self.marks[t].status == PROPOSED or self.edited(t)]
        return next(iter(waiting), None)

    def _mark_proposed(self, t: int, mask: np.ndarray, model_id: str | None) -> None:
        mark = self.marks[t]
        mark.baseline = mark.proposal = Plane.of(mask)
        mark.stored = None  # what is corrected now is this proposal
        mark.status, mark.saved, mark.region = PROPOSED, "", False
        mark.strokes = 0
        mark.model_id = model_id or mark.model_id
        self.area_px[t] = np.count_nonzero(mask)

    def drop_mask(self) -> None:
        """Let the Labels layer go, with every edit that is not in a dataset; decided frames come back with it."""
        self.mask = None
        self.area_px[:] = np.nan
        self.marks = [mark if mark.decided else Mark() for mark in self.marks]

    def _refill(self, mask: MaskLayer) -> None:
        """Put back what was decided before the Labels layer went."""
        for t, mark in enumerate(self.marks):
            if mark.decided and mark.baseline is not None:
                mask.put(t, mark.baseline.labels())
                self.measure([t])
