"""Dark ridges of partly labelled frames: what a loss must not call background, and the branches that are vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import hessian_matrix, hessian_matrix_eigvals
from skimage.filters import apply_hysteresis_threshold
from skimage.measure import label as components
from skimage.morphology import skeletonize

# Lengths in pixels of a frame whose longer side is 512.
_SIGMAS = (1.5, 2.2, 3.2, 4.5)
_THIN = 2.2  # largest sigma at which a side branch answers most: it is about 5 px wide
_CORE = 1.0  # half the width of a vessel in units of the sigma that answers most
_BACKGROUND = 16.0
_NEIGHBOURHOOD = 61.0
_CLEARANCE = 4.0  # the outlines' own edge stays background
_LENGTH, _CLEAR_LENGTH = 20.0, 25.0  # of a ridge, along its centre line
_GAP = 14.0  # a branch fades where it leaves a wide vessel
# In units of the neighbourhood's mean response, chosen by looking at training frames.
_ENDS, _BEGINS, _CLEAR = 1.8, 3.5, 4.5
_MOSTLY = 0.7
_GENERATIONS = 3  # branches of branches
_DOUBT, _SURE = 0.1, 0.5


@dataclass(frozen=True)
class Ridges:
    """Long dark ridges away from the outlines.

    ``parts`` (Y, X) numbers them from 1, 0 elsewhere; ``core`` (Y, X) is where a vessel would be in them, since
    they answer beyond its edges. The others tell for each number, 0 included, whether it is as thin as a side
    branch, clearly wider, and whether it stands out enough to be believed.
    """

    parts: NDArray[np.int32]
    core: NDArray[np.bool_]
    thin: NDArray[np.bool_]
    wide: NDArray[np.bool_]
    clear: NDArray[np.bool_]


def ridge_response(frame: NDArray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(Y, X) response to dark ridges and the sigma, px, that answers most.

    Of the attenuation against the slow background the larger eigenvalue of the Hessian, less half of the other's
    size (blobs and edges), times sigma² (Lindeberg, IJCV 30:117, 1998, eq. 49 with gamma 1), in units of the
    other's median, which is noise, and then of the neighbourhood's mean: a faint branch counts like a dark one.
    """
    scale = max(frame.shape) / 512
    grey = np.asarray(frame, dtype=np.float32)
    slow = ndimage.gaussian_filter(grey, _BACKGROUND * scale)
    transmission = np.maximum(grey, 4) / np.maximum(slow, 4)
    best, width = np.zeros(grey.shape, np.float32), np.zeros(grey.shape, np.float32)
    for sigma in _SIGMAS:
        hessian = hessian_matrix(
            np.log(transmission), sigma * scale, mode="nearest", order="rc", use_gaussian_derivatives=False
        )
        across, along = hessian_matrix_eigvals(hessian) * sigma**2
        noise = np.median(np.abs(along)) / 0.6745 + 1e-6
        found = np.maximum(across - 0.5 * np.abs(along), 0) / noise
        width[found > best] = sigma
        best = np.maximum(best, found)
    around = ndimage.uniform_filter(best, round(_NEIGHBOURHOOD * scale))
    return (best / np.maximum(around, 0.6 * np.median(around) + 1e-6)).astype(np.float32), width


def find_ridges(frame: NDArray, vessel: NDArray[np.bool_]) -> Ridges:
    """The ridges of a (Y, X) frame that are not the edges of its outlined ``vessel`` (Y, X)."""
    scale = max(frame.shape) / 512
    response, width = ridge_response(frame)
    ridge = apply_hysteresis_threshold(response, _ENDS, _BEGINS)
    ridge &= ndimage.distance_transform_edt(~vessel) > _CLEARANCE * scale
    parts = components(ridge, connectivity=2)
    line = skeletonize(ridge)
    count = int(parts.max()) + 1
    length = np.bincount(parts[line], minlength=count) / scale
    thin_length = np.bincount(parts[line], weights=width[line] <= _THIN, minlength=count) / scale
    peak = ndimage.maximum(response, parts, np.arange(count))
    keep = length >= _LENGTH
    keep[0] = False
    away, nearest = ndimage.distance_transform_edt(~line, return_indices=True)
    return Ridges(
        parts=np.where(keep[parts], parts, 0).astype(np.int32),
        core=away <= _CORE * scale * width[tuple(nearest)],
        thin=keep & (thin_length > _MOSTLY * length),
        wide=keep & (thin_length < (1 - _MOSTLY) * length),
        clear=keep & (peak >= _CLEAR) & (length >= _CLEAR_LENGTH),
    )


def grown_branches(ridges: Ridges, vessel: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(Y, X) the cores of thin, clear ridges that begin at the outlined ``vessel``, and those that begin at them.

    A catheter, which begins there as well, is wide.
    """
    scale = max(vessel.shape) / 512
    numbers = np.arange(len(ridges.thin))
    grown = np.zeros(len(numbers), dtype=bool)
    for _ in range(_GENERATIONS):
        away = ndimage.distance_transform_edt(~(vessel | grown[ridges.parts]))
        near = ndimage.minimum(away, ridges.parts, numbers) <= _GAP * scale
        grown |= near & ridges.thin & ridges.clear
    return grown[ridges.parts] & ridges.core


def ignore_unlabelled_vessels(frame: NDArray, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mask (Y, X) of 0 and 1 with 255 on ridges away from its outlines: nobody said what they are.

    ARCADE outlines only SYNTAX-relevant segments; correct side branches are background there. Frames without
    outlines are returned as they are.
    """
    vessel = mask == 1
    return np.where(find_ridges(frame, vessel).parts > 0, np.uint8(255), mask) if vessel.any() else mask


def full_tree_label(
    frame: NDArray, mask: NDArray[np.uint8], probability: NDArray[np.float32] | None = None
) -> NDArray[np.uint8]:
    """The label (Y, X) of a full-tree training for a frame with ARCADE's ``mask`` of 0 and 1.

    As `ignore_unlabelled_vessels`, but thin branches that grow from the outlines are vessels (1). With the
    ``probability`` that a model gives, the second round: what it believes in on ignored ridges is vessel, and a
    wide ridge where it sees none is a device or a bone (0). Thin ones it cannot judge: it may have learnt from
    outlines that leave them out.
    """
    vessel = mask == 1
    if not vessel.any():
        return mask
    ridges = find_ridges(frame, vessel)
    label = np.where(ridges.parts > 0, np.uint8(255), mask)
    if probability is not None:
        label[(label == 255) & (probability >= _SURE)] = 1
        label[ridges.wide[ridges.parts] & (probability < _DOUBT)] = 0
    label[grown_branches(ridges, vessel)] = 1
    return label
