"""TIFF stacks, read page by page."""

from __future__ import annotations

import logging
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFrame, TiffPage

from src_training.cine import proportions
from src_training.cine.budget import check_frames, check_size, readable, unreadable
from src_training.cine.cine import Cine, FrameSource, Grey, Header, plain_dtype, to_grey
from src_training.cine.colours import remarks_of
from src_training.cine.orientation import UPRIGHT, of_pages, remark, upright, upright_size
from src_training.errors import UnreadableCine

# A damaged file is told in our one line; without a handler the library's remarks would go to the terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_COLOUR = (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR)
_JPEG = (COMPRESSION.OJPEG, COMPRESSION.JPEG, COMPRESSION.ALT_JPEG, COMPRESSION.JPEG_LOSSY)
_GREY = (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE)


def open_tiff(path: Path) -> Cine:
    """Pages of one size as frames; also stacks that describe many frames in one page (ImageJ)."""
    with readable(path.name, "reading the TIFF"), tifffile.TiffFile(path) as tif:
        frames = _stack_in_one_page(path, tif) or _planes(path, tif) or _pages(path, tif)
        if not lists_all_pages(tif):
            raise _truncated(path)
        inverted = tif.pages.first.photometric == PHOTOMETRIC.MINISWHITE
        turn = _orientation(path, tif, frames)
        told = (*proportions.of_page(tif.pages.first), *_channels(tif))
    grey = _grey(frames.dtype, inverted=inverted and tif.pages.first.dtype != bool)
    remarks = (*remark(turn), *_remarks_on_colours(path, frames), *told)
    header = Header(is_multiframe_file=frames.shape[0] > 1, remarks=remarks)
    source = frames if turn == UPRIGHT else TurnedFrames(frames, turn)
    return Cine(source, name=path.name, source=path, grey=grey, header=header)


@dataclass(frozen=True)
class PageFrames:
    """One page a frame; ``planes`` says that the page's colour planes are the frames instead."""

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype
    pages: tuple[int, ...]
    planes: bool = False

    def decode(self, t: int) -> np.ndarray:
        """The stored values of frame ``t``; only its page is read."""
        with tifffile.TiffFile(self.path) as tif:
            page = tif.pages[0 if self.planes else self.pages[t]]
            assert isinstance(page, TiffPage)
            _check_complete(self.path, page)
            picture = page.asarray(maxworkers=1)
            if self.planes:
                return to_grey(picture[t], rgb=False)
            return _page_grey(page, picture)


@dataclass(frozen=True)
class RawFrames:
    """Frames that lie one behind the other in the file."""

    path: Path
    shape: tuple[int, int, int]
    raw_dtype: str
    offset: int

    @property
    def dtype(self) -> np.dtype:
        return plain_dtype(np.dtype(self.raw_dtype))

    def decode(self, t: int) -> np.ndarray:
        """The stored values of frame ``t``."""
        count = self.shape[1] * self.shape[2]
        offset = self.offset + t * count * np.dtype(self.raw_dtype).itemsize
        frame = np.fromfile(self.path, self.raw_dtype, count, offset=offset)
        return to_grey(frame.reshape(self.shape[1:]), rgb=False)


@dataclass(frozen=True)
class TurnedFrames:
    """Frames that lie in the file otherwise than they are to be looked at."""

    lying: FrameSource
    orientation: int

    @property
    def shape(self) -> tuple[int, int, int]:
        frames, rows, columns = self.lying.shape
        return (frames, *upright_size(rows, columns, self.orientation))

    @property
    def dtype(self) -> np.dtype:
        return self.lying.dtype

    def decode(self, t: int) -> np.ndarray:
        """The stored values of frame ``t``, upright."""
        return upright(self.lying.decode(t), self.orientation)


