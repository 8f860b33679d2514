"""napari's way out: a Labels layer as the mask file ``lightvessel segment`` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_lightvessel._marks import stored_mask
from src_training.errors import BadMask


def write_mask(path: str, data: Any, _attributes: dict[str, Any]) -> list[str]:
    """Write labels 0 background, 1 vessel, 2 unsure (kept as 255): ``.png`` indexed, ``.tif`` always (T, Y, X).

    Raises
    ------
    BadMask
        When a stack is to go into a PNG, or the labels are neither (Y, X) nor (T, Y, X).
    """
    labels = np.asarray(data)
    if labels.ndim not in (2, 3):
        raise BadMask(
            f"{Path(path).name}: the labels have {labels.ndim} dimensions. Save (Y, X) or (T, Y, X)."
        )
    mask = stored_mask(labels)
    if Path(path).suffix.lower() == ".png":
        _write_png(path, mask)
    else:
        _write_tiff(path, mask if mask.ndim == 3 else mask[None])
    return [path]


def _write_png(path: str, mask: np.ndarray) -> None:
    from PIL import Image

    if mask.ndim == 3 and len(mask) != 1:
        raise BadMask(f"{Path(path).name}: a PNG holds one frame, these are {len(mask)}. Save as .tif.")
    picture = Image.fromarray(mask.reshape(mask.shape[-2:]), mode="P")
    picture.putpalette([0, 0, 0, 255, 138, 31] + [128, 128, 128] * 254)
    picture.save(path, optimize=True)


def _write_tiff(path: str, mask: np.ndarray) -> None:
    import tifffile

    # minisblack: else tifffile takes 3 or 4 frames for colour channels.
    tifffile.imwrite(path, mask, photometric="minisblack", compression="zlib")
