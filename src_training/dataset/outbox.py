"""Frames that a dataset's disk refused wait on this computer, durable and de-identified, until it takes them."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from src_training import durable
from src_training.dataset.blobs import read_blob, write_image, write_mask
from src_training.dataset.commit import names_in, saving, utc_now
from src_training.dataset.frame import Frame, Origin
from src_training.dataset.keyring import user_config_dir
from src_training.dataset.pixels import canonical
from src_training.dataset.record import read_record, sealed, to_bytes
from src_training.dataset.revision import Revision
from src_training.dataset.store import Dataset, Prepared
from src_training.errors import DatasetError, NotSaved
from src_training.file_clock import age_s

_SCHEMA = "lightvessel-outbox/1"
_TURNS = ".turns"
_GRAIN_S = 0.1  # by so much a file system may date a file too early
_RECORD = "entry.json"  # written last: an entry without it is no entry


@dataclass(frozen=True)
class Kept:
    """A frame that waits: its entry in the outbox, and why the dataset's disk refused it."""

    entry: Path
    reason: str


@dataclass(frozen=True)
class Moved:
    """So many frames wait for a dataset that was at ``place``, and is not there any more."""

    count: int
    place: Path


def save_or_keep(
    dataset: Dataset, frame: Frame, mask: NDArray, origin: Origin | None = None, *, resolve: bool = False
) -> Revision | Kept:
    """Append a frame; where the dataset's disk refuses, keep it in the outbox. NotSaved when this one refuses too."""
    return save_prepared(dataset, dataset.prepare(frame, mask, origin), resolve=resolve)


def save_prepared(
    dataset: Dataset,
    prepared: Prepared,
    *,
    corrected: Sequence[Revision] | None = None,
    resolve: bool = False,
) -> Revision | Kept:
    """The same for a prepared frame; ``corrected`` and ``resolve`` as in `Dataset.save`."""
    try:
        return dataset.save(prepared, corrected=corrected, resolve=resolve)
    except NotSaved as error:
        return Kept(Outbox(dataset).keep(prepared), str(error))


