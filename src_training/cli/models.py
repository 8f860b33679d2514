"""``lightvessel models``: what there is, what it can do, and which one is active."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from src_training.annotator import own_pseudonym
from src_training.cli.common import JsonFlag, result, say
from src_training.errors import ModelError, Refused
from src_training.runs.telling import figures_text, losing_lines

if TYPE_CHECKING:
    from src_training.models import Model
    from src_training.workspace import Workspace

Place = typer.Argument(None, metavar="[WORKSPACE]", help="Without it: the shipped models.", readable=False)
Which = typer.Argument(None, metavar="[MODEL]", help="A model's id, or its folder.")
Needed = typer.Argument(..., metavar="WORKSPACE", help="The workspace's folder.", readable=False)
Candidate = typer.Argument(..., metavar="MODEL", help="A model of the workspace, by its id.")
By = typer.Option(
    own_pseudonym,
    "--by",
    "--annotator",
    metavar="PSEUDONYM",
    help="Who decides; it is recorded. Default: the one of your settings.",
)
Reason = typer.Option("", "--reason", metavar="TEXT", help="Why; it is recorded.")


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="List, show, import, compare, promote, agree to, keep and roll back models.",
    )
    group.command("list")(list_models)
    group.command("show")(show)
    group.command("describe")(describe)
    group.command("compare")(compare)
    group.command("import")(import_model)
    group.command("promote")(promote)
    group.command("agree")(agree)
    group.command("keep")(keep)
    group.command("rollback")(rollback)
    group.command("history")(history)
    app.add_typer(group, name="models")


def list_models(workspace: Path | None = Place, as_json: bool = JsonFlag) -> int:
    """The models of a workspace and the shipped ones: * is active, ? came with the workspace, not judged here."""
    from src_training.models import builtin_models, default_model

    place = _workspace(workspace)
    live = default_model(place).id
    models = builtin_models() + (place.models.list() if place else [])
    unjudged = place.models.unjudged() if place else None
    waits = unjudged.id if unjudged else None
    if place and (warning := place.models.warning()):
        say(f"lightvessel: {warning}")
    for model in models:
        card = model.card
        mark = "*" if model.id == live else "?" if model.id == waits else " "
        text = (
            f"{mark} {model.id:<46}{card.label_protocol:<11}{card.parameters / 1e6:.2f} M  {card.trained_on}"
        )
        record = {"model": model.id, "live": model.id == live, "builtin": model.builtin}
        result(text, record | ({"unjudged": True} if model.id == waits else {}), as_json)
    return 0


def show(workspace: str | None = Place, model: str | None = Which, as_json: bool = JsonFlag) -> int:
    """A model's card; beside it the frames on which its newest comparison saw it do worse."""
    found = _find(workspace, model)
    result(found.card.to_json().splitlines(), found.card.model_dump(mode="json"), as_json)
    if workspace is not None and _is_workspace(workspace):
        store = _opened(Path(workspace)).models
        if (unjudged := store.unjudged()) and (model is None or unjudged.id == found.id):
            say(f"lightvessel: {store.warning()}")
        for line in _losing_of(workspace, found):
            say(line)
    return 0


def describe(workspace: str | None = Place, model: str | None = Which, as_json: bool = JsonFlag) -> int:
    """A model in a few lines: network, size, cost, protocol, metrics."""
    from src_training.cli.describing import description

    found = _find(workspace, model)
    card = found.card
    record = {
        "model": found.id,
        "network": card.architecture.model_dump(),
        "parameters": card.parameters,
        "gflop_512": card.gflop_512,
        "label_protocol": card.label_protocol,
        "threshold": card.threshold,
        "min_component_px": card.min_component_px,
        "parent": card.parent,
        "teacher": card.teacher,
        "trained_on": card.trained_on,
        "metrics": card.metrics,
        "intended_use": card.intended_use,
    }
    result(description(found), record, as_json)
    return 0


def compare(workspace: Path = Needed, model: str = Candidate, as_json: bool = JsonFlag) -> int:
    """Compare a model with the active one, on the workspace's test patients and the reference set."""
    from src_training.models import load_model
    from src_training.models.contest import NotKept, contest

    place = _opened(workspace)
    missed: NotKept | None = None
    try:
        decision = contest(place, load_model(model, place))
    except NotKept as error:
        missed, decision = error, error.decision
    record = decision.comparison.as_dict() | {"decision": decision.as_dict()}
    verdict = f"{decision.verdict}: {' '.join(decision.reasons)}"
    result([figures_text(record), verdict, *losing_lines(record)], record, as_json)
    if missed:
        raise missed
    return 0


