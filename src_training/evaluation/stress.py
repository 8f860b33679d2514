"""The stress set: what other hospitals, doses and displays do to a frame, and trees whose every branch is known."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.morphology import skeletonize

from src_training.cine.cine import eight_bit
from src_training.evaluation.evaluate import EvalItem, Evaluation, evaluate
from src_training.inference.preprocess import resample, resample_label, working_shape
from src_training.training.augment_settings import UNSEEN_LIGHT
from src_training.training.drawn_background import remove_vessels
from src_training.training.drawn_distractors import hardware_over
from src_training.training.drawn_trees import TreeSettings, draw_frame

if TYPE_CHECKING:
    from src_training.inference import Predictor

Frame = NDArray[np.uint8]
Pair = tuple[Frame, Frame]
Item = TypeVar("Item")

REPORTED = ("dice", "cldice", "precision", "recall")
THIN_PX = 4.0  # a vessel narrower than this in a 512-pixel frame is thin
_SMALL_SIDE = 300
_JPEG_QUALITY = 12


def stressed(frame: Frame, mask: Frame, name: str, rng: np.random.Generator) -> Pair:
    """A frame (Y, X) uint8 and its mask (Y, X) of 0, 1, 255 under the variant ``name`` of `VARIANTS`.

    The mask changes only where pixels move (``300px``) or vessels vanish in the dark (``vignette``: 255).
    Raises ValueError for an unknown name.
    """
    if name not in VARIANTS:
        raise ValueError(f"stress variant {name!r} is not one of {', '.join(VARIANTS)}")
    return VARIANTS[name](frame, mask, rng)


def drawn_set(
    backgrounds: Sequence[NDArray], count: int, seed: int, settings: TreeSettings = TreeSettings()
) -> list[Pair]:
    """``count`` drawn trees with full labels on real frames (Y, X) of any dtype, whose own vessels are removed."""
    cleaned = [remove_vessels(eight_bit(background)) for background in backgrounds[:count]]
    return [
        draw_frame(cleaned[index % len(cleaned)], np.random.default_rng([seed, index]), settings)
        for index in range(count)
    ]


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """At most ``count`` of the items, spread evenly from the first to the last."""
    places = np.linspace(0, len(items) - 1, count).round().astype(int)
    return [items[place] for place in np.unique(places)]


def stress_report(
    predictor: Predictor,
    items: Sequence[EvalItem],
    drawn: Sequence[Pair],
    check: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, float]]:
    """Mean per-image `REPORTED` figures for ``as-is``, each of `VARIANTS` and ``drawn``.

    ``drawn`` also has ``recall_thin`` and ``recall_wide``: of vessels below and from `THIN_PX` wide in a
    512-pixel frame, over the frames that have such vessels (NaN if none does). 255 is left out throughout.

    Parameters
    ----------
    items : frames of any dtype with masks; their names seed the variants, which are of 8 bits.
    drawn : (frame, label) pairs as of `drawn_set`.
    check : is called before every frame, and may raise to end it.
    """
    report = {"as-is": _figures(evaluate(predictor, items, REPORTED, check))}
    for name in VARIANTS:
        changed = [_stressed_item(item, name) for item in items]
        report[name] = _figures(evaluate(predictor, changed, REPORTED, check))
    trees = [EvalItem(f"drawn {index}", None, *pair) for index, pair in enumerate(drawn)]
    report["drawn"] = _figures(evaluate(predictor, trees, REPORTED, check)) | {
        "recall_thin": _recall_where(predictor, trees, lambda width_px: width_px < THIN_PX),
        "recall_wide": _recall_where(predictor, trees, lambda width_px: width_px >= THIN_PX),
    }
    return report


def mean_under_stress(report: dict[str, dict[str, float]]) -> float:
    """Mean Dice over `VARIANTS` in a `stress_report`."""
    return float(np.mean([report[name]["dice"] for name in VARIANTS]))


def vessel_width_px(label: Frame) -> NDArray[np.float32]:
    """(Y, X) width, in pixels of a 512-pixel frame, of the vessel that the nearest centre line belongs to.

    Twice the distance from the centre line to the background, less the half pixel on either side.
    """
    vessel = label == 1
    line = skeletonize(vessel)
    if not line.any():
        return np.zeros(label.shape, np.float32)
    nearest = ndimage.distance_transform_edt(~line, return_distances=False, return_indices=True)
    width = 2 * ndimage.distance_transform_edt(vessel) - 1
    return (width[tuple(nearest)] * (512 / max(label.shape))).astype(np.float32)


def _stressed_item(item: EvalItem, name: str) -> EvalItem:
    rng = np.random.default_rng([zlib.crc32(word.encode()) for word in (item.name, name)])
    image, truth = stressed(eight_bit(item.image), item.truth, name, rng)
    return replace(item, image=image, truth=truth)


def _recall_where(
    predictor: Predictor,
    trees: Iterable[EvalItem],
    wanted: Callable[[NDArray[np.float32]], NDArray[np.bool_]],
) -> float:
    """Recall on the vessels of the wanted widths: the others are ignored."""
    parts = []
    for tree in trees:
        others = (tree.truth == 1) & ~wanted(vessel_width_px(tree.truth))
        truth = np.where(others, np.uint8(255), tree.truth)
        if (truth == 1).any():
            parts.append(replace(tree, truth=truth))
    return evaluate(predictor, parts, ("recall",)).mean("recall")


def _figures(evaluation: Evaluation) -> dict[str, float]:
    return {metric: evaluation.mean(metric) for metric in REPORTED}


def _low_contrast(frame: Frame, mask: Frame, rng: np.random.Generator) -> Pair:
    return _grey(frame.mean() + 0.45 * (frame - frame.mean())), mask


def _noise(frame: Frame, mask: Frame, rng: np.random.Generator) -> Pair:
    """Quantum noise of variance 1.2 grey levels per level, and 6 levels of the electronics."""
    return _grey(frame + rng.normal(0, np.sqrt(1.2 * frame.astype(np.float32) + 36))), mask


def _small(frame: Frame, mask: Frame, rng: np.random.Generator) -> Pair:
    """300 px on the longer side."""
    shape = working_shape((frame.shape[0], frame.shape[1]), _SMALL_SIDE)
    return _grey(resample(frame.astype(np.float32), shape)), resample_label(mask, _SMALL_SIDE)


def _vignette(frame: Frame, mask: Frame, rng: np.random.Generator) -> Pair:
    """A round image intensifier: dark and soft beyond 0.42 to 0.5 of the shorter side."""
    side = min(frame.shape)
    centre = np.array(frame.shape) / 2 + rng.uniform(-0.03, 0.03, 2) * side
    rows, columns = np.ogrid[: frame.shape[0], : frame.shape[1]]
    beyond = np.hypot(rows - centre[0], columns - centre[1]) - rng.uniform(0.42, 0.5) * side
    light = 1 / (1 + np.exp(np.clip(beyond / (0.012 * side), -40, 40)))
    unseen = (light < UNSEEN_LIGHT) & (mask == 1)
    return _grey(4 + (frame - 4.0) * light), np.where(unseen, np.uint8(255), mask)


def _catheter(frame: Frame, mask: Frame, rng: np.random.Generator) -> Pair:
    return hardware_over(frame, rng), mask


def _jpeg(frame: Frame, mask: Frame, rng: np.random.Generator) -> Pair:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=_JPEG_QUALITY)
    return np.array(Image.open(file)), mask


def _gamma(frame: Frame, mask: Frame, rng: np.random.Generator) -> Pair:
    return _grey(255 * (frame / 255) ** rng.choice([0.5, 2.0])), mask


def _blur(frame: Frame, mask: Frame, rng: np.random.Generator) -> Pair:
    """2 px of a 512-pixel frame."""
    return _grey(ndimage.gaussian_filter(frame.astype(np.float32), 2 * max(frame.shape) / 512)), mask


def _grey(values: NDArray[np.floating]) -> Frame:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


VARIANTS: dict[str, Callable[[Frame, Frame, np.random.Generator], Pair]] = {
    "low-contrast": _low_contrast,
    "noise": _noise,
    "300px": _small,
    "vignette": _vignette,
    "catheter": _catheter,
    "jpeg": _jpeg,
    "gamma": _gamma,
    "blur": _blur,
}
