"""Taking a decided frame back, or giving it to its patient: new revisions, of which a crash in between loses none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from numpy.typing import NDArray

from src_training.dataset.frame import Origin
from src_training.dataset.patients import patient_key
from src_training.dataset.pixels import canonical, case_id
from src_training.dataset.revision import Revision
from src_training.dataset.store import Dataset
from src_training.errors import DatasetError


def withdraw(dataset: Dataset, heads: Sequence[Revision], annotator: str = "") -> Revision:
    """Take a frame back: a revision with status rejected that stands in for ``heads``, all of one case.

    Nothing is deleted, and `Dataset.revise` brings it back. Of a frame that is withdrawn already, the revision that
    says so. Who corrected a head meanwhile is contradicted visibly. Raises DatasetError when there is no head, and
    NotSaved when the disk refuses.
    """
    if not heads:
        raise DatasetError("there is nothing to withdraw. lightvessel dataset list names the cases.")
    prepared = dataset.again(heads[-1], Origin("rejected", annotator))
    return dataset.save(prepared, corrected=heads, resolve=len(heads) > 1)


def move(
    dataset: Dataset, revision: Revision, patient: str, annotator: str = "", *, pixels: NDArray | None = None
) -> Revision:
    """Give a frame that was saved under no patient, or a wrong one, to ``patient``; the revision that stands there.

    The frame's case depends on its patient: it is saved under the right one, with its mask and its story and with
    ``moved_from`` and ``moved_by`` in its record, and only then withdrawn where it was. After a crash in between,
    the same call finishes it. What stands at the patient already and says otherwise is contradicted visibly.

    Parameters
    ----------
    pixels : (Y, X) array, optional
        The frame's stored values, for one whose grey values were rounded when it was saved.

    Raises
    ------
    DatasetError
        The patient is a placeholder or has the frame already; the frame is withdrawn; its exact values are needed.
    NotSaved
        The disk refuses.
    """
    leaving = Origin("rejected", annotator)  # a bad pseudonym is told before anything is written
    key = patient_key(dataset.site_key(), patient)
    if key is None:
        raise DatasetError(f"patient {patient[:40]!r} means unknown. Give the patient's id or a pseudonym.")
    if key == revision.patient_key:
        raise DatasetError(f"case {revision.case}: belongs to this patient already.")
    target = case_id(_exact(revision, pixels), key)
    there = dataset.case_heads(target)
    if revision.status == "rejected":
        return _moved_before(revision, there)
    prepared = dataset.again(revision, _story(revision))
    facts = {
        **prepared.facts,
        "patient_key": key,
        "moved_from": {"case": revision.case, "revision": revision.sha},
        "moved_by": annotator,
    }
    arriving = replace(prepared, case=target, pixels=_exact(revision, pixels), facts=facts)
    moved = dataset.save(arriving, corrected=[head for head in there if head.status == "rejected"])
    dataset.save(dataset.again(revision, leaving), corrected=[revision])
    return moved


def _exact(revision: Revision, pixels: NDArray | None) -> NDArray:
    if pixels is not None:
        exact = canonical(pixels)
        if case_id(exact, revision.patient_key) != revision.case:
            raise DatasetError(f"case {revision.case}: shows another picture than the frame given for it.")
        return exact
    if not revision.record["image"].get("lossless", True):
        raise DatasetError(
            f"case {revision.case}: its grey values were rounded when it was saved. Move it in the window, "
            "with its file open."
        )
    return canonical(revision.image())


def _moved_before(revision: Revision, there: Sequence[Revision]) -> Revision:
    for head in reversed(there):
        if (head.record.get("moved_from") or {}).get("case") == revision.case and head.status != "rejected":
            return head
    raise DatasetError(f"case {revision.case}: is withdrawn. Accept it again to move it.")


def _story(revision: Revision) -> Origin:
    """Whose mask it is and how it came about, as the revision says."""
    record = revision.record
    return Origin(
        status=revision.status,
        annotator=record.get("annotator", ""),
        model_id=record.get("model_id"),
        proposal_sha256=record.get("proposal_sha256"),
        effort=record.get("effort"),
    )
