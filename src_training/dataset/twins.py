"""One picture under several patients: it may stand in one part of the split only."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

from src_training.dataset.patients import Bucket
from src_training.dataset.revision import Revision
from src_training.dataset.store import Dataset
from src_training.errors import DatasetError

_STRICTEST_FIRST: tuple[Bucket, ...] = ("test", "val", "train")


def one_sided(heads: Sequence[Revision]) -> list[Revision]:
    """``heads`` without those whose picture stands in a stricter part of the split, too: test, then val, then train."""
    strictest: dict[str, int] = {}
    for head in heads:
        place = _STRICTEST_FIRST.index(head.bucket)
        strictest[head.picture] = min(place, strictest.get(head.picture, place))
    return [head for head in heads if _STRICTEST_FIRST[strictest[head.picture]] == head.bucket]


def left_out_text(heads: Sequence[Revision]) -> str | None:
    """One line about those of ``heads`` that `one_sided` leaves out; None without any."""
    count = len(heads) - len(one_sided(heads))
    if not count:
        return None
    return (
        f"{count} of {len(heads)} frames left out: the same picture stands under another patient in a stricter part "
        "of the split (test, then val, then train). lightvessel dataset verify names them"
    )


def twins_of(dataset: Dataset, saved: Sequence[Revision]) -> Iterator[tuple[Revision, Revision]]:
    """Each of ``saved`` that shows what another patient's frame shows, or one of nobody knows whom; with that one."""
    decided = [one for one in saved if one.status != "rejected"]
    files = {one.record["image"]["file"] for one in decided}
    cases: defaultdict[str, list[str]] = defaultdict(list)
    for case in dataset.cases():
        for name in files.intersection(dataset.files_of(case)):
            cases[name].append(case)
    for one in decided:
        others = [other for case in cases[one.record["image"]["file"]] for other in _standing(dataset, case)]
        found = [other for other in others if other.patient_key != one.patient_key]
        yield from ((one, other) for other in found[:1])


def _standing(dataset: Dataset, case: str) -> list[Revision]:
    with contextlib.suppress(DatasetError):  # a damaged case is told by verify
        return [head for head in dataset.case_heads(case) if head.status != "rejected"]
    return []
