"""Image files, arrays, TIFF stacks and folders of frames."""

from __future__ import annotations

import io
import pickle

import cine_files as files
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from src_training.cine import array_cine, find_inputs, luminance, read_cine
from src_training.cine.cine import Cine
from src_training.cine.formats import open_file
from src_training.cine.read import left_out
from src_training.cine.sniff import stem_of
from src_training.errors import UnreadableCine

GREY = files.grey(frames=1)[0]
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)
LUMINANCE = np.asarray(Image.fromarray(COLOUR).convert("L"))
DEEP = files.grey(frames=1, bits=16)[0]


def saved(kind, picture, mode=None, **options):
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


LOSSLESS = {
    "PNG grey": (saved("PNG", GREY), GREY),
    "PNG colour": (saved("PNG", COLOUR), LUMINANCE),
    "PNG grey as colour": (saved("PNG", GREY, "RGB"), GREY),
    "PNG colour and alpha": (saved("PNG", COLOUR, "RGBA"), LUMINANCE),
    "PNG grey and alpha": (saved("PNG", GREY, "LA"), GREY),
    "PNG palette": (saved("PNG", GREY, "P"), np.asarray(Image.fromarray(GREY).convert("P").convert("L"))),
    "PNG 1 bit": (saved("PNG", Image.fromarray(GREY > 99)), (GREY > 99) * np.uint8(255)),
    "PNG 16 bit": (imagecodecs.png_encode(DEEP), DEEP),
    "PNG 16 bit and alpha": (imagecodecs.png_encode(np.stack([DEEP, DEEP], -1)), DEEP),
    "PNG 16 bit colour": (imagecodecs.png_encode(np.stack([DEEP] * 3, -1)), DEEP),
    "BMP grey": (saved("BMP", GREY), GREY),
    "BMP colour": (saved("BMP", COLOUR), LUMINANCE),
    "BMP 1 bit": (saved("BMP", Image.fromarray(GREY > 99)), (GREY > 99) * np.uint8(255)),
    "WebP lossless": (saved("WEBP", GREY, "RGB", lossless=True), GREY),
    "WebP lossless, alpha": (saved("WEBP", COLOUR, "RGBA", lossless=True, exact=True), LUMINANCE),
}


@pytest.mark.parametrize(("data", "expected"), LOSSLESS.values(), ids=LOSSLESS.keys())
def test_image_files_give_their_grey_values(tmp_path, data, expected):
    (tmp_path / "frame.any").write_bytes(data)
    cine = read_cine(tmp_path / "frame.any")
    assert cine.shape == (1, *GREY.shape) and not cine.is_multiframe_file
    assert cine.dtype == expected.dtype
    np.testing.assert_array_equal(cine.frame(0), expected)


def as_tiff(picture, **how):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, picture, **how)
    return buffer.getvalue()


def as_npy(picture):
    buffer = io.BytesIO()
    np.save(buffer, picture)
    return buffer.getvalue()


