"""``lightvessel evaluate``: a model's mean per-image metrics on a folder of images and one of masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from src_training.cli.common import JsonFlag, counting, failure, listed, result, say, say_left_out
from src_training.errors import LightVesselError

if TYPE_CHECKING:
    from src_training.evaluation import EvalItem, Evaluation
    from src_training.inference import Predictor


PartialFlag = typer.Option(
    False, "--partial", help="The masks outline some vessels only: other vessel-like ridges are not judged."
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate", no_args_is_help=True)(evaluate_command)


def evaluate_command(
    images: Path = typer.Option(..., "--images", help="Folder of frames.", readable=False),
    masks: Path = typer.Option(
        ...,
        "--masks",
        help="Folder of masks, matched by name: <stem> or <stem>_mask.",
        readable=False,
    ),
    model: str = typer.Option(
        "", "--model", metavar="ID|PATH", help="Default: the active or shipped default model."
    ),
    workspace: Path | None = typer.Option(
        None, "--workspace", help="Where --model is looked up.", readable=False
    ),
    against: str = typer.Option(
        "", "--against", metavar="ID|PATH", help="Also the difference from this model, with its interval."
    ),
    runtime: str = typer.Option("auto", "--runtime", help="auto, openvino or torch."),
    partial: bool = PartialFlag,
    per_frame: bool = typer.Option(False, "--per-frame", help="Also one line for each frame."),
    as_json: bool = JsonFlag,
) -> int:
    """Mean per-image Dice, IoU, precision, recall, accuracy, AUC, clDice and HD95 (px).

    255 in a mask is left out; clDice uses skeletonize, both empty = 1; HD95 of an empty mask = image diagonal.
    Intervals are of 95 %, by bootstrap over the frames.
    """
    from src_training.cli.segment import load_predictor
    from src_training.evaluation import evaluate

    pairs, ambiguous = matched_pairs(images, masks)
    predictor = load_predictor(model, workspace, runtime=runtime)
    other = load_predictor(against, workspace, runtime=runtime) if against else None
    items, bad = readable_items(pairs, partial=partial, as_json=as_json)
    evaluation = evaluate(predictor, items, check=_counted(predictor, items))
    if per_frame:
        for score in evaluation.scores:
            text = f"{score.name}: Dice {score.metrics['dice']:.4f} clDice {score.metrics['cldice']:.4f}"
            result(text, {"frame": score.name, **score.metrics}, as_json)
    summary = evaluation.summary()
    lines = [f"{name:<10}{value:.4f}" for name, value in summary.items() if name != "n"]
    result(
        [f"{predictor.model.id} on {len(items)} frames", *lines],
        {"model": predictor.model.id, **{k: round(v, 6) for k, v in summary.items()}, "n": len(items)},
        as_json,
    )
    if other is not None:
        _tell_difference(evaluation, evaluate(other, items, check=_counted(other, items)), as_json)
    return 2 if bad or ambiguous else 0


def _counted(predictor: Predictor, items: list[EvalItem]) -> Callable[[], None]:
    return counting(len(items), f"frames judged with {predictor.model.id}")


def _tell_difference(one: Evaluation, other: Evaluation, as_json: bool) -> None:
    from src_training.evaluation.paired import differences

    found = differences(one, other)
    lines = [f"{name:<10}{mean:+.4f} [{low:+.4f}, {high:+.4f}]" for name, (mean, low, high) in found.items()]
    rounded = {name: [round(value, 6) for value in values] for name, values in found.items()}
    result(
        [f"{one.model_id} - {other.model_id} [95 %]", *lines],
        {"model": one.model_id, "against": other.model_id, "difference": rounded},
        as_json,
    )


def matched_pairs(images: Path, masks: Path) -> tuple[list[tuple[Path, Path]], int]:
    """(image, mask) files of one stem, in natural order, and how many images could have several masks.

    Those and what has no partner are said. Raises LightVesselError when a folder is missing or nothing matches.
    """
    from src_training.cine import find_inputs
    from src_training.dataset.folders import pair_up, same_folder

    for folder in (images, masks):
        if not folder.is_dir():
            raise LightVesselError(f"{folder}: no such folder. Give a folder of files.")
    say_left_out(dict.fromkeys([images, masks]))
    pairing = pair_up(find_inputs([images]), find_inputs([masks]), shared=same_folder(images, masks))
    for line in pairing.ambiguous:
        say(f"lightvessel: {line}")
    if not pairing.pairs:
        raise LightVesselError(f"{images.name} and {masks.name}: no image has a mask of the same name.")
    _say_unmatched("image", pairing.maskless)
    _say_unmatched("mask", pairing.imageless)
    return pairing.pairs, len(pairing.ambiguous)


def readable_items(
    pairs: list[tuple[Path, Path]], *, partial: bool = False, as_json: bool = False
) -> tuple[list[EvalItem], int]:
    """The frames with their masks, and how many could not be read, each told in a line.

    Of ``partial`` masks the ridges beyond the outlines are ignored (255), as in a full-tree training.
    Raises LightVesselError when none can be read.
    """
    items, bad, one_more = [], 0, counting(len(pairs), "frames read")
    for image, mask in pairs:
        one_more()
        try:
            items.append(_item(image, mask))
        except LightVesselError as error:
            bad += 1
            failure(image, error, as_json)
    if not items:
        raise LightVesselError(f"none of {len(pairs)} frames with a mask can be read. Give other folders.")
    if partial:
        from src_training.evaluation.partial import beyond_outlines_ignored

        items = [beyond_outlines_ignored(item) for item in items]
    return items, bad


def _item(image: Path, mask: Path) -> EvalItem:
    from src_training.cine import read_cine
    from src_training.cine.sniff import stem_of
    from src_training.dataset import read_mask
    from src_training.evaluation import EvalItem

    cine, truth = read_cine(image), read_mask(mask)
    if cine.shape != (1, *truth.shape):
        raise LightVesselError(
            f"{image.name} is {cine.shape} (T, Y, X), but {mask.name} is {truth.shape}: one frame of equal size each."
        )
    return EvalItem(stem_of(image), None, cine.frame(0), truth)


def _say_unmatched(kind: str, files: list[Path]) -> None:
    if files:
        say(f"{len(files)} {kind}(s) without a partner: {listed([file.name for file in files])}")