def _remarks_on_colours(path: Path, frames: PageFrames | RawFrames) -> tuple[str, ...]:
    """Of the first, middle and last page, each once."""
    if not isinstance(frames, PageFrames) or frames.planes:
        return ()
    count = len(frames.pages)
    told: dict[str, None] = {}
    with tifffile.TiffFile(path) as tif:
        for n in sorted({frames.pages[0], frames.pages[count // 2], frames.pages[-1]}):
            page = tif.pages[n]
            assert isinstance(page, TiffPage)
            told |= dict.fromkeys(_page_remarks(page))
    return tuple(told)


def _page_remarks(page: TiffPage) -> tuple[str, ...]:
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
        return remarks_of(lambda: _through_palette(page, page.asarray(maxworkers=1)))
    if page.samplesperpixel == 1:
        return ()
    if _is_rgb(page) or (page.samplesperpixel == 2 and page.extrasamples):
        return remarks_of(lambda: _samples_last(page, page.asarray(maxworkers=1)))
    return (f"of the {page.samplesperpixel} values of each pixel the first is read",)


def _samples_last(page: TiffPage, picture: np.ndarray) -> np.ndarray:
    return np.moveaxis(picture, 0, -1) if page.axes == "SYX" else picture


def _through_palette(page: TiffPage, picture: np.ndarray) -> np.ndarray:
    """(Y, X) places in the colour map of a page → (Y, X, 3); maps hold 16 bits, of which some writers fill 8."""
    assert page.colormap is not None
    shift = 8 if page.colormap.max() > 255 else 0
    return (page.colormap.T[picture] >> shift).astype(np.uint8)


def _orientation(path: Path, tif: tifffile.TiffFile, frames: PageFrames | RawFrames) -> int:
    """The one orientation of all pages that are frames."""
    pages = frames.pages if isinstance(frames, PageFrames) and not frames.planes else (0,)
    found = of_pages(tif.pages[n] for n in pages)
    if len(found) > 1:
        values = ", ".join(map(str, sorted(found)))
        raise unreadable(
            path.name,
            f"its pages stand differently (orientation tags {values}), and one cine stands one way",
            "Save each way in a file of its own.",
        )
    return found.pop() if found else UPRIGHT


def _stack_in_one_page(path: Path, tif: tifffile.TiffFile) -> RawFrames | None:
    page = tif.pages.first
    if len(tif.pages) != 1 or page.axes != "YX" or len(tif.series) != 1 or tif.series[0].ndim < 3:
        return None
    series = tif.series[0]
    _check_axes(path, series)
    rows, columns = _check_page(path, page)
    shape = (math.prod(series.shape[:-2]), rows, columns)
    check_frames(path.name, shape[0])
    dtype = np.dtype(tif.byteorder + series.dtype.char)
    if series.dataoffset is None or dtype.kind == "b":
        raise unreadable(path.name, f"{shape[0]} compressed frames in one page", "Save one page a frame.")
    if series.dataoffset + math.prod(shape) * dtype.itemsize > path.stat().st_size:
        raise _truncated(path)
    return RawFrames(path, shape, dtype.str, series.dataoffset)


def _planes(path: Path, tif: tifffile.TiffFile) -> PageFrames | None:
    """A (3 or 4, Y, X) stack that a writer labelled as the planes of a colour image."""
    page = tif.pages.first
    if not (tif.is_shaped and len(tif.pages) == 1 and page.axes == "SYX"):
        return None
    rows, columns = _check_page(path, page)
    assert page.dtype is not None
    return PageFrames(path, (page.samplesperpixel, rows, columns), plain_dtype(page.dtype), (0,), planes=True)


def _pages(path: Path, tif: tifffile.TiffFile) -> PageFrames:
    check_frames(path.name, len(tif.pages))
    # Before the series are looked at: reading those leaves abridged pages behind.
    pages = [
        (n, page) for n, page in enumerate(tif.pages) if isinstance(page, TiffPage) and not page.is_reduced
    ]
    if not pages:
        raise unreadable(path.name, "only previews in this TIFF", "Save the cine itself.")
    for series in tif.series[:1]:
        _check_axes(path, series)
    _check_one_acquisition(path, tif)
    size = _check_page(path, pages[0][1])
    first = pages[0][1]
    for index, page in pages:
        if (page.shape, page.dtype, page.photometric) != (first.shape, first.dtype, first.photometric):
            raise unreadable(
                path.name,
                f"page {index} is {page.shape} {page.dtype}, page 0 is {first.shape} {first.dtype}, "
                "and one cine has one size",
                "Save it with equal pages.",
            )
        _check_complete(path, page)
    assert first.dtype is not None
    dtype = np.dtype(np.uint8) if first.photometric == PHOTOMETRIC.PALETTE else plain_dtype(first.dtype)
    return PageFrames(path, (len(pages), *size), dtype, tuple(index for index, _ in pages))


def _check_axes(path: Path, series: tifffile.TiffPageSeries) -> None:
    leading = [axis for axis, n in zip(series.axes, series.shape, strict=True) if axis not in "YXS" and n > 1]
    if len(leading) > 1:
        raise unreadable(
            path.name,
            f"axes {series.axes} {series.shape}; a cine has time, rows and columns",
            "Save one channel and one slice as a (T, Y, X) stack.",
        )


def _channels(tif: tifffile.TiffFile) -> tuple[str, ...]:
    """Of a file that calls its frames channels: they may be a picture and what was drawn on it."""
    found = [
        n
        for series in tif.series[:1]
        for axis, n in zip(series.axes, series.shape, strict=True)
        if axis == "C"
    ]
    return tuple(f"its {n} channels are taken as frames" for n in found if n > 1)


def _check_one_acquisition(path: Path, tif: tifffile.TiffFile) -> None:
    """Of the several images that OME or ImageJ name each is its own; pages of others without a name are frames."""
    images = [series for series in tif.series if not series.keyframe.is_reduced]
    if (tif.is_ome or tif.is_imagej) and len(images) > 1:
        raise unreadable(
            path.name, f"{len(images)} images in one file, not one cine", "Save each in a file of its own."
        )


def _check_page(path: Path, page: TiffPage) -> tuple[int, int]:
    if page.dtype is None or page.dtype.kind not in "buif" or page.axes not in ("YX", "YXS", "SYX"):
        what = f"pixels of type {page.dtype} with axes {page.axes} are not grey values"
        raise unreadable(path.name, what, "Save it as 8 or 16 bit grey.")
    if page.photometric not in (*_COLOUR, *_GREY, PHOTOMETRIC.PALETTE):
        raise unreadable(path.name, f"colours of kind {page.photometric!r} are not read", "Save it as grey.")
    check_size(path.name, page.imagelength, page.imagewidth, page.dtype.itemsize * page.samplesperpixel)
    return page.imagelength, page.imagewidth


def lists_all_pages(tif: tifffile.TiffFile) -> bool:
    """Whether no page or plane is missing: tifffile passes over those behind a broken link or a cut."""
    planes = (tif.imagej_metadata or {}).get("images", 1)
    if len(tif.pages) == 1 and planes > 1 and tif.series[0].shape == tif.pages.first.shape:
        return False
    tiff, at = tif.tiff, tif.pages[-1].offset
    tif.filehandle.seek(at)
    (tags,) = struct.unpack(tiff.tagnoformat, tif.filehandle.read(tiff.tagnosize))
    tif.filehandle.seek(at + tiff.tagnosize + tags * tiff.tagsize)
    return tif.filehandle.read(tiff.offsetsize) == bytes(tiff.offsetsize)


def is_whole(page: TiffPage | TiffFrame, size: int) -> bool:
    """Whether every strip or tile of a page lies in a file of ``size`` bytes; tifffile shows others as black."""
    there = [
        at > 0 < length and at + length <= size
        for at, length in zip(page.dataoffsets, page.databytecounts, strict=False)
    ]
    assert page.keyframe is not None
    return all(there) and len(there) >= math.prod(page.keyframe.chunked)


def _check_complete(path: Path, page: TiffPage) -> None:
    if not is_whole(page, path.stat().st_size):
        raise _truncated(path)


def _truncated(path: Path) -> UnreadableCine:
    return unreadable(path.name, "the pixel data is truncated", "Copy or export it again.")


def _page_grey(page: TiffPage, picture: np.ndarray) -> np.ndarray:
    if page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
        return to_grey(_through_palette(page, picture), rgb=True)
    if _is_rgb(page) and picture.ndim == 3:
        return to_grey(_samples_last(page, picture), rgb=True)
    if picture.ndim == 3:
        picture = _samples_last(page, picture)[..., 0]
    return to_grey(picture, rgb=False)


def _is_rgb(page: TiffPage) -> bool:
    """Whether the decoded page is red, green, blue; of luminance and chroma only JPEG is converted by the decoder."""
    return page.photometric == PHOTOMETRIC.RGB or (
        page.photometric == PHOTOMETRIC.YCBCR and page.compression in _JPEG
    )


def _grey(dtype: np.dtype, *, inverted: bool) -> Grey:
    if dtype.kind == "f":
        return Grey(low=0.0, high=1.0, inverted=inverted)
    return Grey(low=float(np.iinfo(dtype).min), high=float(np.iinfo(dtype).max), inverted=inverted)
