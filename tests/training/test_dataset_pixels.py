"""Promises about stored pixels: values come back equal, the case is the frame's identity."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from src_training.dataset.pixels import canonical, case_id, decode, encode
from src_training.errors import UnreadableCine

SMALL = hnp.array_shapes(min_dims=2, max_dims=2, max_side=8)


def round_trip(pixels):
    png, facts = encode(canonical(pixels))
    return decode(png, facts), facts, png


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["u1", "i1", "u2", "i2", ">u2", ">i2"]).flatmap(lambda dtype: hnp.arrays(dtype, SMALL))
)
def test_8_and_16_bit_frames_come_back_equal(pixels):
    back, facts, _ = round_trip(pixels)
    np.testing.assert_array_equal(back, pixels)
    assert back.dtype == pixels.dtype.newbyteorder("=") and facts["dtype"] == back.dtype.name


@settings(max_examples=60, deadline=None)
@given(
    st.integers(-(2**31), 2**31 - 65536),
    hnp.arrays("u2", SMALL),
    st.sampled_from(["i8", "f8"]),
)
def test_wider_types_that_hold_16_bits_come_back_equal(offset, codes, dtype):
    pixels = (codes.astype(np.int64) + offset).astype(dtype)
    back, _, _ = round_trip(pixels)
    np.testing.assert_array_equal(back, pixels)
    assert back.dtype == pixels.dtype


@settings(max_examples=60, deadline=None)
@given(hnp.arrays("f4", SMALL, elements=st.floats(-1e6, 1e6, width=32)))
@example(np.full((1, 1), 4.360865e-29, np.float32))
@example(np.array([[7.25e-12, np.float32(7.25e-12)]], np.float32))
def test_floats_come_back_within_a_65000th_of_their_range(pixels):
    back, facts, _ = round_trip(pixels)
    span = float(pixels.max()) - float(pixels.min())
    if facts["lossless"]:
        np.testing.assert_array_equal(back, pixels)
    else:
        np.testing.assert_allclose(back, pixels, rtol=1e-6, atol=span / 131000)
    assert back.dtype == np.float32


def test_what_is_not_finite_comes_back_as_nan():
    pixels = np.array([[0.5, np.nan], [np.inf, 2.25]], np.float32)
    back, _, _ = round_trip(pixels)
    np.testing.assert_allclose(back, [[0.5, np.nan], [np.nan, 2.25]])


@pytest.mark.parametrize("dtype", ["u4", "i4", "i8", "u8"])
def test_a_wide_range_of_integers_comes_back_within_a_step(dtype):
    top = min(np.iinfo(dtype).max, 2**52)
    pixels = np.array([[0, top // 2], [top // 3, top]], dtype)
    back, facts, _ = round_trip(pixels)
    assert not facts["lossless"]
    assert np.abs(back.astype(float) - pixels.astype(float)).max() <= float(top) / 65000


def test_a_constant_frame_comes_back():
    for value in (0.1, 7.0, -3.5):
        pixels = np.full((3, 4), value, np.float32)
        np.testing.assert_array_equal(round_trip(pixels)[0], pixels)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4"])
def test_any_viewer_can_open_what_is_stored(dtype):
    pixels = np.random.default_rng(0).integers(0, 120, (5, 7)).astype(dtype)
    picture = Image.open(io.BytesIO(round_trip(pixels)[2]))
    assert picture.size == (7, 5) and picture.mode in ("L", "I;16")
    assert picture.info == {}, "no dates, no names, no text"


def test_the_case_is_the_hash_that_is_documented():
    pixels = np.arange(12, dtype=">u2").reshape(3, 4)
    expected = hashlib.sha256(b"lv1|uint16|3x4|ab|" + pixels.astype("<u2").tobytes()).hexdigest()[:24]
    assert case_id(canonical(pixels), "ab") == expected
    assert case_id(canonical(pixels.astype("<u2")[:, :].copy(order="F")), "ab") == expected


def test_type_shape_patient_and_every_pixel_tell_cases_apart():
    base = np.zeros((4, 6), np.uint8)
    changed = base.copy()
    changed[2, 3] = 1
    variants = [
        (base, None),
        (base, "a"),
        (changed, None),
        (base.reshape(6, 4), None),
        (base.view("i1"), None),
    ]
    assert len({case_id(canonical(pixels), key) for pixels, key in variants}) == len(variants)


def test_minus_zero_is_the_same_frame():
    assert case_id(canonical(np.array([[-0.0, 1.5]])), None) == case_id(
        canonical(np.array([[0.0, 1.5]])), None
    )


def test_a_bool_frame_is_black_and_white():
    assert canonical(np.array([[True, False]])).tolist() == [[255, 0]]


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (0, 4)])
def test_what_is_not_one_frame_is_refused(shape):
    with pytest.raises(UnreadableCine, match="Y, X"):
        canonical(np.zeros(shape))


@pytest.mark.parametrize("cut", [0, 10, 40, -30])
def test_a_damaged_png_is_a_value_error(cut):
    png, facts = encode(np.random.default_rng(0).integers(0, 255, (9, 9)).astype(np.uint8))
    with pytest.raises(ValueError, match=r".+"):
        decode(png[:cut], facts)


def test_a_png_of_another_size_is_refused_before_it_is_decoded():
    png, facts = encode(np.zeros((9, 9), np.uint8))
    with pytest.raises(ValueError, match="recorded is"):
        decode(png, {**facts, "shape": [8, 8]})
