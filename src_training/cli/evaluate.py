"""``lightvessel evaluate``: a model's mean per-image metrics on a folder of images and one of masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from src_training.cli.common import (
    BrightAlias,
    JsonFlag,
    Vessels,
    VesselsOption,
    counting,
    failure,
    result,
    say,
    say_left_out,
    say_polarity,
    say_remarks,
    told_polarity,
)
from src_training.cli.mask_reading import (
    BackgroundClasses,
    ClassesFile,
    IgnoreClasses,
    InvertMasks,
    Threshold,
    VesselClasses,
    told_classes,
)
from src_training.errors import BadMask, LightVesselError

if TYPE_CHECKING:
    from src_training.cine import Polarity
    from src_training.dataset.folders import MaskSource
    from src_training.evaluation import EvalItem, Evaluation
    from src_training.exchange.classes import Classes
    from src_training.inference import Predictor


_MOST_ODD = 5
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
    vessels: Vessels = VesselsOption,
    vessels_bright: bool = BrightAlias,
    threshold: float = Threshold,
    vessel_classes: str = VesselClasses,
    ignore_classes: str = IgnoreClasses,
    background_classes: str = BackgroundClasses,
    classes: Path = ClassesFile,
    invert_masks: bool = InvertMasks,
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
    known = told_classes(vessel_classes, ignore_classes, background_classes, classes)
    pairs, ambiguous = matched_pairs(images, masks, threshold, known)
    predictor = load_predictor(model, workspace, runtime=runtime)
    other = load_predictor(against, workspace, runtime=runtime) if against else None
    items, bad = readable_items(pairs, partial=partial, bright=bright, invert=invert_masks, as_json=as_json)
    evaluation = evaluate(predictor, items, check=_counted(predictor, items))
    if per_frame:
        for score in evaluation.scores:
            text = f"{score.name}: Dice {score.metrics['dice']:.4f} clDice {score.metrics['cldice']:.4f}"
            result(text, {"frame": score.name, **score.metrics}, as_json)
    summary = evaluation.summary()
    lines = [f"{name:<10}{value:.4f}" for name, value in summary.items() if name != "n"]
    result(
        [f"{predictor.model.id} on {len(items)} frames", *lines],
        {"model": predictor.model.id, **{k: round(v, 6) for k, v in summary.items()}, "n": len(items)}
        | {
            "vessels_bright": sum(item.vessels_bright for item in items),
            "odd": sum(bool(item.odd) for item in items),
        },
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


def matched_pairs(
    images: Path, masks: Path, threshold: float | None, classes: Classes
) -> tuple[list[tuple[Path, MaskSource]], int]:
    """Images with what reads their mask, matched as an import does, and how many masks or images have no place.

    Those, and images without a mask, are said. Raises LightVesselError when a folder is missing or nothing matches.
    """
    from src_training.exchange.mask_sources import Reading

    for folder in (images, masks):
        if not folder.is_dir():
            raise LightVesselError(f"{folder}: no such folder. Give a folder of files.")
    if images != masks:  # of masks, what is no image may be read all the same
        say_left_out([images])
    matched = Reading(threshold, classes).match(images, masks)
    for line in matched.failures:
        say(f"lightvessel: {line}")
    if not matched.pairs:
        raise LightVesselError(f"{images.name} and {masks.name}: no image has a mask of the same name.")
    if matched.remarks:
        more = f" (and {len(matched.remarks) - 1} more such remarks)" if len(matched.remarks) > 1 else ""
        say(f"{matched.remarks[0]}{more}")
    return matched.pairs, len(matched.failures)


def readable_items(
    pairs: list[tuple[Path, MaskSource]],
    *,
    partial: bool = False,
    bright: bool | None = None,
    invert: bool = False,
    as_json: bool = False,
) -> tuple[list[EvalItem], int]:
    """The frames with their masks, vessels dark, and how many could not be read, each told in a line.

    Of a cine those frames whose page of the masks is drawn. ``bright`` says how the vessels of all files look; None:
    each is looked at. ``invert``: the masks are black on white.
    Of ``partial`` masks the ridges beyond the outlines are ignored (255), as in a full-tree training.
    Raises LightVesselError when none can be read.
    """
    items, polarities, bad, one_more = [], [], 0, counting(len(pairs), "frames read")
    for image, mask in pairs:
        one_more()
        try:
            found, polarity = _items(image, mask, bright, invert)
            items += found
            polarities.append((image.name, polarity))
        except LightVesselError as error:
            bad += 1
            failure(image, error, as_json)
    say_polarity(polarities)
    _say_odd(items)
    if not items:
        raise LightVesselError(f"none of {len(pairs)} frames with a mask can be read. Give other folders.")
    if partial:
        from src_training.evaluation.partial import beyond_outlines_ignored

        items = [beyond_outlines_ignored(item) for item in items]
    return items, bad


def _say_odd(items: list[EvalItem]) -> None:
    odd = [f"{item.name}: {item.odd}" for item in items if item.odd]
    for line in odd[:_MOST_ODD]:
        say(line)
    if odd:
        say(
            f"{len(odd)} of {len(items)} masks do not look like those of their frames, and count all the same"
        )


def _items(
    image: Path, mask: MaskSource, bright: bool | None, invert: bool
) -> tuple[list[EvalItem], Polarity]:
    from src_training.cine import polarity_of
    from src_training.cine.polarity import vessels_dark
    from src_training.cine.sniff import stem_of
    from src_training.dataset.folders import check_size, open_image
    from src_training.dataset.frame import VESSEL
    from src_training.dataset.intake import frames_of, inverted
    from src_training.dataset.plausible import judge
    from src_training.evaluation import EvalItem

    cine = open_image(image, as_cine=image.is_dir())
    say_remarks(cine.remarks)
    polarity, is_single = polarity_of(cine, bright), len(cine) == 1
    frames = [0] if is_single else frames_of(mask, cine.shape)
    if frames is None:
        raise BadMask(
            f"{mask.name}: one mask, but {image.name} has {len(cine)} frames. Give a page for each."
        )
    items = []
    for t in frames:
        truth = mask.read(t, cine.shape)
        check_size(mask.name, truth.shape, image.name, cine.shape[1:])
        truth = inverted(truth) if invert else truth
        if is_single or (truth == VESSEL).any():
            name = stem_of(image) if is_single else f"{stem_of(image)} frame {t}"
            frame = vessels_dark(cine.frame(t)) if polarity.bright else cine.frame(t)
            # That a single frame has no vessels can be so, and is judged.
            status = "accepted" if (truth == VESSEL).any() else "no_vessel"
            found = judge(cine.frame(t), truth, status, vessels_bright=polarity.bright)
            odd = (found.of_inverted if invert else found).hint
            items.append(EvalItem(name, None, frame, truth, polarity.bright, odd))
    if not items:
        raise BadMask(f"{mask.name}: nothing is drawn on any of its {len(cine)} pages. Check the file.")
    if len(items) < len(cine):
        say(f"{mask.name}: {len(items)} of {len(cine)} pages are drawn; the other frames are left out")
    return items, polarity
