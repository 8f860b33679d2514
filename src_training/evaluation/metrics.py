"""Metrics of one frame; 255 in the truth is left out of every one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import rankdata
from skimage.morphology import skeletonize

METRICS = ("dice", "iou", "precision", "recall", "accuracy", "auc", "cldice", "hd95")
Mask = NDArray[np.bool_]


def frame_metrics(
    probability: NDArray[np.floating],
    predicted: NDArray,
    truth: NDArray[np.uint8],
    names: Sequence[str] = METRICS,
) -> dict[str, float]:
    """Those of `METRICS` that are asked for, of one frame; ``cldice`` and ``hd95`` take most of the time.

    Parameters
    ----------
    probability : (Y, X) of 0…1, for the AUC.
    predicted : (Y, X), non-zero = vessel.
    truth : (Y, X) of 0 background, 1 vessel, 255 ignore.

    Returns
    -------
    Values by name; ``auc`` is NaN where the truth is all vessel or all background.
    """
    reviewed = truth != 255
    vessel = truth == 1
    found = (np.asarray(predicted) != 0) & reviewed
    hit, n_found, n_vessel = (int(np.count_nonzero(m)) for m in (found & vessel, found, vessel))
    wrong = n_found + n_vessel - 2 * hit
    measures = {
        "dice": lambda: _ratio(2 * hit, n_found + n_vessel),
        "iou": lambda: _ratio(hit, n_found + n_vessel - hit),
        "precision": lambda: _ratio(hit, n_found) if n_found else float(n_vessel == 0),
        "recall": lambda: _ratio(hit, n_vessel),
        "accuracy": lambda: 1 - wrong / max(1, int(np.count_nonzero(reviewed))),
        "auc": lambda: auc(probability[reviewed], vessel[reviewed]),
        "cldice": lambda: cldice(found, vessel),
        "hd95": lambda: hd95(found, vessel),
    }
    return {name: measures[name]() for name in names}


def auc(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: the Mann-Whitney statistic, ties counted half; NaN with one class only."""
    n_positive = int(np.count_nonzero(positive))
    n_negative = positive.size - n_positive
    if not n_positive or not n_negative:
        return math.nan
    rank_sum = float(rankdata(scores)[positive].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def cldice(found: Mask, vessel: Mask) -> float:
    """Centre-line Dice (Shit et al., CVPR 2021, eq. 1-2) on `skimage.morphology.skeletonize`; both empty = 1."""
    if not found.any() or not vessel.any():
        return float(found.any() == vessel.any())
    line_found, line_vessel = skeletonize(found), skeletonize(vessel)
    precision = np.count_nonzero(line_found & vessel) / np.count_nonzero(line_found)
    sensitivity = np.count_nonzero(line_vessel & found) / np.count_nonzero(line_vessel)
    return 2 * precision * sensitivity / (precision + sensitivity) if precision + sensitivity else 0.0


def hd95(found: Mask, vessel: Mask) -> float:
    """The larger of the two directed 95th percentiles of border distances, px; one empty = image diagonal."""
    if not found.any() or not vessel.any():
        return 0.0 if found.any() == vessel.any() else math.hypot(*vessel.shape)
    border_found, border_vessel = _border(found), _border(vessel)
    to_vessel = ndimage.distance_transform_edt(~border_vessel)[border_found]
    to_found = ndimage.distance_transform_edt(~border_found)[border_vessel]
    return float(max(np.percentile(to_vessel, 95), np.percentile(to_found, 95)))


def _border(mask: Mask) -> Mask:
    return mask & ~ndimage.binary_erosion(mask)


def _ratio(part: int, whole: int) -> float:
    """``part / whole``; nothing to find and nothing found is a perfect score."""
    return part / whole if whole else 1.0
