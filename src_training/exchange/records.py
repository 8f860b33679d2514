"""JSON from elsewhere, parsed here only where what it becomes fits into memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src_training.decoding.limits import MEMORY
from src_training.errors import DatasetError
from src_training.json_size import parsing_bytes
from src_training.regular import read_regular


def read_record(path: Path, expected: str) -> dict[str, Any]:
    """The named parts of a JSON file; DatasetError, saying what was ``expected``, for anything else."""
    try:
        content = _within_budget(path)
        record = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "not JSON"
        raise DatasetError(f"{path.name}: {reason}. Give {expected}.") from error
    if not isinstance(record, dict):
        raise DatasetError(f"{path.name}: holds no named parts. Give {expected}.")
    return record


def _within_budget(path: Path) -> bytes:
    """The file's content, refused where its objects could take more memory than a decoder may: it is parsed here."""
    content = read_regular(path, MEMORY)
    if parsing_bytes(content) > MEMORY:
        raise DatasetError(
            f"{path.name}: would take more than {MEMORY >> 20:,} MiB of memory. Split it into several files."
        )
    return content
