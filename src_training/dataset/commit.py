"""The write protocol: blobs first, each made durable, then the record, whose name appearing is the commit."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from src_training import __version__, confined, durable
from src_training.dataset.blobs import is_sound, write_image, write_mask
from src_training.dataset.lineage import ancestry
from src_training.dataset.record import RECORD_NAME, REVISION_SCHEMA, record_name, sealed, to_bytes
from src_training.dataset.revision import Revision
from src_training.errors import DatasetError, NotSaved

_MOST_REVISIONS = 10**9


def commit(
    folder: Path,
    pixels: NDArray,
    mask: NDArray,
    facts: dict[str, Any],
    corrected: Sequence[Revision],
    resolve: bool,
) -> Path:
    """Write a revision into a case's folder; the path of its record, durable when this returns.

    ``pixels`` and ``mask`` are canonical; ``corrected`` are the heads it corrects, newest last.
    """
    if not record_files(folder):
        # Our record must not outlive its folder.
        durable.make_dir(folder, below=folder.parent.parent)
    image_facts = _stored_image(folder, corrected) or write_image(folder, pixels)
    mask_facts = write_mask(folder, mask)
    durable.sync_dir(folder)
    lineage = {"case": folder.name, "seq": _next_seq(folder), **ancestry(corrected, resolve=resolve)}
    blobs = {"image": image_facts, "mask": mask_facts}
    stamp = {"tool_version": __version__, "created_utc": utc_now()}
    record = sealed({"schema": REVISION_SCHEMA, **lineage, **blobs, **facts, **stamp})
    path = folder / f"{record_name(record)}.json"
    durable.write_new(path, to_bytes(record))
    _keep_files(folder, blobs, pixels, mask)
    return path


def _keep_files(folder: Path, blobs: dict[str, dict[str, Any]], pixels: NDArray, mask: NDArray) -> None:
    """Write image and mask again where a repair took them for left-overs before it could see their record."""
    if not all(confined.is_there(folder / facts["file"]) for facts in blobs.values()):
        write_image(folder, pixels)
        write_mask(folder, mask)
        durable.sync_dir(folder)


def make_whole(revision: Revision, pixels: NDArray, mask: NDArray) -> bool:
    """Write anew what is missing of a revision's image and mask, but for the folder's entry; whether it has both then.

    False where another version packs these pixels otherwise. FileExistsError: a file was changed, and is left so.
    """
    for kind, write, values in (("image", write_image, pixels), ("mask", write_mask, mask)):
        facts = revision.record[kind]
        if not is_sound(revision.folder, facts) and write(revision.folder, values)["file"] != facts["file"]:
            return False
    return True


@contextlib.contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into one line; what was saved before is not touched by any of it."""
    try:
        yield
    except FileExistsError as error:
        raise DatasetError(
            f"{folder.name}: not saved: {Path(error.filename or '').name} is there with other content. "
            "lightvessel dataset verify --deep tells which file is damaged; move that one away."
        ) from error
    except OSError as error:
        raise NotSaved(f"{folder.name}: not saved: {durable.cure_for(error)}") from error
    except DatasetError as error:
        if isinstance(error.__cause__, OSError) and not isinstance(error, NotSaved):
            raise NotSaved(f"{folder.name}: not saved: {error}") from error
        raise


def record_files(folder: Path) -> list[Path]:
    """The records of a case's folder; none where there is no such folder."""
    return [folder / name for name in names_in(folder) if RECORD_NAME.fullmatch(name)]


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, sorted; nothing where there is no such folder."""
    try:
        return confined.names_in(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DatasetError(f"{folder.name}: cannot be listed. {durable.cure_for_reading(error)}") from error


def utc_now() -> str:
    """For example ``2026-01-31T12:00:00.000Z``."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _stored_image(folder: Path, corrected: Sequence[Revision]) -> dict[str, Any] | None:
    """The image facts of a revision whose file is sound: the case says that the pixels are the same."""
    for revision in reversed(corrected):
        if is_sound(folder, facts := revision.record["image"]):
            return facts
    return None


def _next_seq(folder: Path) -> int:
    matches = (RECORD_NAME.fullmatch(path.name) for path in record_files(folder))
    # A name may say any number, and what follows on it must be one that a record can have.
    counted = (seq for match in matches if match and (seq := int(match[1])) < _MOST_REVISIONS)
    return 1 + max(counted, default=0)
