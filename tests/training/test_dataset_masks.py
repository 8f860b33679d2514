"""Promises about masks from elsewhere: their values are understood by one rule, or refused with what was found."""

from __future__ import annotations

import cine_files as files
import numpy as np
import pytest
import tifffile
from PIL import Image

from src_training.dataset import read_mask
from src_training.dataset.folders import MaskFile
from src_training.errors import BadMask

VESSEL = np.zeros((20, 30), bool)
VESSEL[4:9, 3:27] = True
IGNORED = np.zeros_like(VESSEL)
IGNORED[15:, :] = True
PLAIN = VESSEL.astype(np.uint8)
WITH_IGNORE = np.where(IGNORED, 255, PLAIN).astype(np.uint8)


def as_png(values, **options):
    return lambda path: Image.fromarray(values, **options).save(path.with_suffix(".png"))


def indexed(values, palette):
    def write(path):
        made = Image.new("P", values.shape[::-1])
        made.putdata(values.ravel().tolist())
        made.putpalette(palette)
        made.save(path.with_suffix(".png"))

    return write


def as_tiff(values, **options):
    return lambda path: tifffile.imwrite(path.with_suffix(".tif"), values, **options)


def as_npy(values):
    return lambda path: np.save(path.with_suffix(".npy"), values)


GREY_255 = VESSEL.astype(np.uint8) * 255
GOOD = {
    "one bit PNG": (as_png(VESSEL), PLAIN),
    "0 and 1": (as_png(PLAIN), PLAIN),
    "0 and 255": (as_png(GREY_255), PLAIN),
    "0, 1 and 255": (as_png(WITH_IGNORE), WITH_IGNORE),
    "1 and 255": (as_png(np.where(VESSEL, 255, 1).astype(np.uint8)), np.where(VESSEL, 255, 1)),
    "nothing": (as_png(PLAIN * 0), PLAIN * 0),
    "everything": (as_png(PLAIN * 0 + 1), PLAIN * 0 + 1),
    "grey as RGB": (as_png(np.repeat(GREY_255[..., None], 3, -1)), PLAIN),
    "grey as opaque RGBA": (as_png(np.dstack([*[GREY_255] * 3, GREY_255 * 0 + 255])), PLAIN),
    "palette of colours": (indexed(PLAIN, [0, 0, 0, 255, 128, 0]), PLAIN),
    "palette of black and white": (indexed(PLAIN, [0, 0, 0, 255, 255, 255]), PLAIN),
    "palette of white and black": (indexed(1 - PLAIN, [255, 255, 255, 0, 0, 0]), PLAIN),
    "palette, all of one colour": (indexed(PLAIN * 0 + 1, [0, 0, 0, 255, 128, 0]), PLAIN * 0 + 1),
    "TIFF": (as_tiff(PLAIN, photometric="minisblack"), PLAIN),
    "one bit TIFF": (as_tiff(VESSEL, photometric="minisblack"), PLAIN),
    "compressed TIFF": (as_tiff(GREY_255, compression="zlib", photometric="minisblack"), PLAIN),
    "TIFF where white is zero": (as_tiff(255 - GREY_255, photometric="miniswhite"), PLAIN),
    "TIFF of one page": (as_tiff(PLAIN[None], photometric="minisblack"), PLAIN),
    "16 bit": (as_tiff(GREY_255.astype(np.uint16), photometric="minisblack"), PLAIN),
    "NPY bool": (as_npy(VESSEL), PLAIN),
    "NPY float": (as_npy(VESSEL.astype(np.float32)), PLAIN),
    "NPY with an axis of one channel": (as_npy(PLAIN[..., None]), PLAIN),
    "NPY int64": (as_npy(WITH_IGNORE.astype(np.int64)), WITH_IGNORE),
    "BMP": (lambda path: Image.fromarray(GREY_255).save(path.with_suffix(".bmp")), PLAIN),
    "lossless WebP": (
        lambda path: Image.fromarray(GREY_255).convert("RGB").save(path.with_suffix(".webp"), lossless=True),
        PLAIN,
    ),
}
COLOUR = np.dstack([GREY_255, GREY_255 * 0, GREY_255 * 0])
BAD = {
    "values without a meaning": (as_png(PLAIN * 128), "holds the values 0, 128"),
    "only 255": (as_png(PLAIN * 0 + 255), "holds the values 255"),
    "many values": (as_png(np.arange(600).reshape(20, 30).astype(np.uint8)), "and 248 more"),
    "negative": (as_npy(-PLAIN.astype(np.int8)), "-1, 0"),
    "probabilities": (as_npy(VESSEL * 0.7), "0, 0.7"),
    "NaN": (as_npy(np.where(VESSEL, np.nan, 0)), "NaN"),
    "colour": (as_png(COLOUR), "colour picture"),
    "CMYK": (lambda path: Image.fromarray(COLOUR).convert("CMYK").save(path.with_suffix(".jpg")), "CMYK"),
    "half transparent": (as_png(np.dstack([GREY_255, GREY_255])), "transparent"),
    "JPEG": (lambda path: Image.fromarray(GREY_255).save(path.with_suffix(".jpg")), "--mask-threshold"),
    "no pixels": (as_npy(np.zeros((0, 30), np.uint8)), "an array of shape (0, 30) is not a mask (Y, X)"),
    "a stack": (as_tiff(np.stack([PLAIN] * 3), photometric="minisblack"), "3 pages"),
    "four axes": (as_npy(np.zeros((2, 6, 8, 8))), "is not a mask"),
    "text": (lambda path: path.with_suffix(".png").write_text("hello"), "cannot be read"),
    "empty": (lambda path: path.with_suffix(".png").write_bytes(b""), "cannot be read"),
    "cut short": (
        lambda path: (as_png(WITH_IGNORE)(path), cut(path.with_suffix(".png")))[0],
        "cannot be read",
    ),
    "objects": (lambda path: np.save(path.with_suffix(".npy"), np.array([[{}]], object)), "cannot be read"),
    "huge": (
        lambda path: Image.new("1", (9000, 9000)).save(path.with_suffix(".png")),
        "larger than any angiogram",
    ),
}


