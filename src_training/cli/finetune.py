"""``lightvessel finetune``: the one-click fine-tune of the plugin, from the shell."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from src_training.cli.common import JsonFlag, result, say
from src_training.cli.forms import settings_from
from src_training.cli.watching import tell_event
from src_training.errors import Cancelled, RunError
from src_training.runs.telling import compared_text

if TYPE_CHECKING:
    from src_training.runs import Run, RunState

_POLL_S = 0.5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("finetune", no_args_is_help=True)(finetune)


def finetune(
    workspace: Path = typer.Argument(..., help="A workspace with accepted frames.", readable=False),
    steps: int | None = typer.Option(None, "--steps", min=1, help="Optimiser steps."),
    epochs: float | None = typer.Option(
        None, "--epochs", min=0.01, help="Instead of --steps: passes over the corrected frames."
    ),
    base_model: str = typer.Option(
        "", "--model", metavar="ID|PATH", help="Model to start from; default: the active one."
    ),
    assignments: list[str] = typer.Option([], "--set", metavar="FIELD=VALUE", help="Any setting."),
    threads: int = typer.Option(1, "--threads", min=1, help="CPU threads of the run."),
    detach: bool = typer.Option(False, "--detach", help="Return at once; follow it with runs watch."),
    as_json: bool = JsonFlag,
) -> int:
    """Fine-tune on the workspace's accepted frames; the new model waits in the workspace to be promoted.

    Exit code 0 finished, 1 ended unexpectedly, 2 failed with an error that says what to do, 130 cancelled.
    """
    values: dict[str, Any] = {"base_model": base_model, "threads": threads}
    if epochs is not None:
        values["steps"] = _steps_of(epochs, workspace)
    if steps is not None:
        values["steps"] = steps
    return launch(workspace, values, assignments, detach=detach, as_json=as_json)


def launch(
    workspace: Path, values: dict[str, Any], assignments: list[str], *, detach: bool = False, as_json: bool
) -> int:
    """Start a run with these FinetuneSettings and follow it to its end, unless ``detach``ed."""
    from src_training.training.finetune import check_beforehand
    from src_training.training.settings import FinetuneSettings
    from src_training.workspace import Workspace

    place = Workspace.open(workspace)
    settings = settings_from(FinetuneSettings, values, assignments)
    check_beforehand(place, settings)  # a run that would stop at once is not left behind
    run = place.runs.launch("finetune", settings.model_dump(mode="json"), threads=settings.threads)
    if detach:
        result(f"run {run.id}", {"run": run.id}, as_json)
        return 0
    return follow(run, as_json)


def follow(run: Run, as_json: bool) -> int:
    """Print a run's events until it ends; Ctrl-C cancels it; the last line names the model.

    Raises Cancelled, and RunError with the exit code that the end of the run calls for.
    """
    import time

    offset, asked = 0, False
    while True:
        try:
            ended = run.status().ended
            before = offset
            events, offset = run.events(offset)
            for event in events:
                tell_event({"run": run.id, **event}, as_json)
            if ended and offset == before:
                break
            time.sleep(_POLL_S if offset == before else 0)
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
        result(
            _outcome(run, state), {"run": run.id, "status": state.status, "model_id": state.model_id}, as_json
        )
        return 0
    if state.status == "cancelled":
        raise Cancelled(f"run {run.id} was cancelled; continue it with lightvessel runs resume")
    error = RunError(f"run {run.id} {state.status}: {state.message}")
    error.exit_code = state.exit_code or 1  # a run that could not tell its end did not foresee it
    raise error


def _outcome(run: Run, state: RunState) -> list[str]:
    """What the comparison with the active model says, and what to do next."""
    if state.model_id is None or state.compared is None:
        return [f"run {run.id} finished"]
    found = f"{state.model_id}: {compared_text(state.compared)}"
    verdict = state.compared["decision"]["verdict"]
    if verdict == "refuse":
        return [found, "It stays in the workspace; correct more frames and fine-tune again."]
    reason = " --override REASON" if verdict == "cannot_tell" else ""
    place = shlex.quote(str(run.folder.parent.parent))
    return [found, f"Next: lightvessel models promote {place} {state.model_id}{reason}"]


def _steps_of(epochs: float, workspace: Path) -> int:
    """Passes over the corrected frames, in steps: each step draws about eight crops, half of them replay."""
    from src_training.training.finetune import training_revisions
    from src_training.workspace import Workspace

    if not math.isfinite(epochs):
        raise RunError(f"--epochs {epochs}: not a number of passes. Give one such as 20.")
    frames = len(training_revisions(Workspace.open(workspace)))
    return max(1, round(epochs * frames / 4))
