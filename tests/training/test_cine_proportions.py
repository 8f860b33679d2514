"""Pixels that are not square are told, whatever says so; square ones, and notes that say nothing, are not."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cine_files import write_dicom
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from src_training.cine import read_cine
from src_training.cine.proportions import remark_on_shape

_FRAMES = np.random.default_rng(0).integers(0, 255, (3, 64, 48)).astype(np.uint8)
Write = Callable[[Path, float, float], None]


def _picture(path: Path, high: float, wide: float) -> None:
    Image.fromarray(_FRAMES[0]).save(path, dpi=(round(1200 / wide), round(1200 / high)))


def _tiff(path: Path, high: float, wide: float) -> None:
    tifffile.imwrite(path, _FRAMES, resolution=(1200 / wide, 1200 / high))


def _tag(keyword: str) -> Write:
    def write(path: Path, high: float, wide: float) -> None:
        write_dicom(path, _FRAMES, **{keyword: [round(high * 100), round(wide * 100)]})

    return write


def _video(path: Path, high: float, wide: float) -> None:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=15)
        stream.width, stream.height, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(round(wide * 100), round(high * 100))
        for grey in _FRAMES:
            frame = av.VideoFrame.from_ndarray(np.stack([grey] * 3, -1), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())


_WRITERS: dict[str, Write] = {
    "a.png": _picture,
    "a.jpg": _picture,
    "a.bmp": _picture,
    "a.tif": _tiff,
    "spacing.dcm": _tag("PixelSpacing"),
    "detector.dcm": _tag("ImagerPixelSpacing"),
    "aspect.dcm": _tag("PixelAspectRatio"),
    "a.mp4": _video,
    "a.mkv": _video,
}


@pytest.mark.parametrize("name", _WRITERS)
@pytest.mark.parametrize(("high", "wide"), [(2, 1), (1, 2), (4, 3)])
def test_pixels_that_are_not_square_are_told(tmp_path, name, high, wide):
    _WRITERS[name](tmp_path / name, high, wide)
    told = [line for line in read_cine(tmp_path / name).remarks if "not square" in line]
    assert len(told) == 1 and f"({max(high, wide) / min(high, wide):.3g} to 1)" in told[0]


@pytest.mark.parametrize("name", _WRITERS)
def test_square_pixels_are_no_remark(tmp_path, name):
    _WRITERS[name](tmp_path / name, 1.5, 1.5)
    assert not any("square" in line for line in read_cine(tmp_path / name).remarks)


def test_the_spacing_of_the_pixels_goes_before_their_ratio(tmp_path):
    """A ratio is the fallback of the standard for objects that state no spacing."""
    write_dicom(tmp_path / "a.dcm", _FRAMES, PixelSpacing=[0.2, 0.2], PixelAspectRatio=[2, 1])
    assert not any("square" in line for line in read_cine(tmp_path / "a.dcm").remarks)


@given(st.floats(), st.floats())
def test_what_is_no_size_says_nothing_and_never_breaks(high, wide):
    told = remark_on_shape(high, wide)
    assert told == remark_on_shape(wide, high) and len(told) <= 1


@given(st.floats(1e-6, 1e6), st.floats(1.02, 99))
def test_every_true_difference_is_told(high, longer):
    assert f"({longer:.3g} to 1)" in remark_on_shape(high, high * longer)[0]


@given(st.floats(1e-6, 1e6), st.floats(0.995, 1.005))
def test_rounded_resolutions_are_square(high, off):
    assert remark_on_shape(high, high * off) == ()
