"""``lightvessel doctor``: versions, devices, runtimes, and what is missing."""

from __future__ import annotations

import typer

from src_training.cli.common import JsonFlag, result, say

_MARKS = {"ok": "✓", "note": "!", "problem": "✗"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(as_json: bool = JsonFlag) -> int:
    """Look over this installation: versions, devices, runtimes, shipped models, and what is missing.

    Exit code 1 when something will not work; every finding says what to do.
    """
    from src_training.checkup import examine

    problems = 0
    for found in examine():
        problems += found.level == "problem"
        cure = f". {found.cure}" if found.cure else ""
        result(f"{_MARKS[found.level]} {found.code:<10} {found.text}{cure}", found.as_dict(), as_json)
    say(f"{problems} problem{'s' * (problems != 1)} found" if problems else "all is well")
    return 1 if problems else 0
