"""Judge a trained model on ARCADE's val part and the stress set, write the figures into its card, and ship it.

    python tools/ship_model.py work/OUT/model small ARCADE [--started-from MODEL ...]

puts the model under src_training/models/weights/small, with the recipe of the model it started from, and of the one
that this started from, and so on: without them nobody can repeat it. A teacher ships without its OpenVINO network (the
user's cache rebuilds it). val is only reported: thresholds were chosen on held-out frames of train.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from src_training.evaluation import METRICS, EvalItem, Evaluation, evaluate
from src_training.evaluation.partial import beyond_outlines_ignored
from src_training.evaluation.stress import drawn_set, evenly, stress_report
from src_training.inference import Predictor
from src_training.models.card import ModelCard
from src_training.models.library import SHIPPED
from src_training.models.loading import CARD_FILE, read_card
from src_training.training.arcade import read_split

_STRESSED, _TREES = 40, 40
_STARTED = "the model it started from"
_LARGEST_STUDENT = 2e6  # parameters; above it is a teacher


def main() -> None:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("name")
    parser.add_argument("arcade", type=Path)
    parser.add_argument("--started-from", type=Path, nargs="*", default=[])
    asked = parser.parse_args()
    figures = judged(asked.model, asked.arcade)
    target = ship(asked.model, asked.name, figures, asked.started_from)
    print(target, *(f"{name}: {value}" for name, value in figures.items()), sep="\n")


def judged(model: Path, arcade: Path) -> dict[str, Any]:
    """Mean and spread over the val frames, and mean figures under every stress."""
    predictor = Predictor.load(model)
    items = [EvalItem(f.name, None, f.image, f.mask) for f in read_split(arcade, "val")]
    some = evenly(items, _STRESSED)
    drawn = drawn_set([item.image for item in some], _TREES, seed=0)
    report = stress_report(predictor, some, drawn)
    figures = {f"ARCADE val, {len(items)} frames": _spread(evaluate(predictor, items))}
    if predictor.card.label_protocol == "full-tree":
        # As `lightvessel evaluate --partial` tells them.
        name = f"ARCADE val, {len(items)} frames, ridges beyond the outlines not judged"
        figures[name] = _spread(evaluate(predictor, map(beyond_outlines_ignored, items)))
    return figures | {
        f"stress set, {len(some)} val frames and {_TREES} drawn trees": {
            name: {metric: round(float(value), 4) for metric, value in row.items()}
            for name, row in report.items()
        },
    }


def ship(model: Path, name: str, figures: dict[str, Any], started_from: Sequence[Path] = ()) -> Path:
    """Copy the model folder to the shipped ones, with the figures and what it started from in its card."""
    card = read_card(model)
    files = dict(card.files)
    if card.parameters > _LARGEST_STUDENT:
        files = {file: sha for file, sha in files.items() if not file.startswith("openvino.")}
    target = SHIPPED / name
    recipe = _with_history([card, *map(read_card, started_from)], target)
    record = card.model_copy(
        update={"name": name, "files": files, "metrics": card.metrics | figures, "recipe": recipe}
    )
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in files:
        shutil.copyfile(model / file, target / file)
    (target / CARD_FILE).write_text(record.to_json(), encoding="utf-8")
    return target


def _with_history(cards: Sequence[ModelCard], target: Path) -> dict[str, Any]:
    """The recipe of the first card, which tells that of the next one, from which it started, and so on.

    The last one may have started from the shipped model that is now replaced.
    """
    last = next(
        (part for part in cards[-1].recipe.values() if isinstance(part, dict) and "start_from" in part), {}
    )
    older = [read_card(target)] if last.get("start_from") == target.name and target.is_dir() else []
    recipe: dict[str, Any] = {}
    for card in reversed([*cards, *older]):
        recipe = card.recipe | ({_STARTED: recipe} if recipe else {})
    return recipe


def _spread(evaluation: Evaluation) -> dict[str, Any]:
    values = {name: np.array([s.metrics[name] for s in evaluation.scores]) for name in METRICS}
    means = {name: round(float(np.nanmean(found)), 4) for name, found in values.items()}
    spread = {f"{name}_sd": round(float(np.nanstd(found)), 4) for name, found in values.items()}
    return means | spread | {"n": len(evaluation.scores)}


if __name__ == "__main__":
    main()