IN_COLOUR, SEE_THROUGH = "in colour, read as luminance", "partly transparent"
AS_COLOUR = np.stack([GREY] * 3, -1)
MARKED = AS_COLOUR.copy()
MARKED[20:23, 30:50] = (255, 0, 0)  # a vessel that somebody drew
LATER = [Image.fromarray(AS_COLOUR), Image.fromarray(MARKED[::-1])]
COLOURED = {
    "drawn on": (saved("PNG", MARKED), [IN_COLOUR]),
    "drawn on, with 16 bits": (imagecodecs.png_encode(MARKED.astype(np.uint16) * 257), [IN_COLOUR]),
    "drawn on, lossy": (saved("JPEG", MARKED, quality=80), [IN_COLOUR]),
    "grey as colour, lossy": (saved("JPEG", AS_COLOUR, quality=60), []),
    "grey as colour, WebP": (saved("WEBP", AS_COLOUR, quality=60), []),
    "drawn on, palette": (saved("PNG", Image.fromarray(MARKED).quantize(256)), [IN_COLOUR]),
    "hidden": (saved("PNG", np.dstack([GREY, GREY])), [SEE_THROUGH]),
    "drawn on and hidden": (saved("PNG", np.dstack([MARKED, GREY])), [IN_COLOUR, SEE_THROUGH]),
    "nothing hidden": (saved("PNG", AS_COLOUR, "RGBA"), []),
    "TIFF": (as_tiff(MARKED, photometric="rgb"), [IN_COLOUR]),
    "drawn on, 10 of 16 bits": (imagecodecs.png_encode(MARKED.astype(np.uint16) * 4), [IN_COLOUR]),
    "animation, hidden": (
        saved("WEBP", np.dstack([MARKED, GREY]), save_all=True, append_images=LATER, lossless=True),
        [IN_COLOUR, SEE_THROUGH],
    ),
    "TIFF of three greys": (
        as_tiff(MARKED, photometric="minisblack", planarconfig="contig"),
        ["of the 3 values of each pixel the first is read"],
    ),
    "TIFF, the last page": (as_tiff(np.stack([AS_COLOUR] * 2 + [MARKED]), photometric="rgb"), [IN_COLOUR]),
    "TIFF, grey as colour": (as_tiff(AS_COLOUR, photometric="rgb"), []),
    "TIFF of channels": (
        as_tiff(np.stack([GREY, GREY]), imagej=True, metadata={"axes": "CYX"}),
        ["its 2 channels are taken as frames"],
    ),
    "TIFF of times": (as_tiff(np.stack([GREY, GREY]), imagej=True, metadata={"axes": "TYX"}), []),
    "TIFF of slices": (as_tiff(np.stack([GREY, GREY]), imagej=True, metadata={"axes": "ZYX"}), []),
    "TIFF palette": (saved("TIFF", Image.fromarray(MARKED).quantize(256)), [IN_COLOUR]),
    "NPY": (as_npy(MARKED), [IN_COLOUR]),
    "NPY, four frames behind each other": (as_npy(np.dstack([MARKED, GREY])), [IN_COLOUR, SEE_THROUGH]),
    "NPY, grey as colour": (as_npy(AS_COLOUR), []),
    "GIF": (saved("GIF", MARKED, save_all=True, append_images=LATER), [IN_COLOUR]),
    "GIF, grey": (saved("GIF", GREY, save_all=True, append_images=[Image.fromarray(GREY[::-1])]), []),
}


@pytest.mark.parametrize(("data", "told"), COLOURED.values(), ids=COLOURED.keys())
def test_what_luminance_keeps_of_colours_and_alpha_hides_is_told(tmp_path, data, told):
    (tmp_path / "frame.any").write_bytes(data)
    remarks = read_cine(tmp_path / "frame.any").remarks
    assert len(remarks) == len(told) and all(map(str.__contains__, remarks, told)), remarks


def test_a_damaged_page_in_colour_keeps_no_other_page_out(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([MARKED] * 3), photometric="rgb", compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        at, length = tif.pages[1].dataoffsets[0], tif.pages[1].databytecounts[0]
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(at)
        file.write(bytes(length))
    cine = read_cine(tmp_path / "a.tif")
    assert len(cine) == 3 and np.array_equal(cine.frame(0), cine.frame(2))
    with pytest.raises(UnreadableCine, match=r"a\.tif: "):
        cine.frame(1)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_lossy_images_are_what_pillow_reads(tmp_path, kind, mode):
    data = saved(kind, COLOUR, mode, quality=90)
    (tmp_path / "frame").write_bytes(data)
    reference = np.asarray(Image.open(io.BytesIO(data)).convert("L")).astype(int)
    assert np.abs(read_cine(tmp_path / "frame").frame(0) - reference).max() <= 3


class _PromotedByValue(np.ndarray):
    """Stands in for numpy 1, where a scalar of a wider type does not widen an array."""

    def __array_ufunc__(self, ufunc, method, *inputs, **settings):
        plain = [entry.view(np.ndarray) if isinstance(entry, np.ndarray) else entry for entry in inputs]
        narrow = [entry.item() if isinstance(entry, np.generic) else entry for entry in plain]
        return np.asarray(getattr(ufunc, method)(*narrow, **settings)).view(_PromotedByValue)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535)])
