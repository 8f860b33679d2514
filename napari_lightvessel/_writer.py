"""napari's way out: a Labels layer as the mask file ``lightvessel segment`` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_lightvessel._layers import are_our_labels
from napari_lightvessel._marks import IGNORE, VESSEL, stored_mask
from napari_lightvessel._texts import for_napari
from src_training.errors import BadMask
from src_training.masks import indexed_png, stack_tiff


def write_mask(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write labels 0 background, 2 unsure (as 255), any other vessel: ``.png`` indexed, ``.tif`` (T, Y, X).

    Of a layer that is not ours 0 and 1 are written, and 255 beside them as unsure.

    Raises
    ------
    BadMask
        When the numbers are somebody else's, when a stack is to go into a PNG, or the labels are neither (Y, X)
        nor (T, Y, X).
    """
    try:
        return _write(Path(path), np.asarray(data), attributes)
    except BadMask as error:  # which napari shows by itself
        raise BadMask(for_napari(str(error))) from error


def _write(target: Path, labels: np.ndarray, attributes: dict[str, Any]) -> list[str]:
    if not are_our_labels(attributes.get("metadata") or {}):
        _refuse_foreign(target, labels)
    if labels.ndim not in (2, 3):
        raise BadMask(f"{target.name}: {labels.ndim} dimensions. Save labels of (Y, X) or (T, Y, X).")
    mask = stored_mask(labels).reshape(-1, *labels.shape[-2:])
    if target.suffix.lower() != ".png":
        target.write_bytes(stack_tiff(mask))
    elif len(mask) == 1:
        target.write_bytes(indexed_png(mask[0]))
    else:
        raise BadMask(f"{target.name}: a PNG holds one frame, these are {len(mask)}. Save as .tif.")
    return [str(target)]


def _refuse_foreign(target: Path, labels: np.ndarray) -> None:
    """The numbers of others name cells, organs or pieces: which of them are vessel, only they know."""
    found = np.unique(labels)
    if not np.isin(found, (0, VESSEL, IGNORE)).all() or (IGNORE in found and VESSEL not in found):
        some = ", ".join(map(str, found[:6].tolist())) + (" …" if len(found) > 6 else "")
        raise BadMask(
            f"{target.name}: labels {some} of a layer that LightVessel did not make: which are vessel is not known. "
            "Make vessels 1 and the rest 0, or save it with napari's own writer."
        )
