"""What every command shares: results on stdout, progress on stderr, one line for each foreseeable error."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer

JsonFlag = typer.Option(False, "--json", help="Print results for machines: JSON lines on stdout.")


def say(text: str) -> None:
    """Progress and remarks, for the person watching (stderr)."""
    print(text, file=sys.stderr, flush=True)


def result(text: str, record: dict[str, Any] | None = None, as_json: bool = False) -> None:
    """A result on stdout: ``text`` for people, ``record`` as one JSON line for machines; flushed at once."""
    if not as_json:
        print(text, flush=True)
    elif record is not None:
        print(json.dumps(record, ensure_ascii=False), flush=True)