def test_colours_are_not_black_where_numpy_promotes_by_value(dtype, white):
    colour = np.full((2, 2, 3), white, dtype).view(_PromotedByValue)
    assert (np.asarray(luminance(colour)) == white).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_luminance_of_grey_is_that_grey(dtype):
    grey = np.arange(256).astype(dtype) * dtype(257 if dtype == np.uint16 else 1)
    np.testing.assert_allclose(luminance(np.stack([grey] * 3, -1)), grey, rtol=1e-6)


ARRAYS = {
    "one frame": (GREY, 1, False),
    "stack": (files.grey(frames=5), 5, True),
    "16 bit, Fortran order": (np.asfortranarray(files.grey(frames=5, bits=12)), 5, True),
    "big endian float": (files.grey(frames=5).astype(">f4"), 5, True),
    "three frames are not colours": (files.grey(frames=3), 3, True),
    "signed": (files.grey(frames=2, bits=12).astype(np.int16) - 2000, 2, True),
}


@pytest.mark.parametrize(("array", "frames", "multi"), ARRAYS.values(), ids=ARRAYS.keys())
def test_npy_arrays(tmp_path, array, frames, multi):
    np.save(tmp_path / "x.npy", array)
    cine = read_cine(tmp_path / "x.npy")
    assert cine.shape == (frames, 48, 64) and cine.is_multiframe_file == multi
    last = array if array.ndim == 2 else array[-1]
    np.testing.assert_array_equal(cine.frame(frames - 1), last)
    assert cine.dtype.isnative


