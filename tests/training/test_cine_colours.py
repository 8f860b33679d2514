"""Grey that is stored as colour is read as that grey; what has colours is refused, at whichever frame."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cine_files as files
import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src_training.cine import read_cine
from src_training.errors import UnreadableCine


def write(path, colour, syntax=files.EXPLICIT, photometric="RGB", planar=0, **encoding):
    """(T, Y, X, 3) components as a DICOM file."""
    tags = {"SamplesPerPixel": 3, "PhotometricInterpretation": photometric, "PlanarConfiguration": planar}
    words = np.zeros(colour.shape[:3], colour.dtype)
    if syntax in (files.EXPLICIT, files.BIG):
        order = np.moveaxis(colour, -1, 1) if planar else colour
        order = order.astype(order.dtype.newbyteorder(">" if syntax == files.BIG else "<"))
        return files.write_dicom(path, words, syntax, pixels=order.tobytes(), **tags)
    streams = [encoded(frame, syntax, **encoding) for frame in colour]
    return files.write_dicom(path, words, syntax, codestreams=streams, **tags)


def encoded(frame, syntax, **encoding):
    if syntax == files.JPEG8:
        return imagecodecs.jpeg8_encode(frame, level=95, **encoding)
    if syntax == files.RLE:
        return rle_of_colour(frame)
    if syntax == files.JPEGLS:
        return imagecodecs.jpegls_encode(frame)
    if syntax == files.LOSSLESS_SV1:
        return imagecodecs.jpeg8_encode(frame, lossless=True, predictor=1)
    return imagecodecs.jpeg2k_encode(frame, codecformat="j2k", reversible=True)


def rle_of_colour(frame):
    """One segment a byte of each component, the most significant first."""
    planes = frame.astype(frame.dtype.newbyteorder(">")).view(np.uint8).reshape(*frame.shape[:2], -1)
    segments = [files._packbits(np.ascontiguousarray(planes[..., n])) for n in range(planes.shape[-1])]
    offsets = [len(segments), *np.cumsum([64, *map(len, segments[:-1])]).tolist()]
    return np.array(offsets + [0] * (16 - len(offsets)), "<u4").tobytes() + b"".join(segments)


def grey_as(model, grey):
    if model == "RGB":
        return np.stack([grey] * 3, axis=-1)
    half = np.full_like(grey, 1 << (8 * grey.dtype.itemsize - 1))
    return np.stack([grey, half, half], axis=-1)


EXACT = [files.EXPLICIT, files.BIG, files.RLE, files.JPEGLS, files.JPEG2000, files.LOSSLESS_SV1]


@settings(max_examples=40, deadline=None)
@given(
    syntax=st.sampled_from(EXACT),
    model=st.sampled_from(["RGB", "YBR_FULL"]),
    planar=st.integers(0, 1),
    bits=st.sampled_from([8, 16]),
    frames=st.integers(1, 4),
    coloured=st.none() | st.integers(0, 3),
)
def test_grey_in_any_colour_model_comes_back_exactly_and_colours_never(
    syntax, model, planar, bits, frames, coloured
):
    if syntax == files.LOSSLESS_SV1:
        bits = 8
    grey = files.grey(frames, rows=17, columns=19, bits=bits)
    colour = grey_as(model, grey)
    if coloured is not None:  # a green line of text, on one frame only
        coloured %= frames
        colour[coloured, 4:6, 3:9] = np.array([0, 200, 0]) << (bits - 8)
    with tempfile.TemporaryDirectory() as place:
        path = write(Path(place) / "x.dcm", colour, syntax, model, planar)
        if coloured in {0, frames // 2, frames - 1}:
            with pytest.raises(UnreadableCine, match="a colour capture"):
                read_cine(path)
            return
        cine = read_cine(path)
        assert "read as grey" in cine.remarks[0] and cine.dtype == grey.dtype
        for t in range(frames):
            if t == coloured:
                with pytest.raises(UnreadableCine, match=f"frame {t} of {frames}: a colour capture"):
                    cine.frame(t)
            else:
                np.testing.assert_array_equal(cine.frame(t), grey[t])


@pytest.mark.parametrize(
    "encoding", [{}, {"subsampling": "422"}, {"colorspace": "RGB", "outcolorspace": "RGB"}]
)
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422"])
def test_a_lossy_jpeg_is_grey_whatever_colour_model_its_tags_name(tmp_path, encoding, photometric):
    grey = files.grey()
    cine = read_cine(write(tmp_path / "x.dcm", grey_as("RGB", grey), files.JPEG8, photometric, **encoding))
    assert np.abs(cine.frame(1).astype(int) - grey[1]).mean() < 4


def test_a_lossy_jpeg_with_colours_is_refused(tmp_path):
    colour = grey_as("RGB", files.grey())
    colour[:, 10:14, 10:40] = (255, 220, 0)
    with pytest.raises(UnreadableCine, match="a colour capture"):
        read_cine(write(tmp_path / "x.dcm", colour, files.JPEG8))


def test_a_window_among_the_tags_of_colour_is_none_of_grey_values(tmp_path):
    path = write(tmp_path / "x.dcm", grey_as("RGB", files.grey()))
    assert read_cine(path).window == (0, 255)
