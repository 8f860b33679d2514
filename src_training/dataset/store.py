"""The dataset on disk: immutable revisions of cases, without an index and without a lock."""

from __future__ import annotations

import contextlib
import re
import secrets
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training import confined, durable
from src_training.dataset import keyring
from src_training.dataset.blobs import mask_hash
from src_training.dataset.commit import commit, make_whole, names_in, record_files, saving, utc_now
from src_training.dataset.facts import read_facts
from src_training.dataset.findings import VerifyReport
from src_training.dataset.frame import Frame, Origin, checked_mask
from src_training.dataset.lineage import agree, by_age, heads_of
from src_training.dataset.patients import bucket_of, patient_key
from src_training.dataset.pixels import canonical, case_id
from src_training.dataset.record import (
    CASE_NAME,
    DATASET_SCHEMA,
    LABELS,
    read_revision,
    sealed,
    to_bytes,
)
from src_training.dataset.revision import Revision
from src_training.dataset.snapshot import Snapshot, freeze, thaw
from src_training.dataset.verify import verify_folder
from src_training.errors import DatasetError, NotSaved

_VAL_BELOW, _TEST_BELOW = 1500, 3000  # of 10000
_SHORTEST_SALT = 16  # hex digits: a shorter one is a slip of the hand
_OF_THE_FRAME = ("patient_key", "frame_index", "projection", "calibration", "grey", "vessels_bright")


@dataclass(frozen=True)
class Prepared:
    """A frame at the door: its case, its canonical pixels and mask (Y, X), and the facts a record may hold."""

    case: str
    pixels: NDArray
    mask: NDArray[np.uint8]
    facts: dict[str, Any]

    @property
    def says(self) -> tuple[str, str]:
        """Status and mask, as `Revision.says`."""
        return self.facts["status"], mask_hash(self.mask)