@pytest.mark.parametrize("array", [COLOUR, np.stack([COLOUR, COLOUR])])
def test_npy_colours_are_read_as_luminance(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    np.testing.assert_array_equal(read_cine(tmp_path / "x.npy").frame(0), LUMINANCE)


def test_npy_of_bool_is_black_and_white(tmp_path):
    np.save(tmp_path / "x.npy", GREY > 99)
    np.testing.assert_array_equal(read_cine(tmp_path / "x.npy").frame(0), (GREY > 99) * 255)


STACK = files.grey(frames=5, bits=12)
# What tifffile does by itself with a uint8 array of 3 or 4 frames.
AS_PLANES = {"photometric": "rgb", "planarconfig": "separate"}
TIFFS = {
    "pages": (STACK, {"photometric": "minisblack"}, STACK),
    "compressed": (STACK, {"photometric": "minisblack", "compression": "zlib"}, STACK),
    "tiles": (STACK, {"photometric": "minisblack", "tile": (32, 32)}, STACK),
    "big endian": (STACK, {"photometric": "minisblack", "byteorder": ">"}, STACK),
    "float": (STACK.astype(np.float32), {"photometric": "minisblack"}, STACK),
    "ImageJ": (STACK, {"imagej": True}, STACK),
    "BigTIFF": (STACK, {"photometric": "minisblack", "bigtiff": True}, STACK),
    "OME": (STACK, {"photometric": "minisblack", "ome": True}, STACK),
    "one page for all": (STACK, {"photometric": "minisblack", "truncate": True}, STACK),
    "one page for all, big endian": (
        STACK,
        {"photometric": "minisblack", "truncate": True, "byteorder": ">"},
        STACK,
    ),
    "one image": (STACK[0], {}, STACK[:1]),
    "three frames labelled as planes": (files.grey(3), AS_PLANES, files.grey(3)),
    "four frames labelled as planes": (files.grey(4), {**AS_PLANES, "compression": "zlib"}, files.grey(4)),
    "colour": (COLOUR, {"photometric": "rgb"}, LUMINANCE[None]),
    "colour stack": (np.stack([COLOUR, COLOUR]), {"photometric": "rgb"}, np.stack([LUMINANCE] * 2)),
    "planar colour of others": (
        np.moveaxis(COLOUR, -1, 0),
        {"photometric": "rgb", "planarconfig": "separate", "metadata": None},
        LUMINANCE[None],
    ),
    "bool": (files.grey(2) > 99, {}, (files.grey(2) > 99) * 255),
}


@pytest.mark.parametrize(("array", "options", "expected"), TIFFS.values(), ids=TIFFS.keys())
def test_tiff_stacks(tmp_path, array, options, expected):
    tifffile.imwrite(tmp_path / "x.tif", array, **options)
    cine = read_cine(tmp_path / "x.tif")
    assert cine.shape == expected.shape and cine.is_multiframe_file == (len(expected) > 1)
    for t in range(len(cine)):
        np.testing.assert_array_equal(cine.frame(t), expected[t])


def test_tiff_where_white_is_low_is_inverted_once(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", GREY, photometric="miniswhite")
    cine = read_cine(tmp_path / "x.tif")
    assert cine.inverted
    np.testing.assert_array_equal(cine.stored(0), GREY)
    np.testing.assert_array_equal(cine.frame(0), 255 - GREY)


def test_palette_tiff_is_read_as_luminance(tmp_path):
    Image.fromarray(GREY).convert("P").save(tmp_path / "x.tif")
    np.testing.assert_array_equal(read_cine(tmp_path / "x.tif").frame(0), GREY)


def test_a_palette_of_8_bit_entries_is_not_black(tmp_path):
    ramp = np.stack([np.arange(255, -1, -1, dtype=np.uint16)] * 3)
    tifffile.imwrite(tmp_path / "x.tif", GREY, photometric="palette", colormap=ramp)
    np.testing.assert_array_equal(read_cine(tmp_path / "x.tif").frame(0), 255 - GREY)


def test_uncompressed_luminance_and_chroma_is_its_luminance(tmp_path):
    colours = Image.fromarray(COLOUR).convert("YCbCr")
    colours.save(tmp_path / "x.tif")
    np.testing.assert_array_equal(read_cine(tmp_path / "x.tif").frame(0), np.asarray(colours)[..., 0])


@pytest.mark.parametrize("frame", [GREY, DEEP], ids=["8 bit", "16 bit"])
def test_a_jpeg_ls_file_is_decoded_by_its_own_header(tmp_path, frame):
    (tmp_path / "x.jpg").write_bytes(imagecodecs.jpegls_encode(frame))
    np.testing.assert_array_equal(read_cine(tmp_path / "x.jpg").frame(0), frame)


def test_pages_written_one_by_one_are_one_cine_and_previews_are_not_frames(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        for page in files.grey(frames=4):
            writer.write(page, photometric="minisblack", contiguous=False)
        writer.write(GREY[::2, ::2], photometric="minisblack", subfiletype=1)
    cine = read_cine(tmp_path / "x.tif")
    assert cine.shape == (4, 48, 64)
    np.testing.assert_array_equal(cine.frame(3), files.grey(frames=4)[3])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_page_without_one_of_its_strips_is_refused_rather_than_shown_black(tmp_path, compression):
    tifffile.imwrite(
        tmp_path / "x.tif", STACK, photometric="minisblack", rowsperstrip=8, compression=compression
    )
    files.without_a_strip(tmp_path / "x.tif", page=3)
    with pytest.raises(UnreadableCine, match=r"x.tif: the pixel data is truncated"):
        read_cine(tmp_path / "x.tif")


@pytest.mark.parametrize("big", [False, True])
def test_a_stack_cut_between_its_pages_is_not_a_shorter_stack(tmp_path, big):
    with tifffile.TiffWriter(tmp_path / "whole.tif", bigtiff=big) as writer:
        for page in STACK:
            writer.write(page, photometric="minisblack", compression="zlib")
    data = (tmp_path / "whole.tif").read_bytes()
    for keep in files.page_ends(tmp_path / "whole.tif"):
        (tmp_path / "x.tif").write_bytes(data[:keep])
        with pytest.raises(UnreadableCine, match=r"x.tif: the pixel data is truncated. Copy or"):
            read_cine(tmp_path / "x.tif")


def test_showing_one_page_reads_one_page(tmp_path, monkeypatch):
    stack = files.grey(frames=30)
    tifffile.imwrite(tmp_path / "x.tif", stack, photometric="minisblack", compression="zlib")
    cine = open_file(tmp_path / "x.tif")
    read = []
    whole = tifffile.TiffPage.asarray
    monkeypatch.setattr(
        tifffile.TiffPage, "asarray", lambda page, **k: read.append(page.index) or whole(page, **k)
    )
    np.testing.assert_array_equal(cine.frame(17), stack[17])
    assert read == [17]


def test_a_folder_is_one_cine_in_natural_order(tmp_path):
    stack = files.grey(frames=12)
    for t, frame in enumerate(stack):
        Image.fromarray(frame).save(tmp_path / f"frame{t}.png")
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / ".hidden.png").write_bytes(saved("PNG", GREY))
    cine = read_cine(tmp_path, as_cine=True)
    assert cine.shape == stack.shape and cine.is_multiframe_file and cine.name == tmp_path.name
    for t in (0, 1, 2, 10, 11):
        np.testing.assert_array_equal(cine.frame(t), stack[t])


def test_a_folder_of_single_frame_dicoms_is_one_cine(tmp_path):
    stack = files.grey(frames=3, bits=10)
    for t, frame in enumerate(stack):
        tags = {"PhotometricInterpretation": "MONOCHROME1", "CineRate": 25}
        files.write_dicom(tmp_path / f"IM{t}", frame[None], files.JPEGLS, bits=10, **tags)
    cine = read_cine(tmp_path, as_cine=True)
    assert cine.inverted and cine.frame_time_ms == 40
    np.testing.assert_array_equal(cine.frame(2), 1023 - stack[2])


MIXED = {
    "sizes": (saved("PNG", GREY[:40]), r"b: 40x64, but a is 48x64, and one cine has one size. Put"),
    "depths": (imagecodecs.png_encode(DEEP), r"b: its grey values \(uint16\) are stored differently"),
    "damaged": (saved("PNG", GREY)[:20], r"b: reading the header failed"),
}


@pytest.mark.parametrize(("data", "message"), MIXED.values(), ids=MIXED.keys())
def test_a_folder_of_unlike_frames_is_refused(tmp_path, data, message):
    (tmp_path / "a").write_bytes(saved("PNG", GREY))
    (tmp_path / "b").write_bytes(data)
    with pytest.raises(UnreadableCine, match=message):
        read_cine(tmp_path, as_cine=True)


def test_a_multi_frame_file_in_a_folder_of_frames_is_refused(tmp_path):
    files.write_dicom(tmp_path / "a.dcm", files.grey(frames=2))
    with pytest.raises(UnreadableCine, match="2 frames; the files of a folder opened as one cine hold one"):
        read_cine(tmp_path, as_cine=True)


def test_inputs_are_the_images_of_a_folder_in_natural_order(tmp_path):
    for name in ("run10.dcm", "run9.dcm", "IM2"):
        files.write_dicom(tmp_path / name, files.grey(frames=1))
    (tmp_path / "DICOMDIR").write_bytes((tmp_path / "IM2").read_bytes())
    (tmp_path / "list.csv").write_text("a,b")
    (tmp_path / "broken.png").write_bytes(b"")
    (tmp_path / "deeper").mkdir()
    missing = tmp_path / "missing.png"
    names = [path.name for path in find_inputs([tmp_path, missing, tmp_path / "deeper"])]
    assert names == ["broken.png", "IM2", "run9.dcm", "run10.dcm", "missing.png", "deeper"]


def test_files_left_out_are_named_but_not_what_lies_beside_images_by_custom(tmp_path):
    files.write_dicom(tmp_path / "IM2", files.grey(frames=1))
    (tmp_path / "broken.png").write_bytes(b"")
    for name in ("DICOMDIR", ".DS_Store", "list.csv", "notes.TXT", "facts.json", "film.wmv", "a.pdf"):
        (tmp_path / name).write_bytes(b"%PDF-1.7")
    assert [path.name for path in left_out([tmp_path, tmp_path / "IM2", tmp_path / "gone"])] == [
        "a.pdf",
        "film.wmv",
    ]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("run7.dcm", "run7"),
        ("a.b.TIFF", "a.b"),
        ("IM0", "IM0"),
        ("1.2.840.113619.2.1", "1.2.840.113619.2.1"),
        ("1.2.840.113619.2.1.dcm", "1.2.840.113619.2.1"),
    ],
)
def test_only_the_suffix_of_an_image_is_taken_off_a_name(tmp_path, name, stem):
    assert stem_of(tmp_path / name) == stem


