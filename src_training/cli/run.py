"""``lightvessel run FOLDER``, hidden: the process of a run; people use ``lightvessel runs``."""

from __future__ import annotations

from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", hidden=True)(run)


def run(folder: Path = typer.Argument(..., help="A run folder with a config.json.", readable=False)) -> int:
    """Do the job of a run folder in this process."""
    from src_training.runs.child import main

    return main(folder)