class Dataset:
    """Corrected frames that nobody loses: append a frame, list the heads, freeze a snapshot.

    ``create`` makes one, ``open`` opens one; opening and reading write nothing.
    """

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder, self.facts = folder, facts
        self._known: dict[Path, Revision] = {}  # records never change: what was read once stays true

    @classmethod
    def create(
        cls, folder: str | Path, *, split_salt: str | None = None, site_key: bytes | None = None
    ) -> Dataset:
        """Make an empty dataset.

        Parameters
        ----------
        folder : path
            New or empty.
        split_salt : str, optional
            Hex digits; datasets of one salt and one site key split patients alike. Default: random.
        site_key : bytes, optional
            Kept in the user's configuration, never here. Default: the user's own.

        Raises
        ------
        DatasetError
            The folder holds something, cannot be written, or the salt is not hex or too short.
        """
        salt = checked_salt(split_salt)
        with confined.confining(folder) as folder:
            _check_free(folder)
            key = keyring.own_key() if site_key is None else keyring.remember(site_key)
            with saving(folder):
                durable.make_dir(folder / "cases")
                # Last: a folder without it is not a dataset yet, and creation can be repeated.
                try:
                    durable.write_new(
                        folder / "dataset.json", to_bytes(_facts(salt, keyring.fingerprint(key)))
                    )
                except FileExistsError:
                    raise DatasetError(
                        f"{folder.name}: somebody else has just made a dataset here. Open it."
                    ) from None
            return cls.open(folder)

    @classmethod
    def open(cls, folder: str | Path) -> Dataset:
        """Open an existing dataset; works on a read-only disk."""
        with confined.confining(folder) as folder:
            if not confined.is_file(folder / "dataset.json"):
                raise DatasetError(
                    f"{folder.name}: not a dataset (no dataset.json in it). Open a workspace's dataset."
                )
            return cls(folder, read_facts(folder / "dataset.json"))

    def append(
        self, frame: Frame, mask: NDArray, origin: Origin | None = None, *, resolve: bool = False
    ) -> Revision:
        """Add a frame, or a correction of one; it is durable when this returns.

        The same frame, mask and status again give the revision that says so already, and write anew what is
        missing of its files. Earlier revisions stay for ever.

        Parameters
        ----------
        frame : Frame
        mask : (Y, X) array of 0 background, 1 vessel, 255 ignore
        origin : Origin, optional
            Default: accepted.
        resolve : bool
            This revision settles the case: it stands in for all conflicting heads.

        Raises
        ------
        BadMask, DatasetError
            Nothing was saved, and what was saved before is as it was.
        """
        return self.save(self.prepare(frame, mask, origin), resolve=resolve)

    def prepare(self, frame: Frame, mask: NDArray, origin: Origin | None = None) -> Prepared:
        """Check and de-identify a frame; nothing is written. Raises BadMask or DatasetError."""
        return self.prepare_keyed(frame, mask, origin, key=self.key_of(frame.patient))

    def prepare_keyed(
        self, frame: Frame, mask: NDArray, origin: Origin | None = None, *, key: str | None
    ) -> Prepared:
        """As ``prepare``, for a patient's ``key`` that was made with this dataset's site key elsewhere."""
        origin = origin or Origin()
        pixels = canonical(frame.pixels)
        mask = checked_mask(mask, pixels.shape, origin.status)
        facts = {**origin.facts(), "patient_key": key, **frame.facts()}
        return Prepared(case_id(pixels, key), pixels, mask, facts)

    def save(
        self,
        prepared: Prepared,
        *,
        corrected: Sequence[Revision] | None = None,
        resolve: bool = False,
    ) -> Revision:
        """Commit a prepared frame as `append` does; NotSaved when the disk refuses.

        ``corrected`` are the revisions that it stands in for; None: the heads of now.
        """
        if not self.is_there():
            raise NotSaved(
                f"{self.folder.name}: not saved: the dataset is not there any more. Is its disk mounted?"
            )
        with saving(self.folder):
            return self._commit(prepared, corrected=corrected, resolve=resolve)

    def is_there(self) -> bool:
        """False while its disk is not mounted: what was written then would lie below the mount point, unseen."""
        try:
            return confined.is_file(self.folder / "dataset.json")
        except OSError:  # a network drive that has gone says so in many ways
            return False

    def revise(self, revision: Revision, origin: Origin, mask: NDArray | None = None) -> Revision:
        """Correct a stored revision without its source: another mask, or the same with another status.

        ``Origin("rejected")`` is how a frame is deleted. If somebody else corrected ``revision`` meanwhile,
        both corrections stand, as a visible conflict.
        """
        return self.save(self.again(revision, origin, mask), corrected=[revision])

    def again(self, revision: Revision, origin: Origin, mask: NDArray | None = None) -> Prepared:
        """A stored frame at the door again, with another origin and perhaps another mask (Y, X); nothing is written."""
        if mask is None:
            mask = np.zeros(revision.shape, np.uint8) if origin.status == "no_vessel" else revision.mask()
        mask = checked_mask(mask, revision.shape, origin.status)
        kept = {name: revision.record[name] for name in _OF_THE_FRAME if name in revision.record}
        return Prepared(revision.case, canonical(revision.image()), mask, {**origin.facts(), **kept})

    # -- reading -------------------------------------------------------------------------------------------

    def find(self, frame: Frame) -> Revision | None:
        """The newest revision of this very frame of this patient; None when it was never appended."""
        return self.head(self.case_of(frame))

    def case_of(self, frame: Frame) -> str:
        """What this very frame of this patient is called here, saved or not."""
        return case_id(canonical(frame.pixels), self.key_of(frame.patient))

    def key_of(self, patient: str | None) -> str | None:
        """The keyed hash by which this dataset knows a patient; None for unknown and placeholders."""
        return patient_key(self.site_key(), patient)

    def cases(self) -> Iterator[str]:
        """Every case with a revision, in the order of their ids."""
        shelves = self.folder / "cases"
        for shelf in names_in(shelves):
            for case in names_in(shelves / shelf):
                if CASE_NAME.fullmatch(case) and record_files(shelves / shelf / case):
                    yield case

    def files_of(self, case: str) -> list[str]:
        """Names of a case's files."""
        return names_in(self._case_folder(case))

    def revisions(self, case: str) -> list[Revision]:
        """All revisions of a case, oldest first.

        Raises
        ------
        DatasetError
            One of them is damaged: silently falling back to an older mask would be a loss.
        """
        return by_age([self._read(path) for path in record_files(self._case_folder(case))])

    def revision(self, case: str, sha: str) -> Revision:
        """The revision of a case with this sha (or the start of it, 8 digits at least)."""
        found = [one for one in self.revisions(case) if len(sha) >= 8 and one.sha.startswith(sha)]
        if len(found) != 1:
            raise DatasetError(
                f"case {case}: no revision {sha[:16]}. lightvessel dataset list names them all."
            )
        return found[0]

    def case_heads(self, case: str) -> list[Revision]:
        """The revisions nobody corrected yet: one, or several after simultaneous work; the newest last."""
        return heads_of(self.revisions(case))

    def head(self, case: str) -> Revision | None:
        """The newest of the case's heads, conflict or not; None when there is none."""
        return next(reversed(self.case_heads(case)), None)

    def heads(self, status: str | None = None, bucket: str | None = None) -> list[Revision]:
        """The head of every case without a conflict, of this status and this part of the split."""
        agreed = (heads[-1] for heads in map(self.case_heads, self.cases()) if agree(heads))
        return [one for one in agreed if status in (None, one.status) and bucket in (None, one.bucket)]

    def conflicts(self) -> list[list[Revision]]:
        """For every case whose heads say different things: those heads."""
        return [heads for heads in map(self.case_heads, self.cases()) if not agree(heads)]

    def verify(self, deep: bool = False) -> VerifyReport:
        """Check everything; ``deep`` also reads every image and mask."""
        return verify_folder(self.folder, deep=deep)

    def snapshot(self, name: str, revisions: Sequence[Revision]) -> Snapshot:
        """Freeze a list of revisions under a name; the same list again is the same snapshot."""
        with saving(self.folder):
            return freeze(self.folder, name, revisions)

    def load_snapshot(self, name: str) -> Snapshot:
        """A frozen list; ``DatasetError`` if it is missing or one of its revisions is."""
        return thaw(self.folder, name, self.revision)

    # -- the site key --------------------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """Which site key this dataset's patients are hashed with."""
        return self.facts["site_key_fingerprint"]

    def site_key(self) -> bytes:
        """That key, from the user's configuration; ``DatasetError`` with the cure where it is missing."""
        key = keyring.find_key(self.fingerprint)
        if key is None:
            raise DatasetError(
                f"this dataset was made with another site key ({self.fingerprint}); with yours one patient "
                "would become two. Where it was made: lightvessel dataset key export WORKSPACE FILE; "
                "then here: lightvessel dataset key import WORKSPACE FILE."
            )
        return key

    def import_key(self, key: bytes) -> None:
        """Keep this dataset's key for this user; another dataset's key is refused."""
        if keyring.fingerprint(key) != self.fingerprint:
            raise DatasetError(
                f"this is site key {keyring.fingerprint(key)}, but the dataset was made with {self.fingerprint}. "
                "Export the key where the dataset was made."
            )
        keyring.remember(key)

    # -- inside --------------------------------------------------------------------------------------------

    def _commit(self, prepared: Prepared, *, corrected: Sequence[Revision] | None, resolve: bool) -> Revision:
        folder, facts = self._case_folder(prepared.case), prepared.facts
        heads = heads_of(self._readable(folder))
        same = [head for head in heads if head.says == prepared.says]
        if not (resolve and not agree(heads)):
            for head in reversed(same):
                if make_whole(head, prepared.pixels, prepared.mask):
                    # Its writer may not have come to the sync yet, and "saved" is about to be said.
                    durable.sync_dir(folder)
                    return head
        replaced = heads if corrected is None else corrected
        return self._read(commit(folder, prepared.pixels, prepared.mask, facts, replaced, resolve))

    def _case_folder(self, case: str) -> Path:
        if not CASE_NAME.fullmatch(case):
            raise DatasetError(
                f"{case[:40]!r} is not a case (24 hex digits). lightvessel dataset list names them."
            )
        return self.folder / "cases" / case[:2] / case

    def _readable(self, folder: Path) -> list[Revision]:
        """The sound revisions: a damaged neighbour must not keep a new mask from being saved."""
        found = []
        for path in record_files(folder):
            with contextlib.suppress(DatasetError):
                found.append(self._read(path))
        return found

    def _read(self, path: Path) -> Revision:
        if path not in self._known:
            record = read_revision(path)
            split = self.facts["split"]
            bucket = bucket_of(split["salt"], record["patient_key"], split["val_below"], split["test_below"])
            self._known[path] = Revision(path.parent, record, bucket)
        return self._known[path]


