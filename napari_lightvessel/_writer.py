"""napari's way out: a Labels layer as the mask file ``lightvessel segment`` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_lightvessel._marks import stored_mask
from src_training.errors import BadMask
from src_training.masks import indexed_png, stack_tiff


def write_mask(path: str, data: Any, _attributes: dict[str, Any]) -> list[str]:
    """Write labels 0 background, 2 unsure (as 255), any other vessel: ``.png`` indexed, ``.tif`` (T, Y, X).

    Raises
    ------
    BadMask
        When a stack is to go into a PNG, or the labels are neither (Y, X) nor (T, Y, X).
    """
    target, labels = Path(path), np.asarray(data)
    if labels.ndim not in (2, 3):
        raise BadMask(f"{target.name}: {labels.ndim} dimensions. Save labels of (Y, X) or (T, Y, X).")
    mask = stored_mask(labels).reshape(-1, *labels.shape[-2:])
    if target.suffix.lower() != ".png":
        target.write_bytes(stack_tiff(mask))
    elif len(mask) == 1:
        target.write_bytes(indexed_png(mask[0]))
    else:
        raise BadMask(f"{target.name}: a PNG holds one frame, these are {len(mask)}. Save as .tif.")
    return [path]
