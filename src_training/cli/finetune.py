"""``lightvessel finetune``: the one-click fine-tune of the plugin, from the shell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from src_training.cli.common import JsonFlag, result, say
from src_training.cli.forms import settings_from
from src_training.cli.watching import event_line
from src_training.errors import Cancelled, RunError

if TYPE_CHECKING:
    from src_training.runs import Run

_POLL_S = 0.5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("finetune", no_args_is_help=True)(finetune)


def finetune(
    workspace: Path = typer.Argument(..., help="A workspace with accepted frames."),
    steps: int | None = typer.Option(None, "--steps", min=1, help="Optimiser steps."),
    epochs: float | None = typer.Option(
        None, "--epochs", min=0.01, help="Instead of --steps: passes over the corrected frames."
    ),
    base_model: str = typer.Option("", "--model", help="Model to start from; default: the live one."),
    assignments: list[str] = typer.Option([], "--set", metavar="FIELD=VALUE", help="Any setting."),
    threads: int = typer.Option(1, "--threads", min=1, help="CPU threads of the run."),
    detach: bool = typer.Option(False, "--detach", help="Return at once; follow it with runs watch."),
    as_json: bool = JsonFlag,
) -> int:
    """Fine-tune on the workspace's accepted frames; the new model waits in the workspace to be promoted."""
    from src_training.training.settings import FinetuneSettings
    from src_training.workspace import Workspace

    place = Workspace.open(workspace)
    values: dict[str, object] = {"base_model": base_model, "threads": threads}
    if epochs is not None:
        values["steps"] = _steps_of(epochs, place)
    if steps is not None:
        values["steps"] = steps
    settings = settings_from(FinetuneSettings, values, assignments)
    run = place.runs.launch("finetune", settings.model_dump(mode="json"), threads=threads)
    if detach:
        result(f"run {run.id}", {"run": run.id}, as_json)
        return 0
    return follow(run, as_json)


def follow(run: Run, as_json: bool) -> int:
    """Print a run's events until it ends; Ctrl-C cancels it; the last line names the model."""
    import time

    offset, asked = 0, False
    while True:
        try:
            ended = run.status().ended
            events, offset = run.events(offset)
            for event in events:
                if as_json:
                    result("", {"run": run.id, **event}, True)
                else:
                    say(event_line(event))
            if ended and not events:
                break
            time.sleep(_POLL_S)
        except KeyboardInterrupt:
            if asked:
                raise
            asked = True
            run.cancel()
            say(
                "cancelling: the run finishes its step and writes a checkpoint (Ctrl-C again to leave it alone)"
            )
    return _conclude(run, as_json)


def _conclude(run: Run, as_json: bool) -> int:
    state = run.status()
    if state.status == "finished":
        text = f"{state.model_id}: ready to be compared and promoted (lightvessel models promote)"
        result(text, {"run": run.id, "status": state.status, "model_id": state.model_id}, as_json)
        return 0
    if state.status == "cancelled":
        raise Cancelled(f"run {run.id} was cancelled; continue it with lightvessel runs resume")
    raise RunError(f"run {run.id} {state.status}: {state.message}")


def _steps_of(epochs: float, workspace: object) -> int:
    """Passes over the corrected frames, in steps: each step draws about eight crops, half of them replay."""
    from src_training.training.finetune import training_revisions

    frames = len(training_revisions(workspace))  # type: ignore[arg-type]
    return max(1, round(epochs * frames / 4))
