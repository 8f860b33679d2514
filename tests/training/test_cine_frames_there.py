"""The frames that a DICOM file holds are read, all of them and each its own bytes, whatever the header says."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cine_files as files
import numpy as np
import pydicom
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src_training.cine import read_cine
from src_training.errors import UnreadableCine

FIELD = Path(__file__).parents[1] / "fixtures" / "field"
LINE = "NumberOfFrames is {}, but the pixel data holds {} frames: all {} are read."


def frames_of(path):
    cine = read_cine(path)
    return np.stack([cine.stored(t) for t in range(len(cine))])


@pytest.mark.parametrize(("name", "stated"), [("nof_native_3.dcm", 3), ("nof_encaps_1.dcm", 1)])
def test_all_frames_that_are_there_are_read_and_the_header_is_said_to_disagree(name, stated):
    path = FIELD / "number-of-frames" / name
    assert len(frames_of(path)) == 5
    assert read_cine(path).remarks == (f"{name}: {LINE.format(stated, 5, 5)}",)
    np.testing.assert_array_equal(*(frames_of(one) for one in sorted(path.parent.iterdir())))


@settings(max_examples=40, deadline=None)
@given(
    there=st.integers(1, 5),
    stated=st.integers(1, 6) | st.none(),
    syntax=st.sampled_from([files.EXPLICIT, files.BIG, files.LOSSLESS_SV1, files.JPEG2000, files.RLE]),
    table=st.sampled_from(["basic", "none", "extended"]),
    fragments=st.integers(1, 3),
    rows=st.integers(16, 19),
)
@example(5, 1, files.RLE, "none", 2, 17)
def test_frames_are_counted_as_they_are(there, stated, syntax, table, fragments, rows):
    words = files.grey(frames=there, rows=rows, columns=17)
    if table == "extended":
        fragments = 1  # such a table means one fragment a frame
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "x.dcm"
        files.write_dicom(path, words, syntax, NumberOfFrames=stated, table=table, fragments=fragments)
        if stated is not None and stated > there:
            with pytest.raises(UnreadableCine, match=r"truncated"):
                read_cine(path)
            return
        np.testing.assert_array_equal(frames_of(path), words)
        remarks = () if stated in (there, None) else (f"x.dcm: {LINE.format(stated, there, there)}",)
        assert read_cine(path).remarks == remarks


@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.LOSSLESS_SV1])
def test_a_part_of_a_frame_behind_the_last_one_is_no_frame(tmp_path, syntax):
    words = files.grey(frames=3)
    if syntax == files.EXPLICIT:
        path = files.write_dicom(tmp_path / "x.dcm", words, pixels=words.tobytes()[:-100], NumberOfFrames=2)
    else:
        streams = [files.encode(frame, syntax, 8) for frame in words]
        streams[2] = streams[2][: len(streams[2]) // 2]
        path = files.write_dicom(tmp_path / "x.dcm", words, syntax, codestreams=streams, NumberOfFrames=2)
    np.testing.assert_array_equal(frames_of(path), words[:2])
    assert read_cine(path).remarks == ()


@pytest.mark.parametrize("stated", [2, None])
def test_frames_of_a_writer_that_ends_none_of_them_are_all_there(tmp_path, stated):
    words = files.grey(frames=4)
    streams = [files.encode(frame, files.JPEG2000, 8).removesuffix(b"\xff\xd9") for frame in words]
    path = files.write_dicom(
        tmp_path / "x.dcm", words, files.JPEG2000, codestreams=streams, NumberOfFrames=stated
    )
    assert len(read_cine(path)) == 4


def test_more_frames_than_any_acquisition_has_are_refused_though_the_header_says_one(tmp_path):
    words = np.zeros((5001, 16, 16), np.uint8)
    path = files.write_dicom(tmp_path / "x.dcm", words, NumberOfFrames=1)
    with pytest.raises(UnreadableCine, match="5001 frames; at most 5000 are read"):
        read_cine(path)


# -- what stands behind the last pixel of an RLE segment ---------------------------------------------------------


def test_rle_padded_with_another_byte_than_0_is_decoded():
    path = FIELD / "rle-padding" / "8_0x20.dcm"
    np.testing.assert_array_equal(frames_of(path), pydicom.dcmread(path).pixel_array)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(16, 19),
    columns=st.integers(16, 19),
    deep=st.booleans(),
    padding=st.binary(max_size=9),
)
@example(16, 16, True, b"\xff\x20")  # a run of its own: one plane grew into the next
@example(17, 17, False, b"\x20")
@example(17, 17, True, b"\x7f\x80")
def test_what_stands_behind_the_last_pixel_is_not_looked_at(rows, columns, deep, padding):
    words = files.grey(2, rows, columns, bits=16 if deep else 8)
    streams = [padded_rle(frame, padding) for frame in words]
    with tempfile.TemporaryDirectory() as place:
        path = files.write_dicom(Path(place) / "x.dcm", words, files.RLE, codestreams=streams)
        np.testing.assert_array_equal(frames_of(path), words)


def padded_rle(words, padding):
    planes = words.astype(words.dtype.newbyteorder(">")).view(np.uint8).reshape(*words.shape, -1)
    segments = [
        files._packbits(np.ascontiguousarray(planes[..., n])) + padding for n in range(planes.shape[-1])
    ]
    offsets, at = [len(segments)] + [0] * 15, 64
    for index, segment in enumerate(segments):
        offsets[index + 1] = at
        at += len(segment)
    return np.array(offsets, "<u4").tobytes() + b"".join(segments)


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_rle_that_ends_before_its_last_pixel_is_refused(tmp_path, keep):
    words = files.grey(1)
    stream = files.rle(words[0])
    path = files.write_dicom(
        tmp_path / "x.dcm", words, files.RLE, codestreams=[stream[: int(keep * len(stream))]]
    )
    with pytest.raises(UnreadableCine, match="the RLE data is truncated"):
        frames_of(path)


# -- bytes of 8-bit pixels in big-endian words -------------------------------------------------------------------


def test_odd_frames_in_big_endian_words_are_their_own_bytes():
    path = FIELD / "odd-frames-in-big-endian-words" / "be_odd.dcm"
    data = path.read_bytes()
    start = data.index(b"\x7f\xe0\0\x10OW") + 12
    straight = np.frombuffer(data[start:], "u2").byteswap().view(np.uint8)[: 3 * 49 * 63]
    np.testing.assert_array_equal(frames_of(path), straight.reshape(3, 49, 63))


@settings(max_examples=40, deadline=None)
@given(frames=st.integers(1, 4), rows=st.integers(16, 19), columns=st.integers(16, 19))
@example(3, 17, 17)
def test_frames_of_any_size_in_big_endian_words_are_their_own_bytes(frames, rows, columns):
    words = files.grey(frames, rows, columns)
    padded = np.frombuffer(words.tobytes() + b"\0" * (words.size % 2), "u2").byteswap().tobytes()
    with tempfile.TemporaryDirectory() as place:
        path = files.write_dicom(Path(place) / "x.dcm", words, files.BIG, pixels=padded)
        path.write_bytes(path.read_bytes().replace(b"\x7f\xe0\0\x10OB", b"\x7f\xe0\0\x10OW"))
        np.testing.assert_array_equal(frames_of(path), words)