def cut(path):
    path.write_bytes(path.read_bytes()[:60])


def written(write, tmp_path):
    write(tmp_path / "mask")
    return next(tmp_path.glob("mask.*"))


@pytest.mark.parametrize("what", GOOD)
def test_a_mask_is_understood(tmp_path, what):
    write, expected = GOOD[what]
    found = read_mask(written(write, tmp_path))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8


@pytest.mark.parametrize("what", BAD)
def test_a_mask_that_is_not_understood_is_refused_in_one_line_that_names_it(tmp_path, what):
    write, line = BAD[what]
    path = written(write, tmp_path)
    with pytest.raises(BadMask) as caught:
        read_mask(path)
    assert line in str(caught.value) and path.name in str(caught.value)
    assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_mask_without_one_of_its_strips_is_refused_rather_than_read_as_background(tmp_path, compression):
    tifffile.imwrite(
        tmp_path / "x.tif", GREY_255, photometric="minisblack", rowsperstrip=4, compression=compression
    )
    files.without_a_strip(tmp_path / "x.tif")
    with pytest.raises(BadMask, match=r"x.tif: parts of it are missing. Copy or export it again."):
        read_mask(tmp_path / "x.tif")


def test_a_missing_mask_is_named(tmp_path):
    with pytest.raises(BadMask, match=r"nowhere\.png: there is no such file"):
        read_mask(tmp_path / "nowhere.png")
    with pytest.raises(BadMask, match=f"{tmp_path.name}: a folder, not a file. Give the file of the mask"):
        read_mask(tmp_path)


@pytest.mark.parametrize(("values", "threshold"), [(VESSEL * 0.7, 0.5), (PLAIN * 128, 128), (GREY_255, 1)])
def test_a_threshold_gives_any_values_a_meaning(values, threshold):
    np.testing.assert_array_equal(read_mask(values, threshold=threshold), PLAIN)


def test_a_threshold_that_empties_a_mask_is_refused():
    with pytest.raises(BadMask, match="nothing reaches the threshold 128"):
        read_mask(PLAIN, threshold=128)
    assert not read_mask(PLAIN * 0, threshold=128).any()
    np.testing.assert_array_equal(read_mask(VESSEL, threshold=128), PLAIN)


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_that_makes_a_whole_frame_vessel_is_refused(threshold):
    with pytest.raises(
        BadMask, match=f"everything reaches the threshold {threshold}; it holds the values 0, 128"
    ):
        read_mask(PLAIN * 128, threshold=threshold)


