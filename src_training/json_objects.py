"""JSON objects, read from what may hold anything and written so that they can be read again."""

from __future__ import annotations

import json
from typing import Any

_DECODER = json.JSONDecoder()


def json_object(text: str | bytes, decoder: json.JSONDecoder = _DECODER) -> dict[str, Any] | None:
    """The JSON object that a text holds; None where it holds anything else."""
    try:
        record = decoder.decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError):  # undecodable bytes included
        return None
    return record if isinstance(record, dict) else None


def json_bytes(record: Any, **how: Any) -> bytes:
    """A record for a file, in UTF-8; ``how`` as in `json.dumps`.

    Half letters are written as their escapes: names of files and folders hold them that are in no UTF-8.
    """
    return json.dumps(record, ensure_ascii=False, **how).encode(errors="backslashreplace")
