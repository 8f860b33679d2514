"""``lightvessel stress``: how a model holds up against contrast, noise, size and devices, and on synthetic trees."""

from __future__ import annotations

from pathlib import Path

import typer

from src_training.cli.common import (
    BrightAlias,
    JsonFlag,
    Vessels,
    VesselsOption,
    counting,
    result,
    told_polarity,
)
from src_training.cli.evaluate import PartialFlag
from src_training.cli.mask_reading import (
    BackgroundClasses,
    ClassesFile,
    IgnoreClasses,
    InvertMasks,
    Threshold,
    VesselClasses,
    told_classes,
)

_COLUMNS = ("dice", "cldice", "precision", "recall")
_SHOWN = {"drawn": "synthetic"}  # rows whose name in cards and records is an older one


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("stress", no_args_is_help=True)(stress)


def stress(
    images: Path = typer.Option(..., "--images", help="Folder of frames.", readable=False),
    masks: Path = typer.Option(
        ...,
        "--masks",
        help="Folder of masks, matched by name: <stem> or <stem>_mask.",
        readable=False,
    ),
    model: str = typer.Option("", "--model", metavar="ID|PATH", help="Default: the shipped default model."),
    frames: int = typer.Option(
        50, "--frames", min=1, max=1_000_000, help="At most so many frames, evenly chosen."
    ),
    trees: int = typer.Option(
        40, "--trees", min=1, max=100_000, help="Synthetic trees with complete labels."
    ),
    partial: bool = PartialFlag,
    vessels: Vessels = VesselsOption,
    vessels_bright: bool = BrightAlias,
    threshold: float = Threshold,
    vessel_classes: str = VesselClasses,
    ignore_classes: str = IgnoreClasses,
    background_classes: str = BackgroundClasses,
    classes: Path = ClassesFile,
    invert_masks: bool = InvertMasks,
    as_json: bool = JsonFlag,
) -> int:
    """Mean per-image metrics under every stress, and on synthetic trees with recall of thin and wide vessels.

    The same frames give the same stresses: metrics of two models may be compared.
    """
    from src_training.cli.evaluate import matched_pairs, readable_items
    from src_training.cli.segment import load_predictor
    from src_training.evaluation.stress import VARIANTS, drawn_set, evenly, stress_report

    bright = told_polarity(vessels, vessels_bright)
    known = told_classes(vessel_classes, ignore_classes, background_classes, classes)
    pairs, ambiguous = matched_pairs(images, masks, threshold, known)
    chosen = evenly(pairs, frames)
    items, bad = readable_items(chosen, partial=partial, bright=bright, invert=invert_masks, as_json=as_json)
    predictor = load_predictor(model, None)
    drawn = drawn_set([item.image for item in items], trees, seed=0)
    one_more = counting(len(items) * (1 + len(VARIANTS)) + trees, f"frames judged with {predictor.model.id}")
    for name, figures in stress_report(predictor, items, drawn, check=one_more).items():
        extra = "".join(f"  {key} {value:.4f}" for key, value in figures.items() if key not in _COLUMNS)
        text = (
            f"{_SHOWN.get(name, name):<13}"
            + "  ".join(f"{key} {figures[key]:.4f}" for key in _COLUMNS)
            + extra
        )
        result(text, {"model": predictor.model.id, "stress": name, **figures}, as_json)
    return 2 if bad or ambiguous else 0
