"""``lightvessel runs …``: what the background runs of a workspace are doing, and how to stop or go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from src_training.annotator import own_pseudonym
from src_training.cli.common import JsonFlag, result
from src_training.cli.finetune import follow
from src_training.errors import RunError

if TYPE_CHECKING:
    from src_training.runs import Run

_Workspace = typer.Argument(..., metavar="WORKSPACE", help="The workspace.", readable=False)
_Run = typer.Argument("", metavar="[RUN]", help="A run's id or its beginning; default: the newest.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="List, watch, cancel and resume background runs.")
    for command in (list_runs, watch, cancel, resume):
        group.command(command.__name__.removesuffix("_runs"))(command)
    app.add_typer(group, name="runs")


def list_runs(workspace: Path = _Workspace, as_json: bool = JsonFlag) -> None:
    """List the runs, the newest last."""
    from src_training.workspace import Workspace

    for run in Workspace.open(workspace).runs.list():
        record = _record(run)
        result(_sentence(record), record, as_json)


def watch(workspace: Path = _Workspace, run: str = _Run, as_json: bool = JsonFlag) -> int:
    """Follow a run until it ends; the exit code is that of finetune.

    Ctrl-C cancels the run; a second one leaves it alone.
    """
    return follow(_chosen(workspace, run), as_json)


def cancel(workspace: Path = _Workspace, run: str = _Run, as_json: bool = JsonFlag) -> None:
    """Ask a run to stop after its step; its checkpoint stays.

    One on another computer of which nothing is heard is ended when it is cancelled once more.
    """
    chosen = _chosen(workspace, run)
    state = chosen.status()
    if state.ended:
        raise RunError(f"{chosen.id} is {state.status}: there is nothing to cancel.")
    told = chosen.cancel(own_pseudonym())
    record = {"run": chosen.id, "asked": "cancel", "message": told}
    result(f"{chosen.id}: {told or 'asked to stop after its step'}", record, as_json)


def resume(workspace: Path = _Workspace, run: str = _Run, as_json: bool = JsonFlag) -> None:
    """Start a cancelled, failed or interrupted run again from its checkpoint."""
    chosen = _chosen(workspace, run)
    chosen.resume()
    result(f"{chosen.id}: started again", {"run": chosen.id, "asked": "resume"}, as_json)


def _chosen(workspace: Path, run: str) -> Run:
    from src_training.workspace import Workspace

    runs = Workspace.open(workspace).runs
    return runs.get(run) if run else runs.newest()


def _record(run: Run) -> dict[str, Any]:
    state, damage = run.glance(), run.damage()
    return {
        "run": run.id,
        "status": "damaged" if damage else state.status,
        "step": state.step,
        "steps": state.steps,
        "eta_s": state.eta_s,
        "model_id": state.model_id,
        "message": damage.removeprefix(f"{run.id}: ") or state.message,
    }


def _sentence(record: dict[str, Any]) -> str:
    steps = f"step {record['step']}/{record['steps']}" if record["steps"] else ""
    parts = [record["status"], steps, record["model_id"] or "", record["message"]]
    return f"{record['run']}: " + " · ".join(part for part in parts if part)
