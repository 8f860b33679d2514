"""A dataset of LightVessel from elsewhere: read, never trusted, and its frames saved as new revisions of ours.

Of its history the heads are taken in, with the status they have; what their ancestors said only decides which of our
revisions a head goes on from. A head that says what we have, or had and have corrected since, changes nothing; one
that corrects what we have takes its place; any other stands beside ours, as a visible conflict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src_training import decoding
from src_training.cine.budget import SIDE
from src_training.dataset import Dataset, Frame, Origin, Revision
from src_training.dataset.blobs import LARGEST, mask_hash
from src_training.dataset.commit import names_in
from src_training.dataset.lineage import heads_of
from src_training.dataset.record import (
    CASE_NAME,
    DATASET_SCHEMA,
    LABELS,
    RECORD_NAME,
    read_record,
    read_revision,
)
from src_training.dataset.store import Prepared
from src_training.decoding.process import Lost
from src_training.errors import DatasetError
from src_training.regular import size_of_regular

_LARGEST_RECORD = 1 << 20
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_PACK_SOUND = "Pack it again where it is sound"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Arrival:
    """A head of a case elsewhere: its pixels and mask (Y, X), and what its ancestors said."""

    revision: Revision
    pixels: NDArray
    mask: NDArray[np.uint8]
    before: frozenset[tuple[str, str]]


class Elsewhere:
    """The dataset in ``folder``; DatasetError when its ``dataset.json`` is not what LightVessel writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        facts = read_record(_plain(folder / "dataset.json", _LARGEST_RECORD), DATASET_SCHEMA)
        fingerprint = facts.get("site_key_fingerprint")
        if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
            raise DatasetError(f"{folder.name}/dataset.json: no site key's fingerprint in it. {_PACK_SOUND}.")
        if facts.get("labels") != LABELS:
            raise DatasetError(f"{folder.name}/dataset.json: its labels are not ours. {_PACK_SOUND}.")
        self.fingerprint = fingerprint

    def arrivals(self, tell: Tell) -> Iterator[Arrival]:
        """Every head that is sound, in the order of the cases; ``tell`` gets a line for all that is not."""
        for case in self._cases(tell):
            records = list(self._records(case, tell))
            loaded = _loaded(records, tell)
            for head in heads_of(list(loaded)):
                pixels, mask = loaded[head]
                yield Arrival(head, pixels, mask, _said_before(head, records))

    def _cases(self, tell: Tell) -> Iterator[Path]:
        cases = [one for one in _folders_in(self.folder, tell) if one.name == "cases"]
        shelves = [shelf for folder in cases for shelf in _folders_in(folder, tell)]
        for case in (case for shelf in shelves for case in _folders_in(shelf, tell)):
            if CASE_NAME.fullmatch(case.name) and case.name[:2] == case.parent.name:
                yield case

    def _records(self, case: Path, tell: Tell) -> Iterator[Revision]:
        for name in filter(RECORD_NAME.fullmatch, _names_in(case, tell)):
            path = case / name
            try:
                record = read_revision(_plain(path, _LARGEST_RECORD))
                shape = record["image"]["shape"]
                if min(shape) < SIDE[0] or max(shape) > SIDE[1]:
                    raise DatasetError(
                        f"{case.name}/{path.name}: {shape} is no size of a frame. {_PACK_SOUND}."
                    )
                yield Revision(case, record, "train")
            except DatasetError as error:
                tell(str(error))


def _loaded(records: Sequence[Revision], tell: Tell) -> dict[Revision, tuple[NDArray, NDArray[np.uint8]]]:
    """The heads with their pixels and masks; where those of one are damaged, it counts as not there."""
    sound, found = list(records), {}
    while waiting := [one for one in heads_of(sound) if one not in found]:
        for one in waiting:
            try:
                found[one] = _decoded(one, "image"), _decoded(one, "mask")
            except DatasetError as error:
                tell(str(error))
                sound.remove(one)
    return found


def _decoded(revision: Revision, kind: str) -> NDArray:
    facts = revision.record[kind]
    path = _plain(revision.folder / facts["file"], LARGEST)
    try:
        found = decoding.ask({"ask": "blob", "path": str(path.absolute()), "facts": facts}).array
    except Lost as lost:
        raise DatasetError(f"{revision.case}/{path.name}: cannot be read ({lost}). {_PACK_SOUND}.") from lost
    assert found is not None
    if kind == "mask" and mask_hash(found) != facts["pixels_sha256"]:
        raise DatasetError(f"{revision.case}/{path.name}: its pixels are not what was saved. {_PACK_SOUND}.")
    return found


