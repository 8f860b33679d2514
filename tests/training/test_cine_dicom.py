"""DICOM: every transfer syntax, every grey representation, every way frames lie in a file."""

from __future__ import annotations

import cine_files as files
import numpy as np
import pydicom
import pytest

from src_training.cine import dicom, read_cine
from src_training.cine.formats import open_file
from src_training.errors import UnreadableCine

EXACT = {
    "implicit little endian": files.IMPLICIT,
    "explicit little endian": files.EXPLICIT,
    "explicit big endian": files.BIG,
    "deflated": files.DEFLATED,
    "RLE": files.RLE,
    "JPEG Lossless": files.LOSSLESS,
    "JPEG Lossless SV1": files.LOSSLESS_SV1,
    "JPEG-LS": files.JPEGLS,
    "JPEG 2000": files.JPEG2000,
    "HTJ2K": files.HTJ2K,
}
LOSSY = {
    "8-bit JPEG": (files.JPEG8, 8, 6),
    "12-bit JPEG": (files.JPEG12, 12, 60),
    "JPEG-LS near-lossless": (files.JPEGLS_NEAR, 12, 2),
    "JPEG 2000 lossy": (files.JPEG2000_LOSSY, 8, 6),
}


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("syntax", EXACT.values(), ids=EXACT.keys())
def test_lossless_syntaxes_give_back_every_pixel(tmp_path, syntax, bits):
    words = files.grey(bits=bits)
    cine = read_cine(files.write_dicom(tmp_path / "run.dcm", words, syntax, bits=bits))
    assert cine.shape == words.shape and cine.dtype == words.dtype
    for t in range(len(cine)):
        np.testing.assert_array_equal(cine.stored(t), words[t])


@pytest.mark.parametrize(("syntax", "bits", "off_by"), LOSSY.values(), ids=LOSSY.keys())
def test_lossy_syntaxes_come_close(tmp_path, syntax, bits, off_by):
    words = files.grey(bits=bits)
    words[:, 0, :2] = words[:, 1, :2]
    cine = read_cine(files.write_dicom(tmp_path / "run.dcm", words, syntax, bits=bits))
    worst = max(np.abs(cine.stored(t).astype(int) - words[t]).max() for t in range(len(cine)))
    assert worst <= off_by


@pytest.mark.parametrize(
    "syntax", [files.EXPLICIT, files.RLE, files.LOSSLESS_SV1, files.JPEGLS, files.JPEG2000]
)
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_shown_pixels_equal_an_independent_reference(tmp_path, syntax, bits, signed, photometric):
    words = files.grey(frames=1, bits=bits)
    path = files.write_dicom(
        tmp_path / "x.dcm",
        words,
        syntax,
        bits=bits,
        PixelRepresentation=int(signed),
        PhotometricInterpretation=photometric,
        RescaleSlope=2,
        RescaleIntercept=-7,
    )
    stored = words[0].astype(np.int64)
    if signed:
        stored = np.where(stored >= 2 ** (bits - 1), stored - 2**bits, stored)
    shown = 2.0 * stored - 7
    if photometric == "MONOCHROME1":
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        shown = (2.0 * low - 7) + (2.0 * high - 7) - shown
    cine = read_cine(path)
    np.testing.assert_array_equal(cine.stored(0), stored)
    np.testing.assert_array_equal(cine.frame(0), shown)
    assert cine.inverted == (photometric == "MONOCHROME1")


def test_without_rescale_frames_stay_integers(tmp_path):
    words = files.grey(bits=12)
    cine = read_cine(
        files.write_dicom(tmp_path / "x.dcm", words, bits=12, PhotometricInterpretation="MONOCHROME1")
    )
    assert cine.frame(1).dtype == np.uint16
    np.testing.assert_array_equal(cine.frame(1), 4095 - words[1])


@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.RLE, files.LOSSLESS_SV1])
def test_overlay_bits_and_a_high_bit_above_are_masked_off(tmp_path, syntax):
    values = files.grey(bits=10)
    words = (values << 4) | 0x800F
    path = files.write_dicom(tmp_path / "x.dcm", words, syntax, bits=10, HighBit=13)
    if syntax == files.LOSSLESS_SV1:
        streams = [files.encode(frame, syntax, 16) for frame in words]
        path = files.write_dicom(path, words, syntax, bits=10, HighBit=13, codestreams=streams)
    np.testing.assert_array_equal(read_cine(path).stored(2), values[2])