def test_the_folder_one_stands_in_has_a_name(tmp_path, monkeypatch):
    files.write_dicom(tmp_path / "a", files.grey(frames=1))
    monkeypatch.chdir(tmp_path)
    assert read_cine(".", as_cine=True).name == tmp_path.name


def test_a_cine_travels_to_another_process(tmp_path):
    stack = files.grey(frames=3)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    np.save(tmp_path / "a.npy", stack)
    files.write_dicom(tmp_path / "a.dcm", stack, files.DEFLATED)
    (tmp_path / "b.png").write_bytes(saved("PNG", stack[1]))
    for name in ("a.tif", "a.npy", "a.dcm"):
        cine = read_cine(tmp_path / name)
        cine.frame(0)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(cine)).frame(1), stack[1])  # noqa: S301 - our own


def test_array_cine_takes_what_layers_hold():
    import dask.array

    stack = files.grey(frames=4)
    cine = array_cine(dask.array.from_array(stack, chunks=(1, 48, 64)), "layer", frame_time_ms=40.0)
    assert cine.shape == (4, 48, 64) and cine.frame_time_ms == 40 and cine.window == (0, 255)
    np.testing.assert_array_equal(cine.frame(2), stack[2])
    np.testing.assert_array_equal(array_cine(COLOUR, rgb=True).frame(0), LUMINANCE)
    assert not array_cine(GREY).is_multiframe_file
    with pytest.raises(UnreadableCine, match="layer: an array of shape"):
        array_cine(np.zeros((2, 3, 4, 5)), "layer")


