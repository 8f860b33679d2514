"""``lightvessel train teacher|student``: the recipe of the shipped models, on the ARCADE folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from src_training.cli.common import JsonFlag, result
from src_training.cli.forms import settings_from
from src_training.cli.watching import watch_here

TEACHER = {"base_channels": 32, "depth": 4, "blocks": 3, "stem_factor": 2}


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="Train a network from scratch, or on from another model.")
    group.command("student")(train_student)
    group.command("teacher")(train_teacher)
    app.add_typer(group, name="train")


Arcade = typer.Option(..., "--arcade", help="Folder with index.csv, train/ and val/.")
Output = typer.Option(
    ..., "-o", "--output", help="Folder for checkpoints and the model; an unfinished one is resumed."
)
Set = typer.Option([], "--set", metavar="FIELD=VALUE", help="Any setting, e.g. --set learning_rate=0.001.")
Recipe = typer.Option(
    None, "--recipe", help="A settings file (JSON), or a card.json whose recipe is repeated."
)
Steps = typer.Option(None, "--steps", min=1, help="Optimiser steps.")


def train_student(
    arcade: Path = Arcade,
    output: Path = Output,
    recipe: Path | None = Recipe,
    steps: int | None = Steps,
    settings: list[str] = Set,
    as_json: bool = JsonFlag,
) -> int:
    """Train a student; `--recipe card.json` of a shipped model repeats how it was made."""
    return _train(arcade, output, recipe, steps, settings, as_json, {})


def train_teacher(
    arcade: Path = Arcade,
    output: Path = Output,
    recipe: Path | None = Recipe,
    steps: int | None = Steps,
    settings: list[str] = Set,
    as_json: bool = JsonFlag,
) -> int:
    """Train a larger network of the same family."""
    return _train(
        arcade, output, recipe, steps, settings, as_json, {"name": "teacher", "architecture": TEACHER}
    )


def _train(
    arcade: Path,
    output: Path,
    recipe: Path | None,
    steps: int | None,
    assignments: list[str],
    as_json: bool,
    defaults: dict[str, Any],
) -> int:
    from src_training.training.settings import TrainSettings
    from src_training.training.train_student import train_student as train

    chosen = defaults | (_recipe(recipe) if recipe else {}) | ({"steps": steps} if steps else {})
    settings = settings_from(TrainSettings, chosen, assignments)
    card = train(settings, arcade, output, watch_here(as_json))
    text = f"{output / 'model'}: {card.metrics}, threshold {card.threshold}"
    result(
        text, {"model": str(output / "model"), "model_id": card.model_id(), "metrics": card.metrics}, as_json
    )
    return 0


def _recipe(path: Path) -> dict[str, Any]:
    record = json.loads(path.read_text(encoding="utf-8"))
    return record.get("recipe", {}).get("train student", record)
