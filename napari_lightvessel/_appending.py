"""One decision on its way into the dataset, beside the GUI thread: saved, or asked about before it is.

What has to be asked are the questions below; each holds the decision that waits for the answer.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from napari_lightvessel import _preferences
from napari_lightvessel._cine_state import CineState
from napari_lightvessel._layers import Region
from napari_lightvessel._marks import ACCEPTED, DECIDED, NOT_EVALUABLE, UNSURE, Mark, stored_mask
from napari_lightvessel._recalling import Found, standing
from src_training import Dataset, Frame, Origin, Revision, Workspace, judge_frame
from src_training.dataset import Kept, Prepared, Source, Sources, alike_patient, move, save_prepared
from src_training.errors import BadMask, DatasetError


@dataclass(frozen=True)
class Save:
    """A decision as it was taken: ``labels`` (Y, X) and ``mark`` are copies, for the thread that saves them."""

    state: CineState
    t: int
    status: str
    labels: np.ndarray
    mark: Mark
    region: Region | None
    workspace: Workspace
    label: str  # the cine's name on the screen
    patient: str  # as it was typed; empty: the file's own, else unknown
    apart: bool = False  # the same picture under another patient stays there
    sure: bool = False  # the person looked at an odd mask again
    distinct: bool = False  # the patient is not the one whose id looks alike


@dataclass(frozen=True)
class Whole:
    """The whole frame was accepted where only a region had been reviewed: what lies outside would be background."""

    save: Save


@dataclass(frozen=True)
class Alike:
    """The id of the ``patient`` and that of one in the dataset, ``known``, differ in leading zeros only."""

    save: Save
    patient: str
    known: str


@dataclass(frozen=True)
class Odd:
    """The mask cannot be the vessels of its frame, as it covers too much of it: what is odd, in a line each."""

    save: Save
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Meanwhile:
    """Somebody saved the frame, which this window has not shown: all that stands there, the newest as ``found``."""

    save: Save
    heads: tuple[Revision, ...]
    found: Found


@dataclass(frozen=True)
class Elsewhere:
    """The same picture was saved before under no patient, or the one that was typed before."""

    save: Save
    revision: Revision
    patient: str  # where it should be
    label: str  # what that case is called on this computer


Question: TypeAlias = Whole | Alike | Odd | Meanwhile | Elsewhere
Outcome: TypeAlias = tuple[Revision | Kept | Question, str]  # and what is odd about a mask that is saved
_ASKED = ("share", "inverted")  # other findings may be a person's good reasons, and are told


def check_labels(t: int, labels: np.ndarray) -> None:
    """Raise BadMask or DatasetError, unless the labels (Y, X) of frame ``t`` can be accepted."""
    strange = np.unique(labels[labels > UNSURE])
    if strange.size:
        raise BadMask(
            f"Frame {t} holds label {', '.join(map(str, strange[:3]))}. Use 1 for vessel and 2 for unsure."
        )
    if not labels.any():
        raise DatasetError(
            f"Frame {t} has no mask. Segment or paint it first, or press No vessel if there is none."
        )


def append(
    save: Save, moving: Elsewhere | None = None, *, beside: bool = False
) -> Callable[[Callable[[], bool]], Outcome]:
    """What saves a decision, or finds what has to be asked first; for a thread of its own.

    ``moving``: that case is moved to the patient before. ``beside``: what stands there is corrected by nothing, and
    both stand. The work raises DatasetError or OSError when it can be neither saved nor kept.
    """

    def work(_cancelled: Callable[[], bool]) -> Outcome:
        dataset, mark = save.workspace.dataset, save.mark
        frame = Frame.from_cine(
            save.state.cine, save.t, save.patient or None, vessels_bright=save.state.inverted
        )
        if moving is not None:
            moved = move(
                dataset, moving.revision, moving.patient, _preferences.annotator(), pixels=frame.pixels
            )
            mark = replace(mark, seen=mark.seen | {moved.sha})
        alike = None if save.distinct else alike_patient(frame.patient, dataset)
        if alike is not None and not beside:
            return Alike(save, frame.patient or "", alike), ""
        if alike is not None:  # nobody can be asked any more, and no patient is one too few
            frame = replace(frame, patient=None)
        prepared = dataset.prepare(frame, _mask(save), _origin(save))
        findings = judge_frame(frame, prepared.mask).findings if save.status == ACCEPTED else ()
        if not save.sure and any(finding.code in _ASKED for finding in findings):
            return Odd(save, tuple(finding.text for finding in findings)), ""
        heads = _heads(dataset, prepared.case)
        if not beside and heads is not None:
            question = _meanwhile(save, mark, prepared, heads) or _elsewhere(save, frame, prepared, heads)
            if question is not None:
                return question, ""
        # Named, so that what is saved between this look and the commit is contradicted visibly.
        known = [head for head in heads or () if not beside or head.sha in mark.seen]
        corrected = None if heads is None else known
        outcome = save_prepared(
            dataset, prepared, corrected=corrected, resolve=len(known) > 1 and len(known) == len(heads or ())
        )
        _remember(save, prepared)
        return outcome, "; ".join(finding.text for finding in findings)

    return work


def _heads(dataset: Dataset, case: str) -> list[Revision] | None:
    """What stands there now; None where it cannot be read, which saving copes with."""
    try:
        return dataset.case_heads(case)
    except (DatasetError, OSError):
        return None


def _meanwhile(save: Save, mark: Mark, prepared: Prepared, heads: list[Revision]) -> Meanwhile | None:
    if all(head.sha in mark.seen for head in heads) or any(head.says == prepared.says for head in heads):
        return None
    return Meanwhile(save, tuple(heads), standing(save.workspace.dataset, save.t, prepared.case))


def _elsewhere(save: Save, frame: Frame, prepared: Prepared, heads: list[Revision]) -> Elsewhere | None:
    """The same picture where this patient's was saved before: under nobody, or under who was typed then."""
    if save.apart or frame.patient is None or prepared.facts["patient_key"] is None:
        return None
    if any(head.status in DECIDED for head in heads):
        return None
    dataset = save.workspace.dataset
    before = save.mark.head.case if save.mark.head is not None else None
    for case in (dataset.case_of(replace(frame, patient=None)), before):
        found = _heads(dataset, case) if case is not None and case != prepared.case else None
        for head in reversed(found or []):
            if head.status in DECIDED:
                source = Sources(dataset).read().get(head.case, Source())
                return Elsewhere(save, head, frame.patient, source.label)
    return None


def _remember(save: Save, prepared: Prepared) -> None:
    with contextlib.suppress(OSError):  # it may be lost without harm
        source = Source(save.label, prepared.facts["frame_index"], save.patient)
        Sources(save.workspace.dataset).remember(prepared.case, source)


def _mask(save: Save) -> np.ndarray:
    if save.status == NOT_EVALUABLE:
        return np.full(save.labels.shape, 255, np.uint8)  # 255: nobody can say anything about any pixel
    region = (save.region.rows, save.region.columns) if save.region is not None else None
    return stored_mask(save.labels, region)


def _origin(save: Save) -> Origin:
    mark = save.mark
    proposal = mark.proposal.labels() if mark.proposal else None
    return Origin(
        status=save.status,
        annotator=_preferences.annotator(),
        model_id=mark.model_id,
        proposal_sha256=hashlib.sha256(proposal.tobytes()).hexdigest() if proposal is not None else None,
        effort=mark.effort(save.labels),
    )
