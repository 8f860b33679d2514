"""What a mask file holds, and which plane of it is meant: for the processes that decode."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.mask_kinds import is_volume
from src_training.errors import BadMask
from src_training.regular import NotRegular, open_regular

_SIDE = 8192
_COLOURS = ("CMYK", "YCbCr", "LAB", "HSV")


def read_plane(path: Path, frame: int | None, of: int | None, stacked: bool = False) -> NDArray:
    """One plane (Y, X) of a mask file, as its numbers; in this very process. Raises BadMask."""
    if is_volume(path):
        return _plane_of_volume(path, frame, of, stacked)
    return plane_of(path.name, _read(path), frame, of, stacked)


def read_colours(path: Path) -> NDArray:
    """(Y, X) of red << 16 | green << 8 | blue of a colour picture. Raises BadMask."""
    from PIL import Image

    try:
        with open_regular(path), Image.open(path) as picture:
            _check_size(path, (picture.height, picture.width), 0)
            values = np.array(picture.convert("RGB")).astype(np.uint32)
    except BadMask:
        raise
    except Exception as error:
        raise BadMask(f"{path.name}: cannot be read as a mask. Save it as PNG.") from error
    return values[..., 0] << 16 | values[..., 1] << 8 | values[..., 2]


def read_embedded(name: str, data: str) -> NDArray:
    """(Y, X) of a PNG that stands as base64 in another file. Raises BadMask."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(data)), formats=["PNG"]) as picture:
            _check_size(Path(name), (picture.height, picture.width), 0)
            return plane_of(name, np.array(picture), None, None)
    except BadMask:
        raise
    except Exception as error:
        raise BadMask(f"{name}: an embedded mask cannot be read. Save it again.") from error


def _plane_of_volume(path: Path, frame: int | None, of: int | None, stacked: bool) -> NDArray:
    from src_training.dataset.mask_volumes import read_volume

    volume = read_volume(path)
    planes = volume.planes(path.name, frame, of, stacked)
    if len(planes) > 1 or volume.offset != (0, 0, 0):
        raise BadMask(
            f"{path.name}: segments that overlap or are cut out. Save it uncut, as a labelmap, or give it to "
            "lightvessel dataset import."
        )
    return planes[0]


def plane_of(name: str, values: NDArray, frame: int | None, of: int | None, stacked: bool = False) -> NDArray:
    """One plane (Y, X) of (Y, X), (T, Y, X) or colour that is grey in fact. Raises BadMask.

    ``stacked``: a single plane is refused where there have to be several.
    """
    values = _grey(name, values) if values.size else values
    if values.ndim not in (2, 3) or not values.size:
        raise BadMask(f"{name}: an array of shape {values.shape} is not a mask (Y, X). Export one plane.")
    if stacked and (of or 1) > 1 and (values.ndim == 2 or len(values) == 1):
        raise BadMask(
            f"{name}: one page for {of} frames. Give a page for every frame, or say of which one it is: "
            "lightvessel dataset append with --frame."
        )
    if values.ndim == 2:
        return values
    if len(values) == 1:
        return values[0]
    if frame is None:
        raise BadMask(
            f"{name}: {len(values)} pages for one image; which one belongs to it? Save that page by itself."
        )
    if of is not None and len(values) != of:
        raise BadMask(f"{name}: {len(values)} pages for {of} frames. Give one page, or one for every frame.")
    if not 0 <= frame < len(values):
        raise BadMask(f"{name}: has pages 0 to {len(values) - 1}, not {frame}. Choose one of them.")
    return values[frame]


def _grey(name: str, values: NDArray) -> NDArray:
    """(Y, X, 1 to 4) colour whose channels are equal, as one channel."""
    if not (values.ndim == 3 and values.shape[-1] in (1, 2, 3, 4) and values.shape[0] > 4):
        return values
    colour, alpha = values[..., :3], None
    if values.shape[-1] in (2, 4):
        colour, alpha = values[..., :-1], values[..., -1]
    if alpha is not None and alpha.min() != alpha.max():
        raise BadMask(
            f"{name}: partly transparent; its mask may hide there. Save it without an alpha channel."
        )
    if not (colour == colour[..., :1]).all():
        raise BadMask(f"{name}: a colour picture, not a mask. Save the mask as one grey or indexed channel.")
    return colour[..., 0]


