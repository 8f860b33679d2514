"""Snapshots: frozen, hashed lists of revisions, so that a figure can say exactly what it was measured on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from src_training import confined, durable
from src_training.dataset.record import CASE_NAME, CURE, SNAPSHOT_SCHEMA, read_record, sealed, to_bytes
from src_training.dataset.revision import Revision
from src_training.errors import DatasetError

_SHA = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True)
class Snapshot:
    """A frozen list of revisions; ``sha256`` is of the list alone, whatever it is called."""

    name: str
    sha256: str
    revisions: tuple[Revision, ...]


def freeze(folder: Path, name: str, revisions: Sequence[Revision]) -> Snapshot:
    """Write ``snapshots/<name>.json``; equal content under that name is that snapshot."""
    path = _path(folder, name)
    ordered = tuple(sorted(set(revisions), key=lambda one: (one.case, one.sha)))
    listed = [[one.case, one.sha] for one in ordered]
    snapshot = Snapshot(name, list_hash(listed), ordered)
    durable.make_dir(path.parent)
    record = {"schema": SNAPSHOT_SCHEMA, "name": name, "sha256": snapshot.sha256, "revisions": listed}
    with contextlib.suppress(FileExistsError):  # of two writers at once, the one that lost hears of it below
        durable.write_new(path, to_bytes(sealed(record)))
    return _existing(path, snapshot)


def thaw(folder: Path, name: str, find: Callable[[str, str], Revision]) -> Snapshot:
    """Read a snapshot and find every revision it names."""
    path = _path(folder, name)
    if not confined.is_there(path):
        raise DatasetError(f"there is no snapshot {name!r} in this dataset. Check its name.")
    listed = read_list(path)
    return Snapshot(name, list_hash(listed), tuple(find(case, sha) for case, sha in listed))


def read_list(path: Path) -> list[list[str]]:
    """The (case, revision) pairs of a snapshot's file: names of folders, so that nothing else may pass for them.

    Raises DatasetError when it cannot be read, or its list is none, or not the one that its hash is of.
    """
    record = read_record(path, SNAPSHOT_SCHEMA)
    listed = record.get("revisions")
    if not isinstance(listed, list) or not all(map(_is_pair, listed)):
        raise DatasetError(f"snapshots/{path.name}: its list is none of revisions. {CURE}")
    if list_hash(listed) != record.get("sha256"):
        raise DatasetError(f"snapshots/{path.name}: its list is not the one that its hash is of. {CURE}")
    return listed


def list_hash(listed: list[list[str]]) -> str:
    """sha256 of the (case, revision) pairs in order."""
    return hashlib.sha256(json.dumps(listed, separators=(",", ":")).encode()).hexdigest()


def _existing(path: Path, snapshot: Snapshot) -> Snapshot:
    if list_hash(read_list(path)) != snapshot.sha256:
        raise DatasetError(f"snapshot {snapshot.name!r} exists with other frames. Choose another name.")
    durable.sync_dir(path.parent)
    return snapshot


def _is_pair(pair: object) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and all(isinstance(one, str) for one in pair)
        and CASE_NAME.fullmatch(pair[0]) is not None
        and _SHA.fullmatch(pair[1]) is not None
    )


def _path(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise DatasetError(
            f"snapshot name {name[:80]!r} cannot be a file name. Use letters, digits and . _ + -"
        )
    return folder / "snapshots" / f"{name}.json"
