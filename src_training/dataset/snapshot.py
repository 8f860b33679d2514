"""Snapshots: frozen, hashed lists of revisions, so that a figure can say exactly what it was measured on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from src_training import confined, durable
from src_training.dataset.record import SNAPSHOT_SCHEMA, read_record, sealed, to_bytes
from src_training.dataset.revision import Revision
from src_training.errors import DatasetError

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
    if confined.is_there(path):
        return _existing(path, snapshot)
    durable.make_dir(path.parent)
    record = {"schema": SNAPSHOT_SCHEMA, "name": name, "sha256": snapshot.sha256, "revisions": listed}
    durable.write_new(path, to_bytes(sealed(record)))
    return _existing(path, snapshot)  # of two writers at once, the one that lost must hear of it


def thaw(folder: Path, name: str, find: Callable[[str, str], Revision]) -> Snapshot:
    """Read a snapshot and find every revision it names."""
    path = _path(folder, name)
    if not confined.is_there(path):
        raise DatasetError(f"there is no snapshot {name!r} in this dataset. Check its name.")
    record = read_record(path, SNAPSHOT_SCHEMA)
    return Snapshot(name, record["sha256"], tuple(find(case, sha) for case, sha in record["revisions"]))


def list_hash(listed: list[list[str]]) -> str:
    """sha256 of the (case, revision) pairs in order."""
    return hashlib.sha256(json.dumps(listed, separators=(",", ":")).encode()).hexdigest()


def _existing(path: Path, snapshot: Snapshot) -> Snapshot:
    if read_record(path, SNAPSHOT_SCHEMA)["sha256"] != snapshot.sha256:
        raise DatasetError(f"snapshot {snapshot.name!r} exists with other frames. Choose another name.")
    durable.sync_dir(path.parent)
    return snapshot


def _path(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise DatasetError(
            f"snapshot name {name[:80]!r} cannot be a file name. Use letters, digits and . _ + -"
        )
    return folder / "snapshots" / f"{name}.json"
