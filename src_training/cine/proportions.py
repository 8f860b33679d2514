"""Pixels that are not square: told, since what is drawn and measured on them is too wide or too high."""

from __future__ import annotations

import io
import math

import tifffile

from src_training.cine.orientation import DAMAGED_NOTES

_SQUARE = 1.01  # resolutions are written rounded
_ABSURD = 100


def remark_on_shape(high: float, wide: float) -> tuple[str, ...]:
    """What a person should know of pixels of this height and width, in any one unit; what is no size says nothing."""
    if not (0 < high < math.inf and 0 < wide < math.inf):
        return ()
    longer = max(high, wide) / min(high, wide)
    if not _SQUARE < longer < _ABSURD:
        return ()
    # Which way they are longer is left unsaid: the picture may have been turned.
    return (
        f"its pixels are not square ({longer:.3g} to 1) and are taken as square: "
        "lengths and widths are not true before it is resampled",
    )


def of_image(data: bytes) -> tuple[str, ...]:
    """The remark on a PNG, JPEG, WebP or BMP that states two different resolutions."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            across, down = image.info.get("aspect") or image.info.get("jfif_density") or image.info["dpi"]
            return _of_resolution(float(across), float(down))
    except DAMAGED_NOTES:
        return ()


def of_page(page: tifffile.TiffPage) -> tuple[str, ...]:
    """The remark on a TIFF whose first page states two different resolutions."""
    try:
        (across, by), (down, per) = (page.tags.valueof(f"{axis}Resolution") for axis in "XY")
        return _of_resolution(across / by, down / per)
    except (TypeError, ValueError, ArithmeticError):
        return ()


def _of_resolution(across: float, down: float) -> tuple[str, ...]:
    """Of so many pixels to a length each way: the more of them, the smaller they are."""
    return remark_on_shape(high=across, wide=down)