@pytest.mark.parametrize("threshold", [np.nan, np.inf])
def test_a_threshold_that_is_no_number_is_refused(tmp_path, threshold):
    with pytest.raises(BadMask, match=f"threshold {threshold}: no number"):
        MaskFile(tmp_path / "a.png", threshold)


def test_a_page_of_a_stack_is_chosen_by_its_frame(tmp_path):
    stack = np.stack([PLAIN * 0, PLAIN, PLAIN * 0])
    path = tmp_path / "mask.tif"
    tifffile.imwrite(path, stack, photometric="minisblack")
    np.testing.assert_array_equal(read_mask(path, frame=1, of=3), PLAIN)
    with pytest.raises(BadMask, match="3 pages for 60 frames"):
        read_mask(path, frame=1, of=60)
    with pytest.raises(BadMask, match="pages 0 to 2, not 3"):
        read_mask(path, frame=3)


@pytest.mark.parametrize("options", [{}, {"contiguous": False}, {"compression": "zlib"}, {"metadata": None}])
def test_pages_that_were_written_one_by_one_are_pages_of_one_mask(tmp_path, options):
    planes = [np.roll(PLAIN, t, axis=0) for t in range(4)]
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        for plane in planes:
            writer.write(plane, photometric="minisblack", **options)
    for t, plane in enumerate(planes):
        np.testing.assert_array_equal(read_mask(tmp_path / "x.tif", frame=t, of=4), plane)
    with pytest.raises(BadMask, match="4 pages"):
        read_mask(tmp_path / "x.tif")


def test_pages_of_several_sizes_are_not_a_mask_of_the_first(tmp_path):
    as_tiff(PLAIN, photometric="minisblack")(tmp_path / "x")
    tifffile.imwrite(tmp_path / "x.tif", PLAIN[:-1], photometric="minisblack", append=True)
    with pytest.raises(BadMask, match=r"x.tif: its pages are of several sizes or types. Export one plane."):
        read_mask(tmp_path / "x.tif", frame=1, of=2)


def test_an_imagej_mask_that_lost_its_last_planes_is_not_a_mask_of_one(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.stack([PLAIN] * 4), imagej=True, truncate=True)
    assert read_mask(tmp_path / "x.tif", frame=3, of=4).any()
    (tmp_path / "x.tif").write_bytes((tmp_path / "x.tif").read_bytes()[:-100])
    with pytest.raises(BadMask, match=r"x.tif: parts of it are missing. Copy or export it again."):
        read_mask(tmp_path / "x.tif", frame=3, of=4)


@pytest.mark.parametrize("big", [False, True])
def test_a_mask_cut_between_its_pages_is_not_a_mask_of_fewer(tmp_path, big):
    planes = [np.roll(PLAIN, t, axis=0) for t in range(3)]
    with tifffile.TiffWriter(tmp_path / "whole.tif", bigtiff=big) as writer:
        for plane in planes:
            writer.write(plane, photometric="minisblack", compression="zlib")
    data = (tmp_path / "whole.tif").read_bytes()
    for keep in files.page_ends(tmp_path / "whole.tif"):
        (tmp_path / "x.tif").write_bytes(data[:keep])
        with pytest.raises(BadMask, match=r"x.tif: "):
            read_mask(tmp_path / "x.tif", frame=0)


def test_an_indexed_mask_of_many_palette_entries_is_its_indices(tmp_path):
    """As `segment` writes it: the palette makes the mask visible, the indices are the labels."""
    indexed(PLAIN, [0, 0, 0, 255, 140, 30] + [7, 8, 9] * 254)(tmp_path / "a")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), PLAIN)


@pytest.mark.parametrize("name", ["plain.png", "esc\x1b[31m.png", "apostrophe's.png"])
def test_a_refusal_names_the_file_and_never_its_folder(tmp_path, name):
    folder = tmp_path / "Doe^John\x1b"
    folder.mkdir()
    (folder / name).write_bytes(b"no picture")
    with pytest.raises(BadMask, match="cannot be read as a mask") as refused:
        read_mask(folder / name)
    assert "Doe" not in str(refused.value)