@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.BIG])
@pytest.mark.parametrize(
    ("words", "tags", "told"),
    [
        (files.grey(bits=12), {"BitsStored": 10, "HighBit": 9}, True),
        (files.grey(bits=12), {"BitsStored": 8, "HighBit": 7}, True),
        (files.grey(bits=12), {"BitsStored": 12, "HighBit": 11}, False),
        (files.grey(bits=12) << 4, {"BitsStored": 12, "HighBit": 15}, False),
        (files.grey(bits=10) | 0x8000, {"BitsStored": 10, "HighBit": 9}, True),
        (files.grey(bits=12) - 2048, {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}, False),
        (files.grey(bits=12) & 0xFFF, {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}, False),
        (files.grey(bits=12), {"BitsStored": 10, "HighBit": 9, "PixelRepresentation": 1}, True),
    ],
)
def test_bits_beyond_those_that_are_shown_are_told(tmp_path, syntax, words, tags, told):
    path = files.write_dicom(tmp_path / "x.dcm", words.astype(np.uint16), syntax, **tags)
    remarks = read_cine(path).remarks
    assert len(remarks) == told and (not told or "grey values that are cut off" in remarks[0])


def test_eight_bit_pixels_in_big_endian_words_are_swapped_back(tmp_path):
    words = files.grey()
    swapped = words.view(np.uint16).byteswap().tobytes()
    path = files.write_dicom(tmp_path / "x.dcm", words, files.BIG, pixels=swapped)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x7f\xe0\0\x10OB", b"\x7f\xe0\0\x10OW"))
    np.testing.assert_array_equal(read_cine(path).stored(1), words[1])


@pytest.mark.parametrize("padding", [-2000, 63536])
def test_padding_is_the_darkest_value_and_not_in_the_window(tmp_path, padding):
    values = files.grey(bits=12).astype(np.int16)
    values[:, :, :8] = -2000
    tags = {"PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15}
    path = files.write_dicom(tmp_path / "x.dcm", values.view(np.uint16), **tags, PixelPaddingValue=-2000)
    if padding > 0:
        data = path.read_bytes().replace(b"\x28\0\x20\x01SS", b"\x28\0\x20\x01US")
        path.write_bytes(data)
    cine = read_cine(path)
    assert cine.stored(0).min() == -2000
    assert cine.frame(0).min() == values[:, :, 8:][0].min()
    assert cine.window[0] >= 0


def test_padding_stays_dark_after_inversion(tmp_path):
    words = files.grey(bits=8) // 2 + 20
    words[:, :, :8] = 0
    path = files.write_dicom(
        tmp_path / "x.dcm", words, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0
    )
    frame = read_cine(path).frame(0)
    assert (frame[:, :8] == frame.min()).all() and frame.min() == 255 - words[0].max()


LAYOUTS = [
    ("basic", 1),
    ("none", 1),
    ("basic", 3),
    ("none", 3),
    ("extended", 1),
]


@pytest.mark.parametrize(("table", "fragments"), LAYOUTS)
@pytest.mark.parametrize("syntax", [files.LOSSLESS_SV1, files.JPEG2000])
def test_frames_are_found_in_every_fragmentation(tmp_path, table, fragments, syntax):
    words = files.grey(frames=5)
    cine = read_cine(files.write_dicom(tmp_path / "x.dcm", words, syntax, table=table, fragments=fragments))
    np.testing.assert_array_equal(cine.stored(3), words[3])
    np.testing.assert_array_equal(cine.stored(4), words[4])


def test_a_wrong_offset_table_is_not_believed(tmp_path):
    words = files.grey(frames=4)
    path = files.write_dicom(tmp_path / "x.dcm", words, files.LOSSLESS_SV1)
    data = bytearray(path.read_bytes())
    item = data.index(b"\xfe\xff\x00\xe0\x10\0\0\0")
    data[item + 12 : item + 16] = (12345).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    np.testing.assert_array_equal(read_cine(path).stored(2), words[2])


def test_one_frame_in_many_fragments_is_one_frame(tmp_path):
    words = files.grey(frames=1)
    path = files.write_dicom(tmp_path / "x.dcm", words, files.RLE, table="none", fragments=4)
    np.testing.assert_array_equal(read_cine(path).stored(0), words[0])


@pytest.mark.parametrize("syntax", [files.IMPLICIT, files.EXPLICIT, files.BIG])
@pytest.mark.parametrize("meta", [True, False])
@pytest.mark.parametrize("name", ["noname", "x.dcm", "x.tif"])
def test_files_without_a_preamble_or_with_a_wrong_name_open(tmp_path, syntax, name, meta):
    words = files.grey(bits=12)
    path = files.write_dicom(tmp_path / name, words, syntax, bits=12, preamble=False, meta=meta)
    assert path.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_cine(path).stored(1), words[1])