def _read(path: Path) -> NDArray:
    try:
        with open_regular(path) as stream:
            head = stream.read(132)
        if head[128:] == b"DICM":
            raise BadMask(
                f"{path.name}: a DICOM file. Give a segmentation to lightvessel dataset import --images --masks."
            )
        if head[:6] == b"\x93NUMPY":
            return _checked(path, np.load(path, mmap_mode="r", allow_pickle=False))
        if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _read_tiff(path)
        return _read_picture(path)
    except BadMask:
        raise
    except FileNotFoundError as error:
        raise BadMask(f"{path.name}: there is no such file. Check the path.") from error
    except NotRegular as error:
        raise BadMask(f"{path.name}: {error.strerror}. Give the file of the mask.") from error
    # Decoders raise what they like; whatever it is, this file is not a readable mask.
    except Exception as error:
        reason = " ".join(_without_folder(str(error), path).split())[:160] or type(error).__name__
        raise BadMask(f"{path.name}: cannot be read as a mask ({reason}). Save it as PNG.") from error


def _without_folder(text: str, path: Path) -> str:
    """What a decoder says, with the file's name where it says the whole path, plain or as Python quotes it."""
    for said in (str, lambda name: repr(name)[1:-1]):
        text = text.replace(said(str(path)), said(path.name))
    return text


def _read_tiff(path: Path) -> NDArray:
    import tifffile

    from src_training.cine.orientation import UPRIGHT, of_pages, upright
    from src_training.cine.tiff import is_whole, lists_all_pages

    with tifffile.TiffFile(path) as tiff:
        # Pages that were written one by one are a series each.
        series = [one for one in tiff.series if not one.keyframe.is_reduced] or tiff.series[:1]
        first = series[0]
        if any((one.shape, one.dtype) != (first.shape, first.dtype) for one in series):
            raise BadMask(f"{path.name}: its pages are of several sizes or types. Export one plane.")
        shape = (len(series), *first.shape) if len(series) > 1 else first.shape
        _check_size(path, shape, len(shape) - 2)
        size = path.stat().st_size
        whole = all(is_whole(page, size) for one in series for page in one.pages if page is not None)
        if not (whole and lists_all_pages(tiff)):
            raise BadMask(f"{path.name}: parts of it are missing. Copy or export it again.")
        turns = of_pages(page for one in series for page in one.pages)
        if len(turns) > 1:
            raise BadMask(f"{path.name}: its pages stand differently (orientation tag). Export one plane.")
        values = np.stack([one.asarray() for one in series]).reshape(shape)
        page: Any = first.keyframe
        # ImageJ shows its binary masks through a table that turns grey over; what it calls foreground stays 255.
        turned_over = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and not tiff.is_imagej
        if turned_over and values.dtype.kind in "bu":
            top = 1 if page.bitspersample == 1 else np.iinfo(values.dtype).max
            values = ~values if values.dtype == bool else (top - values).astype(values.dtype)
        rows = values.ndim - first.ndim + first.axes.index("Y")
    return upright(values, turns.pop() if turns else UPRIGHT, rows)


def _read_picture(path: Path) -> NDArray:
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        # The size is checked right here, by our own measure.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path) as picture:
            count = getattr(picture, "n_frames", 1)
            _check_size(path, (count, picture.height, picture.width), 1)
            if count > 1:
                return _read_animation(path)
            if picture.mode in _COLOURS:
                raise BadMask(
                    f"{path.name}: a {picture.mode} picture, not a mask. Save it as grey or indexed."
                )
            palette = picture.getpalette("RGB") if picture.mode == "P" else None
            values = np.array(ImageOps.exif_transpose(picture))
    if palette is None:
        return values
    colours = np.array(palette, np.uint8).reshape(-1, 3)
    used = np.unique(values)
    if used.max() < len(colours) and (colours[used] == colours[used, :1]).all():
        return colours[values, 0]
    return values


def _read_animation(path: Path) -> NDArray:
    """(T, Y, X) greys of a GIF, animated PNG or animated WebP, a page a frame."""
    from PIL import ImageOps

    from src_training.cine.animations import pages

    colours = [
        np.array(ImageOps.exif_transpose(page).convert("RGB")) for page in pages(path.name, path.read_bytes())
    ]
    values = np.stack(colours)
    if not (values == values[..., :1]).all():
        raise BadMask(
            f"{path.name}: an animation in colour, not masks. Save them as a TIFF stack of 0 and 1."
        )
    return values[..., 0]


def _checked(path: Path, values: NDArray) -> NDArray:
    _check_size(path, values.shape, max(0, values.ndim - 2))
    return np.array(values)


def _check_size(path: Path, shape: tuple[int, ...], first: int) -> None:
    if any(side > _SIDE for side in shape[first : first + 2]) or np.prod(shape, dtype=float) > 1 << 30:
        size = "x".join(map(str, shape))
        raise BadMask(
            f"{path.name}: {size} is larger than any angiogram. Export the mask at the image's size."
        )