def test_remarks_name_the_file_and_are_one_line_each():
    cine = array_cine(np.zeros((8, 9), np.uint8), name="run\n.dcm", remarks=("the header says 3 frames",))
    assert cine.remarks == (r"run\n.dcm: the header says 3 frames.",)
    assert array_cine(np.zeros((8, 9), np.uint8)).remarks == ()


def test_frames_are_read_only_and_numbers_beyond_the_end_are_an_error():
    cine = array_cine(files.grey(frames=4))
    with pytest.raises(ValueError, match="read-only"):
        cine.frame(0)[0, 0] = 1
    for t in (4, -1):
        with pytest.raises(IndexError, match="frames 0 to 3"):
            cine.frame(t)


def test_only_a_few_decoded_frames_are_kept():
    class Counting:
        shape, dtype = (20, 16, 16), np.dtype(np.uint8)

        def __init__(self):
            self.decoded = []

        def decode(self, t):
            self.decoded.append(t)
            return np.full((16, 16), t, np.uint8)

    frames = Counting()
    made = array_cine(GREY)
    cine = Cine(frames, name="x", grey=made._grey, header=made._header)
    for t in [*range(20), 19, 12, 0, 19]:
        assert cine.frame(t)[0, 0] == t
    assert frames.decoded == [*range(20), 0]
    assert len(cine._cache._kept) == cine._cache.capacity


@pytest.mark.parametrize("value", [np.nan, np.inf, 3.0, -1e30, 3e38])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_odd_float_frames_still_have_a_window(value, dtype):
    low, high = array_cine(np.full((16, 16), value, dtype)).window
    assert np.isfinite([low, high]).all() and low < high
    low, high = array_cine(np.linspace(-np.finfo(dtype).max, value, 256).reshape(16, 16).astype(dtype)).window
    assert np.isfinite([low, high]).all() and low < high
