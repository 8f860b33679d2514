"""How a picture stands: the orientation tag of EXIF and TIFF, honoured as Pillow's ``exif_transpose`` does."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable

import numpy as np
import tifffile

UPRIGHT = 1
_TAG = 274
_ON_THEIR_SIDE = (5, 6, 7, 8)
_FROM_BELOW, _FROM_RIGHT = (3, 4, 7, 8), (2, 3, 6, 7)
_EXIF_IN_JPEG = b"Exif\0\0"

#: What reading a picture's notes ends in where they are damaged. Such notes say nothing, and damaged pixels are told
#: when they are decoded.
DAMAGED_NOTES = (
    OSError,
    ValueError,
    SyntaxError,
    LookupError,
    TypeError,
    EOFError,
    ArithmeticError,
    struct.error,
)


def upright(picture: np.ndarray, orientation: int, rows: int = 0) -> np.ndarray:
    """A picture as it is to be looked at; ``orientation`` is the tag's value, 1 to 8, ``rows`` the axis before X."""
    if orientation in _ON_THEIR_SIDE:
        picture = picture.swapaxes(rows, rows + 1)
    down, along = (
        slice(None, None, -1 if orientation in turned else 1) for turned in (_FROM_BELOW, _FROM_RIGHT)
    )
    return picture[(*(slice(None),) * rows, down, along)]


def upright_size(rows: int, columns: int, orientation: int) -> tuple[int, int]:
    """Rows and columns of the upright picture from those that are stored."""
    return (columns, rows) if orientation in _ON_THEIR_SIDE else (rows, columns)


def remark(orientation: int) -> tuple[str, ...]:
    """What a person should know of a picture that was turned."""
    if orientation == UPRIGHT:
        return ()
    return (f"turned upright, as its orientation tag says ({orientation})",)


def of_image(data: bytes) -> int:
    """The orientation that a JPEG, PNG or WebP states in its EXIF or XMP; 1 where it states none that is known."""
    try:
        return _known(_stated(data))
    except DAMAGED_NOTES:
        return UPRIGHT


def _stated(data: bytes) -> object:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.getexif().get(_TAG)
    except UnidentifiedImageError:  # Pillow opens no JPEG of more than 8 bits
        exif = Image.Exif()
        exif.load(_exif_of_jpeg(data))
        return exif.get(_TAG)


def of_pages(pages: Iterable[tifffile.TiffPage | tifffile.TiffFrame | None]) -> set[int]:
    """The orientations that the pages of a TIFF state."""
    whole = [page.aspage() for page in pages if page is not None and page.offset]
    return {_known(page.tags.valueof(_TAG)) for page in whole}


def _known(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def _exif_of_jpeg(data: bytes) -> bytes:
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1] not in (0xDA, 0xD9):
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : at + 2 + length]
        if data[at + 1] == 0xE1 and segment.startswith(_EXIF_IN_JPEG):
            return segment
        at += 2 + max(2, length)
    return b""