def _said_before(head: Revision, records: Sequence[Revision]) -> frozenset[tuple[str, str]]:
    by_sha = {one.sha: one for one in records}
    said, seen, waiting = set(), {head.sha}, list(head.replaces)
    while waiting:
        sha = waiting.pop()
        if sha in by_sha and sha not in seen:
            seen.add(sha)
            said.add(by_sha[sha].says)
            waiting += by_sha[sha].replaces
    return frozenset(said)


def _plain(path: Path, most: int) -> Path:
    """A path that is an ordinary file of at most so many bytes: a link may lead anywhere."""
    where = f"{path.parent.name}/{path.name}"
    try:
        size_of_regular(path, most, follow=False)
    except OSError as error:
        raise DatasetError(f"{where}: {error.strerror}. {_PACK_SOUND}.") from error
    return path


def _folders_in(folder: Path, tell: Tell) -> Iterator[Path]:
    for path in (folder / name for name in _names_in(folder, tell)):
        if path.is_symlink():
            tell(f"{folder.name}/{path.name}: a link, which is not followed. {_PACK_SOUND}.")
        elif path.is_dir():
            yield path


def _names_in(folder: Path, tell: Tell) -> list[str]:
    try:
        return names_in(folder)
    except DatasetError as error:
        tell(str(error))
        return []


# -- into ours -----------------------------------------------------------------------------------------------


def take_in(dataset: Dataset, arrival: Arrival) -> tuple[Revision, bool]:
    """Save a head; the revision of ours that says what it says, and whether it is new.

    The patient's key must have been made with our site key. Raises DatasetError, BadMask or UnreadableCine when the
    frame cannot be saved as it is, and NotSaved when the disk refuses.
    """
    prepared = _prepared(dataset, arrival)
    known = dataset.revisions(prepared.case)
    heads, says = heads_of(known), arrival.revision.says
    behind = [one for one in heads if one.says != says and one.says in arrival.before]
    agreeing = [one for one in heads if one.says == says]
    if behind:
        return dataset.save(prepared, corrected=[*behind, *agreeing], resolve=True), True
    if agreeing:
        # Saved again, which adds nothing: whoever saved it may not have come to the sync yet.
        return dataset.save(prepared, corrected=heads), False
    corrected_since = [one for one in known if one.says == says]
    if corrected_since:
        return corrected_since[-1], False
    return dataset.save(prepared, corrected=[]), True


def _prepared(dataset: Dataset, arrival: Arrival) -> Prepared:
    """Through the same door as any frame; its case must be the one that it claims."""
    revision, record = arrival.revision, arrival.revision.record
    _check_shown(arrival)
    frame = Frame(
        arrival.pixels,
        frame_index=record.get("frame_index"),
        projection=revision.projection,
        calibration=revision.calibration,
        grey=revision.grey,
        vessels_bright=record.get("vessels_bright", False),
    )
    wanted = ("annotator", "model_id", "proposal_sha256", "effort")
    origin = Origin(revision.status, **{name: record[name] for name in wanted if name in record})
    prepared = dataset.prepare_keyed(frame, arrival.mask, origin, key=revision.patient_key)
    if prepared.case == revision.case:
        return prepared
    if not _is_stepped(arrival) or not _may_be_ours(dataset, arrival):
        raise DatasetError(
            f"{revision.case}/{revision.name}: its pixels belong to another case. {_PACK_SOUND}."
        )
    # A frame whose values were cut into steps is no longer what its case was named by; it stays that frame.
    return replace(prepared, case=revision.case)


def _check_shown(arrival: Arrival) -> None:
    """What a record says about its greys must give a picture."""
    grey = arrival.revision.grey
    if grey is None:
        return
    with np.errstate(all="ignore"):
        try:
            visible = np.isfinite(grey.shown(arrival.pixels)).any()
        except (TypeError, ValueError, OverflowError):
            visible = False
    if not visible:
        where = f"{arrival.revision.case}/{arrival.revision.name}"
        raise DatasetError(f"{where}: its greys cannot be shown as its record says. {_PACK_SOUND}.")


def _is_stepped(arrival: Arrival) -> bool:
    """Whether its values may have been cut into steps; those of 8 and 16 bits never are."""
    dtype = arrival.pixels.dtype
    return not arrival.revision.record["image"].get("lossless", True) and (
        dtype.kind == "f" or dtype.itemsize > 2
    )


def _may_be_ours(dataset: Dataset, arrival: Arrival) -> bool:
    """Whether we have no frame of its case, or the same one but for two steps."""
    ours = dataset.head(arrival.revision.case)
    if ours is None:
        return True
    pixels, step = ours.image(), abs(arrival.revision.record["image"].get("scale", 1))
    return (pixels.shape, pixels.dtype) == (arrival.pixels.shape, arrival.pixels.dtype) and np.allclose(
        pixels, arrival.pixels, rtol=0, atol=2 * step, equal_nan=True
    )
