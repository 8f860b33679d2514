"""``lightvessel evaluate``: a model's mean per-image figures on a folder of images and one of masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from src_training.cli.common import (
    BrightAlias,
    JsonFlag,
    Vessels,
    VesselsOption,
    listed,
    result,
    say,
    say_left_out,
    say_polarity,
    told_polarity,
)
from src_training.cli.saving import InvertMasks
from src_training.errors import BadMask, LightVesselError

if TYPE_CHECKING:
    from src_training.cine import Polarity
    from src_training.evaluation import EvalItem, Evaluation


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
        "", "--model", metavar="ID|PATH", help="Default: the live or shipped default model."
    ),
    workspace: Path | None = typer.Option(
        None, "--workspace", help="Where --model is looked up.", readable=False
    ),
    against: str = typer.Option(
        "", "--against", metavar="ID|PATH", help="Also the difference from this model, with its interval."
    ),
    runtime: str = typer.Option("auto", "--runtime", help="auto, openvino or torch."),
    partial: bool = PartialFlag,
    invert_masks: bool = InvertMasks,
    vessels: Vessels = VesselsOption,
    vessels_bright: bool = BrightAlias,
    per_frame: bool = typer.Option(False, "--per-frame", help="Also one line for each frame."),
    as_json: bool = JsonFlag,
) -> int:
    """Mean per-image Dice, IoU, precision, recall, accuracy, AUC, clDice and HD95 (px).

    255 in a mask is left out; clDice uses skeletonize, both empty = 1; HD95 of an empty mask = image diagonal.
    Intervals are of 95 %, by bootstrap over the frames.
    """
    from src_training.cli.segment import load_predictor
    from src_training.evaluation import evaluate

    bright = told_polarity(vessels, vessels_bright)
    pairs, ambiguous = matched_pairs(images, masks)
    predictor = load_predictor(model, workspace, runtime=runtime)
    other = load_predictor(against, workspace, runtime=runtime) if against else None
    items, bad = readable_items(pairs, partial=partial, bright=bright, invert=invert_masks)
    evaluation = evaluate(predictor, items)
    if per_frame:
        for score in evaluation.scores:
            text = f"{score.name}: Dice {score.metrics['dice']:.4f} clDice {score.metrics['cldice']:.4f}"
            result(text, {"frame": score.name, **score.metrics}, as_json)
    summary = evaluation.summary()
    lines = [f"{name:<10}{value:.4f}" for name, value in summary.items() if name != "n"]
    result(
        [f"{predictor.model.id} on {len(items)} frames", *lines],
        {"model": predictor.model.id, **{k: round(v, 6) for k, v in summary.items()}, "n": len(items)}
        | {"vessels_bright": sum(item.vessels_bright for item in items)},
        as_json,
    )
    if other is not None:
        _tell_difference(evaluation, evaluate(other, items), as_json)
    return 2 if bad or ambiguous else 0


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
    from src_training.dataset.folders import pair_up

    for folder in (images, masks):
        if not folder.is_dir():
            raise LightVesselError(f"{folder}: no such folder. Give a folder of files.")
    say_left_out(dict.fromkeys([images, masks]))
    pairing = pair_up(find_inputs([images], masks=True), find_inputs([masks], masks=True), images, masks)
    for line in pairing.ambiguous:
        say(f"lightvessel: {line}")
    if not pairing.pairs:
        raise LightVesselError(f"{images.name} and {masks.name}: no image has a mask of the same name.")
    _say_unmatched("image", pairing.maskless)
    _say_unmatched("mask", pairing.imageless)
    return pairing.pairs, len(pairing.ambiguous)


def readable_items(
    pairs: list[tuple[Path, Path]],
    *,
    partial: bool = False,
    bright: bool | None = None,
    invert: bool = False,
) -> tuple[list[EvalItem], int]:
    """The frames with their masks, vessels dark, and how many could not be read, each told in a line.

    Of a cine those frames whose page of the masks is drawn. ``invert``: the masks are black on white.
    ``bright`` says how the vessels of all files look; None: each is looked at.
    Of ``partial`` masks the ridges beyond the outlines are ignored (255), as in a full-tree training.
    Raises LightVesselError when none can be read.
    """
    items, polarities, bad = [], [], 0
    for image, mask in pairs:
        try:
            found, polarity = _items(image, mask, bright, invert)
            items += found
            polarities.append((image.name, polarity))
        except LightVesselError as error:
            bad += 1
            say(f"lightvessel: {error}")
    say_polarity(polarities)
    if not items:
        raise LightVesselError(f"none of {len(pairs)} frames with a mask can be read. Give other folders.")
    if partial:
        from src_training.evaluation.partial import beyond_outlines_ignored

        items = [beyond_outlines_ignored(item) for item in items]
    return items, bad


def _items(image: Path, mask: Path, bright: bool | None, invert: bool) -> tuple[list[EvalItem], Polarity]:
    from src_training.cine import polarity_of, read_cine
    from src_training.cine.polarity import vessels_dark
    from src_training.cine.sniff import stem_of
    from src_training.dataset.folders import MaskFile, check_size
    from src_training.dataset.frame import VESSEL
    from src_training.dataset.intake import inverted
    from src_training.evaluation import EvalItem

    cine, source = read_cine(image), MaskFile(mask, stacked=True)
    polarity = polarity_of(cine, bright)
    items = []
    for t in range(len(cine)):
        truth = source.read(t, cine.shape)
        check_size(mask.name, truth.shape, image.name, cine.shape[1:])
        truth = inverted(truth) if invert else truth
        if len(cine) == 1 or (truth == VESSEL).any():
            name = stem_of(image) if len(cine) == 1 else f"{stem_of(image)} frame {t}"
            frame = vessels_dark(cine.frame(t)) if polarity.bright else cine.frame(t)
            items.append(EvalItem(name, None, frame, truth, polarity.bright))
    if not items:
        raise BadMask(f"{mask.name}: nothing is drawn on any of its {len(cine)} pages. Check the file.")
    if len(items) < len(cine):
        say(f"{mask.name}: {len(items)} of {len(cine)} pages are drawn; the other frames are left out")
    return items, polarity


def _say_unmatched(kind: str, files: list[Path]) -> None:
    if files:
        say(f"{len(files)} {kind}(s) without a partner: {listed([file.name for file in files])}")
