"""Pictures and masks stand as Pillow's ``exif_transpose`` shows them, whatever way their pixels lie."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from pathlib import Path

import cine_files as files
import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from src_training.cine import read_cine
from src_training.cine.formats import open_file
from src_training.cine.orientation import upright, upright_size
from src_training.dataset import read_mask
from src_training.errors import BadMask, UnreadableCine

FIELD = Path(__file__).parents[1] / "fixtures" / "field" / "orientation"
GREY = files.grey(frames=1, rows=40, columns=56)[0]
VALUES = range(1, 9)


def exif(value: int) -> bytes:
    notes = Image.Exif()
    notes[274] = value
    return notes.tobytes()


def write(path: Path, kind: str, picture: np.ndarray, value: int) -> Path:
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 98}}.get(kind, {})
    if kind == "TIFF":
        tifffile.imwrite(path, picture, photometric="minisblack", extratags=[(274, "H", 1, value, False)])
    else:
        Image.fromarray(picture).save(path, kind, exif=exif(value), **options)
    return path


def as_pillow_shows(path: Path) -> np.ndarray:
    # From memory: of an uncompressed TIFF on its side that Pillow maps from disk it shows garbage (13.0).
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return np.array(ImageOps.exif_transpose(image).convert("L"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("value", VALUES)
def test_a_picture_stands_upright_as_pillow_shows_it(tmp_path, kind, value):
    path = write(tmp_path / "a", kind, GREY, value)
    shown, cine = as_pillow_shows(path), read_cine(path)
    assert cine.shape == (1, *shown.shape) == (1, *((56, 40) if value > 4 else (40, 56)))
    np.testing.assert_array_equal(cine.frame(0), shown)
    assert len(cine.remarks) == (value != 1)
    assert value == 1 or f"orientation tag says ({value})" in cine.remarks[0]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(VALUES), st.integers(16, 40), st.integers(16, 40), st.sampled_from(["PNG", "TIFF"]))
def test_size_and_pixels_are_pillows_for_any_shape(value, rows, columns, kind):
    picture = np.arange(rows * columns, dtype=np.uint8).reshape(rows, columns)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "a", kind, picture, value)
        shown, cine = as_pillow_shows(path), open_file(path)
        assert cine.shape == (1, *shown.shape)
        np.testing.assert_array_equal(cine.frame(0), shown)


@given(st.sampled_from(VALUES), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2))
def test_turning_agrees_with_the_size_and_leaves_other_axes(value, rows, columns, before):
    stack = np.arange(3**before * rows * columns).reshape(*(3,) * before, rows, columns)
    turned = upright(stack, value, before)
    assert turned.shape[before:] == upright_size(rows, columns, value)
    plane = (1,) * before
    np.testing.assert_array_equal(turned[plane], upright(stack[plane], value))


@pytest.mark.parametrize("value", VALUES)
def test_a_jpeg_of_twelve_bits_is_turned_too(tmp_path, value):
    deep = files.grey(frames=1, bits=12)[0]
    data = imagecodecs.jpeg8_encode(deep, lossless=True, bitspersample=12)
    notes = exif(value)
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(notes) + 2) + notes + data[2:]
    (tmp_path / "a.jpg").write_bytes(data)
    np.testing.assert_array_equal(read_cine(tmp_path / "a.jpg").frame(0), upright(deep, value))


def test_notes_behind_the_pixels_of_a_png_count(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "PNG")
    head, end = buffer.getvalue()[:-12], buffer.getvalue()[-12:]
    body = b"eXIf" + exif(6)[6:]
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(head + chunk + end)
    np.testing.assert_array_equal(read_cine(tmp_path / "a.png").frame(0), np.rot90(GREY, -1))


@pytest.mark.parametrize("notes", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + b"\xff" * 40])
def test_damaged_notes_turn_nothing_and_refuse_nothing(tmp_path, notes):
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=notes)
    np.testing.assert_array_equal(read_cine(tmp_path / "a.png").frame(0), GREY)


@pytest.mark.parametrize("imagej", [False, True])
@pytest.mark.parametrize("value", VALUES)
def test_every_frame_of_a_stack_is_turned(tmp_path, value, imagej):
    stack = files.grey(frames=4, rows=40, columns=56)
    tifffile.imwrite(
        tmp_path / "a.tif",
        stack,
        photometric="minisblack",
        imagej=imagej,
        extratags=[(274, "H", 1, value, False)],
    )
    cine = read_cine(tmp_path / "a.tif")
    assert cine.shape == (4, *upright_size(40, 56, value))
    for t in range(4):
        np.testing.assert_array_equal(cine.frame(t), upright(stack[t], value))


def test_pages_that_stand_differently_are_no_cine(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for value in (1, 1, 3):
            tif.write(GREY, photometric="minisblack", extratags=[(274, "H", 1, value, False)])
    with pytest.raises(
        UnreadableCine, match=r"a\.tif: its pages stand differently \(orientation tags 1, 3\)"
    ):
        read_cine(tmp_path / "a.tif")
    with tifffile.TiffWriter(tmp_path / "m.tif") as tif:
        for value in (1, 1, 3):
            tif.write((GREY > 99).astype(np.uint8), extratags=[(274, "H", 1, value, False)])
    with pytest.raises(BadMask, match="stand differently"):
        read_mask(tmp_path / "m.tif", frame=0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("value", VALUES)
def test_a_mask_is_turned_as_its_picture_is(tmp_path, kind, value):
    drawn = np.zeros((40, 56), np.uint8)
    drawn[3:9, 5:30] = 255
    mask = read_mask(write(tmp_path / "m", kind, drawn, value))
    np.testing.assert_array_equal(mask, upright(drawn, value) == 255)


def test_every_page_of_a_mask_is_turned(tmp_path):
    drawn = (files.grey(frames=5, rows=40, columns=56) > 128).astype(np.uint8)
    tifffile.imwrite(tmp_path / "m.tif", drawn, photometric="minisblack", extratags=[(274, "H", 1, 6, False)])
    for t in range(5):
        np.testing.assert_array_equal(read_mask(tmp_path / "m.tif", frame=t, of=5), np.rot90(drawn[t], -1))


@pytest.mark.parametrize("image", sorted(FIELD.glob("*/images/*")), ids=lambda path: path.name)
def test_masks_drawn_on_the_upright_picture_lie_on_the_vessels(image):
    mask = read_mask(image.parents[1] / "masks" / f"{image.stem}.png").astype(bool)
    frame = read_cine(image).frame(0).astype(float)
    assert frame[mask].mean() < frame[~mask].mean() - 20


def test_the_files_that_people_brought_are_there():
    assert len(list(FIELD.glob("*/images/*"))) == 4