def checked_salt(salt: str | None) -> str:
    """A split salt as lower-case hex, for a new dataset; None makes a random one."""
    if salt is None:
        return secrets.token_hex(16)
    if not re.fullmatch(r"([0-9a-fA-F]{2})+", salt):
        raise DatasetError(f"split salt {salt[:40]!r} is not hex. Give an even number of digits 0-9 and a-f.")
    if len(salt) < _SHORTEST_SALT:
        raise DatasetError(
            f"split salt {salt!r} has {len(salt)} hex digits, and at least {_SHORTEST_SALT} are needed. "
            "Leave it out for a random one."
        )
    return salt.lower()


def _check_free(folder: Path) -> None:
    if confined.is_there(folder) and not confined.is_folder(folder):
        raise DatasetError(f"{folder.name}: a file is in the way. Choose a new or empty folder.")
    names = [name for name in names_in(folder) if not name.startswith(".")]
    # An empty `cases` is what a creation leaves that was cut short.
    if names and not (names == ["cases"] and not names_in(folder / "cases")):
        raise DatasetError(f"{folder.name}: there is something in it already. Choose a new or empty folder.")


def _facts(salt: str, key_fingerprint: str) -> dict[str, Any]:
    return sealed(
        {
            "schema": DATASET_SCHEMA,
            "uuid": str(uuid.uuid4()),
            "created_utc": utc_now(),
            "split": {"salt": salt, "val_below": _VAL_BELOW, "test_below": _TEST_BELOW, "of": 10000},
            "labels": LABELS,
            "site_key_fingerprint": key_fingerprint,
        }
    )
