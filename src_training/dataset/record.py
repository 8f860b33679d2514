"""Records: JSON that carries its own hash, named by it, so that a record is whole or it is no record."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from src_training.errors import DatasetError

DATASET_SCHEMA = "lightvessel-dataset/1"
REVISION_SCHEMA = "lightvessel-revision/1"
SNAPSHOT_SCHEMA = "lightvessel-snapshot/1"

RECORD_NAME = re.compile(r"r(\d{4,})-([0-9a-f]{16})\.json")
BLOB_NAME = re.compile(r"(image|mask)-([0-9a-f]{16})\.png")
CASE_NAME = re.compile(r"[0-9a-f]{24}")

_HASH = "self_sha256"
_LARGEST = 64 << 20
_CURE = "lightvessel dataset verify lists all damage; restore the file from a backup."


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """The record with the hash of all its other keys, known and unknown."""
    return {**record, _HASH: self_hash(record)}


def self_hash(record: dict[str, Any]) -> str:
    """sha256 of the record without its hash: sorted keys, no spaces, ASCII."""
    rest = {name: value for name, value in record.items() if name != _HASH}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def to_bytes(record: dict[str, Any]) -> bytes:
    """As it is written: one key a line, for people."""
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def record_name(record: dict[str, Any]) -> str:
    """``r0002-<first 16 of its hash>``."""
    return f"r{record['seq']:04d}-{record[_HASH][:16]}"


def read_record(path: Path, schema: str) -> dict[str, Any]:
    """A sealed record of this schema.

    Raises
    ------
    DatasetError
        Missing, not JSON, changed since it was written, or of another schema.
    """
    record = _parse(path)
    found = record.get("schema")
    if found != schema:
        newer = isinstance(found, str) and found.split("/")[0] == schema.split("/")[0]
        cure = "Update napari-lightvessel." if newer else _CURE
        raise DatasetError(f"{path.name}: schema {found!r}, expected {schema!r}. {cure}")
    if record.get(_HASH) != self_hash(record):
        raise DatasetError(f"{path.name}: its content does not match its own hash. {_CURE}")
    return record


def _parse(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST:
            raise DatasetError(f"{path.name}: larger than any record. {_CURE}")
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path.name}: cannot be read ({error.strerror}). {_CURE}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path.name}: not a readable JSON record. {_CURE}") from error
    if not isinstance(record, dict):
        raise DatasetError(f"{path.name}: not a JSON object. {_CURE}")
    return record
