"""Records: JSON that carries its own hash, named by it, so that a record is whole or it is no record."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src_training.dataset.values import value_problems
from src_training.errors import DatasetError
from src_training.json_objects import json_bytes
from src_training.json_size import parsing_bytes
from src_training.regular import read_regular

DATASET_SCHEMA = "lightvessel-dataset/1"
REVISION_SCHEMA = "lightvessel-revision/1"
SNAPSHOT_SCHEMA = "lightvessel-snapshot/1"
LABELS = {"0": "background", "1": "vessel", "255": "ignore"}

RECORD_NAME = re.compile(r"r(\d{4,})-([0-9a-f]{16})\.json")
BLOB_NAME = re.compile(r"(image|mask)-([0-9a-f]{16})\.png")
CASE_NAME = re.compile(r"[0-9a-f]{24}")

_HASH = "self_sha256"
_LARGEST = 1 << 20
_LARGEST_LIST = 64 << 20  # of a snapshot: 600,000 revisions
_MOST_MEMORY = 512 << 20
CURE = "lightvessel dataset verify lists all damage; restore the file from a backup."


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
    return json_bytes(record, indent=1, allow_nan=False) + b"\n"


def record_name(record: dict[str, Any]) -> str:
    """``r0002-<first 16 of its hash>``."""
    return f"r{record['seq']:04d}-{record[_HASH][:16]}"


def content_problems(path: Path, record: dict[str, Any]) -> Iterator[str]:
    """What a revision record says that cannot be, for a record read from ``path``."""
    try:
        if f"{record_name(record)}.json" != path.name:
            yield f"by its content it is {record_name(record)}"
        if record["case"] != path.parent.name:
            yield f"it belongs to case {record['case']}"
        yield from value_problems(record)
        if record["image"]["shape"] != record["mask"]["shape"]:
            yield f"image {record['image']['shape']} and mask {record['mask']['shape']} differ in size"
        for kind in ("image", "mask"):
            if record[kind]["file"] != f"{kind}-{record[kind]['sha256'][:16]}.png":
                yield f"{record[kind]['file']!r} is not the name of its {kind}"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        yield f"a value is missing or of the wrong kind ({type(error).__name__}: {error})"


def read_record(path: Path, schema: str) -> dict[str, Any]:
    """A sealed record of this schema.

    Raises
    ------
    DatasetError
        Missing, not JSON, changed since it was written, or of another schema.
    """
    record, true_hash = _parse(path, _LARGEST_LIST if schema == SNAPSHOT_SCHEMA else _LARGEST)
    found = record.get("schema")
    if found != schema:
        newer = isinstance(found, str) and found.split("/")[0] == schema.split("/")[0]
        cure = "Update napari-lightvessel." if newer else CURE
        raise DatasetError(f"{_where(path)}: schema {found!r}, expected {schema!r}. {cure}")
    if record.get(_HASH) != true_hash:
        raise DatasetError(f"{_where(path)}: its content does not match its own hash. {CURE}")
    return record


def read_revision(path: Path) -> dict[str, Any]:
    """A revision record that is sealed, in its place and complete (else ``DatasetError``)."""
    record = read_record(path, REVISION_SCHEMA)
    for problem in content_problems(path, record):
        raise DatasetError(f"{_where(path)}: {problem}. {CURE}")
    return record


def _where(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _parse(path: Path, most: int) -> tuple[dict[str, Any], str]:
    """A record of at most so many bytes, and the hash that its content has."""
    try:
        content = read_regular(path, most)
        if parsing_bytes(content) > _MOST_MEMORY:
            raise DatasetError(f"{_where(path)}: would take too much memory. {CURE}")
        record = json.loads(content)
        if not isinstance(record, dict):
            raise DatasetError(f"{_where(path)}: not a JSON object. {CURE}")
        # NaN, infinities and what is nested too deep may be parsed, but not written again.
        return record, self_hash(record)
    except OSError as error:
        raise DatasetError(f"{_where(path)}: cannot be read ({error.strerror}). {CURE}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{_where(path)}: not a readable JSON record. {CURE}") from error