class Outbox:
    """What waits for one dataset, in the user's own folder; ``keep`` adds, ``publish`` hands over.

    An entry is bound to the place of the dataset that it was meant for: another folder may hold, or claim, the
    same identity. A copy gets nothing while the original is there; of one that has moved a person is asked.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.folder = user_config_dir() / "outbox" / str(dataset.facts["uuid"])

    def __len__(self) -> int:
        return len(self._entries())

    def moved(self) -> Moved | None:
        """What waits for this dataset as it lay elsewhere, where it is not any more; None where nothing does."""
        places = [place for entry in self._entries() if (place := self._former_place(entry)) is not None]
        return Moved(len(places), places[-1]) if places else None

    def keep(self, prepared: Prepared) -> Path:
        """Keep a frame durably; its entry. Raises NotSaved when this disk refuses too."""
        entry = self.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
        with saving(self.folder):
            durable.make_dir(entry, private=True)
            record = {
                "schema": _SCHEMA,
                "place": str(self.dataset.folder),
                "case": prepared.case,
                "facts": prepared.facts,
                "image": write_image(entry, prepared.pixels),
                "mask": write_mask(entry, prepared.mask),
                "corrects": self._heads_now(prepared.case),
                "kept_utc": utc_now(),
            }
            durable.sync_dir(entry)
            durable.write_new(entry / _RECORD, to_bytes(sealed(record)))
        return entry

    def publish(self, *, moved: bool = False) -> Iterator[tuple[Path, Revision]]:
        """Hand over what waits, oldest first; yields every entry with its revision, durable in the dataset.

        ``moved``: a person has said that this is the dataset that lay elsewhere (`moved`).

        Raises NotSaved when the disk still refuses, and DatasetError, after all others, for an entry or a case that
        is damaged, or when another process is handing them over. What was not handed over stays.
        """
        if not self._entries():
            return
        with self._turn():
            yield from self._handed_over(moved)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Two who hand over the same frames would each make a revision of them."""
        from src_training.turns import Busy, turn

        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(turn(self.folder / _TURNS, "handing over the frames that wait"))
            except Busy as error:
                raise DatasetError(str(error)) from error
            except OSError:  # a full disk of one's own must not keep what would free it
                pass
            yield

    def _handed_over(self, moved: bool) -> Iterator[tuple[Path, Revision]]:
        published: dict[str, Revision] = {}
        damaged: DatasetError | None = None
        for entry in self._entries():
            try:
                record = read_record(entry / _RECORD, _SCHEMA)
                if not self._is_meant_for_here(record, moved):
                    continue
                prepared = _prepared(entry, record)
            except (DatasetError, OSError) as error:
                if (entry / _RECORD).is_file():  # else another process has handed it over meanwhile
                    damaged = DatasetError(f"{entry.name}: cannot be read in the outbox. {error}")
                continue
            earlier = published.get(prepared.case)  # two decisions on one frame while it waited
            try:
                corrected = [*self._corrected(record), *([earlier] if earlier else [])]
                revision = published[prepared.case] = self.dataset.save(prepared, corrected=corrected)
            except NotSaved:  # the disk refuses: so it will the next one
                raise
            except DatasetError as error:
                damaged = error
                continue
            _remove(entry)
            yield entry, revision
        if damaged is not None:
            raise damaged

    def _entries(self) -> list[Path]:
        return [
            self.folder / name for name in names_in(self.folder) if (self.folder / name / _RECORD).is_file()
        ]

    def _is_meant_for_here(self, record: dict[str, Any], moved: bool) -> bool:
        place = _place_in(record)
        return _same_place(place, self.dataset.folder) or (moved and not self._is_elsewhere(place))

    def _former_place(self, entry: Path) -> Path | None:
        try:
            place = _place_in(read_record(entry / _RECORD, _SCHEMA))
        except DatasetError:  # told when they are handed over
            return None
        at_home = _same_place(place, self.dataset.folder) or self._is_elsewhere(place)
        return None if at_home else place or Path()

    def _is_elsewhere(self, place: Path | None) -> bool:
        """Whether the dataset is still where it was when the frame was kept."""
        if place is None:
            return False
        try:
            return Dataset.open(place).facts["uuid"] == self.dataset.facts["uuid"]
        except (DatasetError, OSError):
            return False

    def _heads_now(self, case: str) -> list[str] | None:
        """The revisions that this frame corrects; None when they cannot be read."""
        try:
            return [head.sha for head in self.dataset.case_heads(case)] if self.dataset.is_there() else None
        except (DatasetError, OSError):
            return None

    def _corrected(self, record: dict[str, Any]) -> list[Revision]:
        """What it corrected when it was kept: work that came after it stands beside it, as a visible conflict."""
        case, corrects = record["case"], record["corrects"]
        if corrects is None:
            return [head for head in self.dataset.case_heads(case) if _is_earlier(head, record["kept_utc"])]
        return [one for one in self.dataset.revisions(case) if one.sha in corrects]


def _place_in(record: dict[str, Any]) -> Path | None:
    """Where the dataset was; an entry of an older version does not say, which is not the folder that we are in."""
    place = record.get("place")
    return Path(place) if isinstance(place, str) and place else None


def _same_place(one: Path | None, other: Path) -> bool:
    """Whether two paths are one dataset's, however each came to be written."""
    if one is None:
        return False
    try:
        # The folders: of a copy that is made of hard links the files are the same ones.
        return one.is_absolute() and os.path.samefile(one, other)
    except OSError:
        return one == other


def _is_earlier(head: Revision, kept_utc: str) -> bool:
    """Whether a revision was there when a frame was kept; in doubt it was not, and stands beside it.

    It tells a date of the computer that made it, whose clock may be behind: that it is older must be so by the age of
    its file, too, which the file system's clock tells.
    """
    try:
        waits_s = (datetime.now(UTC) - datetime.fromisoformat(kept_utc)).total_seconds()
        older = age_s(head.folder / f"{head.name}.json") + _GRAIN_S > waits_s
    except (OSError, ValueError, TypeError):
        return False
    return older and waits_s >= 0 and head.record["created_utc"] < kept_utc


def _remove(entry: Path) -> None:
    """Forget an entry that was handed over; one that cannot be removed is handed over again, to the same effect."""
    with contextlib.suppress(OSError):
        # The record goes first, for good: what a crash leaves of the rest must not be taken for a damaged entry.
        (entry / _RECORD).unlink()
        durable.sync_dir(entry)
        shutil.rmtree(entry)


def _prepared(entry: Path, record: dict[str, Any]) -> Prepared:
    try:
        image, mask = read_blob(entry, record["image"]), read_blob(entry, record["mask"])
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"damaged: {error}. Accept the frame again.") from error
    return Prepared(record["case"], canonical(image), mask, record["facts"])