def test_showing_one_frame_of_a_hundred_decodes_one_frame(tmp_path, monkeypatch):
    words = files.grey(frames=100, rows=32, columns=32)
    path = files.write_dicom(tmp_path / "run.dcm", words, files.LOSSLESS_SV1)
    decoded = []
    whole = dicom.decode_frame
    monkeypatch.setattr(
        dicom, "decode_frame", lambda *args, **kind: decoded.append(args[2]) or whole(*args, **kind)
    )
    cine = open_file(path)
    assert decoded == []
    np.testing.assert_array_equal(cine.frame(57), words[57])
    np.testing.assert_array_equal(cine.stored(57), words[57])
    assert decoded == ["run.dcm: frame 57 of 100"]


def test_the_stack_decodes_only_what_is_computed(tmp_path, monkeypatch):
    words = files.grey(frames=20, rows=32, columns=32)
    path = files.write_dicom(tmp_path / "run.dcm", words, files.RLE, RescaleSlope=0.5)
    decoded = []
    whole = dicom.decode_frame
    monkeypatch.setattr(
        dicom, "decode_frame", lambda *args, **kind: decoded.append(args[2]) or whole(*args, **kind)
    )
    stack = open_file(path).stack()
    assert stack.shape == words.shape and stack.chunksize == (1, 32, 32) and stack.dtype == np.float32
    np.testing.assert_array_equal(stack[7].compute(), words[7] * np.float32(0.5))
    assert decoded == ["run.dcm: frame 7 of 20"]


def test_a_damaged_late_frame_is_named_and_the_others_open(tmp_path):
    words = files.grey(frames=9)
    streams = [files.encode(frame, files.JPEGLS, 8) for frame in words]
    streams[7] = streams[7][:-20] + b"\xff\xd9"
    cine = read_cine(files.write_dicom(tmp_path / "run.dcm", words, files.JPEGLS, codestreams=streams))
    np.testing.assert_array_equal(cine.frame(8), words[8])
    with pytest.raises(UnreadableCine, match=r"run.dcm: frame 7 of 9"):
        cine.frame(7)


MISSING = [
    "PatientID",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "SamplesPerPixel",
    "BitsStored",
    "HighBit",
]
MISSING += ["PixelRepresentation", "SOPClassUID", "BitsAllocated"]


@pytest.mark.parametrize("keyword", MISSING)
def test_a_missing_tag_has_a_default(tmp_path, keyword):
    words = files.grey(frames=1)
    tags = {keyword: None} if keyword != "BitsAllocated" else {"BitsAllocated": None}
    cine = read_cine(files.write_dicom(tmp_path / "x.dcm", words, **tags))
    np.testing.assert_array_equal(cine.frame(0), words[0])


def test_a_missing_number_of_frames_is_counted(tmp_path):
    words = files.grey(frames=3)
    for syntax in (files.EXPLICIT, files.RLE, files.LOSSLESS_SV1):
        cine = read_cine(files.write_dicom(tmp_path / "x.dcm", words, syntax, NumberOfFrames=None))
        np.testing.assert_array_equal([cine.frame(t) for t in range(len(cine))], words)


def test_an_odd_single_frame_without_a_number_is_one_frame(tmp_path):
    words = files.grey(frames=1, rows=47, columns=63)
    padded = words.tobytes() + b"\0"
    cine = read_cine(files.write_dicom(tmp_path / "x.dcm", words, pixels=padded, NumberOfFrames=None))
    np.testing.assert_array_equal([cine.frame(t) for t in range(len(cine))], words)


@pytest.mark.parametrize("padding", [0, 64])
@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize(
    ("syntax", "said"), [(files.IMPLICIT, files.EXPLICIT), (files.EXPLICIT, files.IMPLICIT)]
)
def test_a_data_set_encoded_otherwise_than_its_meta_says_is_read_as_it_is(
    tmp_path, syntax, said, bits, padding
):
    trailing = {"DataSetTrailingPadding": bytes(padding)} if padding else {}
    path = files.write_dicom(tmp_path / "x.dcm", files.grey(bits=bits), syntax, bits=bits, **trailing)
    files.say_syntax(path, said)
    with pytest.warns(UserWarning, match="VR"):
        expected = pydicom.dcmread(path).pixel_array
    cine = read_cine(path)
    np.testing.assert_array_equal([cine.stored(t) for t in range(len(cine))], expected)


def test_pixels_of_a_vr_that_nobody_knows_are_read(tmp_path):
    path = files.write_dicom(tmp_path / "x.dcm", files.grey())
    path.write_bytes(path.read_bytes().replace(b"\xe0\x7f\x10\0OB", b"\xe0\x7f\x10\0??"))
    np.testing.assert_array_equal(read_cine(path).frame(1), files.grey()[1])