def import_model(
    workspace: Path = Needed,
    weights: Path = typer.Argument(
        ..., help="A .pt, .pth or .safetensors file of one state_dict.", readable=False
    ),
    like: str = typer.Option("small", "--like", metavar="ID|PATH", help="The model it is built like."),
    name: str = typer.Option("imported", "--name", help="What the new model is called."),
    as_json: bool = JsonFlag,
) -> int:
    """Take in weights from elsewhere; they become active as every model does, by comparison and promotion."""
    from src_training.models import load_model
    from src_training.models.card import MODEL_NAME
    from src_training.models.importing import import_weights

    place = _opened(workspace)
    if not re.fullmatch(MODEL_NAME, name):
        raise ModelError(f"name {name[:60]!r}: use lower-case letters, digits and hyphens, 41 at most.")
    model = import_weights(place.models, weights, load_model(like, place), name)
    result(f"imported {model.id}", {"model_id": model.id}, as_json)
    return 0


def promote(
    workspace: Path = Needed,
    model: str = Candidate,
    override: str | None = typer.Option(
        None, "--override", metavar="REASON", help="Where the gate cannot tell."
    ),
    by: str = By,
    as_json: bool = JsonFlag,
) -> int:
    """Make a model the active one; the gate decides on its stored comparison (exit 3: refused)."""
    promoted = _opened(workspace).models.promote(model, override=override, by=by)
    result(f"{promoted.id} is the active model now", {"live": promoted.id}, as_json)
    return 0


def agree(workspace: Path = Needed, model: str = Candidate, by: str = By, as_json: bool = JsonFlag) -> int:
    """Use the active model that came with a workspace from elsewhere: you know where it is from; it is recorded."""
    agreed = _opened(workspace).models.agree(model, by=by)
    result(f"{agreed.id} is the active model now", {"live": agreed.id}, as_json)
    return 0


def keep(
    workspace: Path = Needed,
    model: str = Candidate,
    reason: str = Reason,
    by: str = By,
    as_json: bool = JsonFlag,
) -> int:
    """Leave the active model as it is, and record that this one was seen and not wanted."""
    place = _opened(workspace)
    place.models.keep(model, reason, by=by)
    result(f"{model} stays in the store, not active", {"kept": model}, as_json)
    return 0


def rollback(workspace: Path = Needed, reason: str = Reason, by: str = By, as_json: bool = JsonFlag) -> int:
    """Make the model active again that was before."""
    model = _opened(workspace).models.rollback(reason, by=by)
    result(f"{model.id} is the active model again", {"live": model.id}, as_json)
    return 0


def history(workspace: Path = Needed, as_json: bool = JsonFlag) -> int:
    """Every promotion, refusal, model not wanted and roll back: when, who and why."""
    from src_training.models.decisions import decision_text

    models = _opened(workspace).models
    for record in models.history():
        result(decision_text(record), record, as_json)
    if warning := models.history_warning():
        say(f"lightvessel: {warning}")
    return 0


def _find(workspace: str | None, model: str | None) -> Model:
    """With one argument it may be a workspace or a model."""
    from src_training.models import default_model, load_model

    if workspace is None:
        return default_model()
    if model is not None:
        return load_model(model, _opened(Path(workspace)))
    return default_model(_opened(Path(workspace))) if _is_workspace(workspace) else load_model(workspace)


def _is_workspace(path: str) -> bool:
    return (Path(path) / "dataset" / "dataset.json").is_file()


def _losing_of(workspace: str, model: Model) -> list[str]:
    """What its newest comparison in this workspace says of frames that got worse; empty without one."""
    try:
        return losing_lines(_opened(Path(workspace)).models.comparison(model.id).as_dict())
    except Refused:  # it was not compared yet
        return []


def _workspace(path: Path | None) -> Workspace | None:
    return None if path is None else _opened(path)


def _opened(path: Path) -> Workspace:
    from src_training.workspace import Workspace

    return Workspace.open(path)
