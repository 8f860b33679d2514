"""Animations and videos are cines: frame t is the t-th picture, whole, in grey, whatever order it is asked for."""

from __future__ import annotations

import io
import struct
import sys

import cine_files as files
import imagecodecs
import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from src_training.cine import animations, luminance, played, read_cine
from src_training.cine.formats import open_file
from src_training.dataset import read_mask
from src_training.errors import BadMask, UnreadableCine

STACK = files.grey(frames=9, rows=48, columns=64)
ORDER = (8, 0, 3, 3, 7, 1, 2, 6, 5, 4, 0)


def animation(kind, stack, ms=40, **options):
    pages = [Image.fromarray(frame) for frame in stack]
    pages = [page.convert("RGB") for page in pages] if kind == "WEBP" else pages
    exact = {"WEBP": {"lossless": True}}.get(kind, {})
    buffer = io.BytesIO()
    pages[0].save(buffer, kind, save_all=True, append_images=pages[1:], duration=ms, **exact, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_frame_t_is_page_t_whatever_is_asked_for_first(tmp_path, kind):
    (tmp_path / "run").write_bytes(animation(kind, STACK))
    cine = read_cine(tmp_path / "run")
    assert cine.shape == STACK.shape and cine.dtype == np.uint8 and cine.is_multiframe_file
    assert (cine.frame_time_ms, cine.frame_time_source) == (40, f"{kind.lower()} duration")
    for t in ORDER:
        np.testing.assert_array_equal(cine.frame(t), STACK[t])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.data(),
    st.sampled_from(["GIF", "PNG", "WEBP"]),
    st.integers(2, 12),
    st.integers(16, 40),
    st.integers(16, 40),
)
def test_any_stack_comes_back_in_any_order_and_with_little_kept(
    tmp_path, monkeypatch, data, kind, n, rows, columns
):
    rng = np.random.default_rng(n * rows * columns)
    stack = rng.integers(0, 256, (n, rows, columns)).astype(np.uint8)
    order = data.draw(st.lists(st.integers(0, n - 1), max_size=8))
    monkeypatch.setattr(played, "_KEPT_BYTES", data.draw(st.sampled_from([0, 2 * rows * columns, 1 << 20])))
    (tmp_path / "run").write_bytes(animation(kind, stack))
    frames, _, _ = open_file(tmp_path / "run").parts
    assert frames.shape == stack.shape
    for t in order:
        np.testing.assert_array_equal(frames.decode(t), stack[t])


def gif_of_parts(table, parts):
    """A GIF of pictures (place, grey values) of which each is put onto those before it, with a table of its own or not.

    ``table`` and the tables of the parts are the 256 grey values by number.
    """
    as_bytes = lambda greys: bytes(np.repeat(np.asarray(greys, np.uint8), 3))  # noqa: E731
    rows, columns = parts[0][1].shape
    found = b"GIF89a" + struct.pack("<HHBBB", columns, rows, 0xF7, 0, 0) + as_bytes(table)
    for (down, right), greys, own in parts:
        numbers = np.argsort(table if own is None else own)[greys].astype(np.uint8)
        packed = io.BytesIO()
        Image.fromarray(numbers).save(packed, "GIF", optimize=False, interlace=False)
        image = packed.getvalue().index(b"\x2c", 13 + 768)
        found += b"\x2c" + struct.pack("<HHHH", right, down, *numbers.shape[::-1])
        found += b"\0" if own is None else b"\x87" + as_bytes(own)
        found += packed.getvalue()[image + 10 : -1]
    return found + b";"


TABLES = st.just(list(range(256))) | st.permutations(list(range(256)))


@settings(max_examples=25, deadline=None)
@given(TABLES, st.lists(st.tuples(st.none() | TABLES, st.integers(0, 2**32 - 1)), min_size=1, max_size=4))
def test_parts_of_a_gif_with_tables_of_their_own_have_their_greys(table, later):
    wanted, parts = [STACK[0]], [((0, 0), STACK[0], None)]
    for own, seed in later:
        chance = np.random.default_rng(seed)
        (down, right), (rows, columns) = (
            chance.integers(0, 16, 2).tolist(),
            chance.integers(1, 32, 2).tolist(),
        )
        part = chance.integers(0, 256, (rows, columns)).astype(np.uint8)
        wanted.append(wanted[-1].copy())
        wanted[-1][down : down + rows, right : right + columns] = part
        parts.append(((down, right), part, own))
    found = [np.array(page.convert("L")) for page in animations.pages("run.gif", gif_of_parts(table, parts))]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.95])
def test_an_animation_cut_short_is_not_a_shorter_one(tmp_path, kind, keep):
    data = animation(kind, STACK)
    (tmp_path / "run").write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(UnreadableCine):
        read_cine(tmp_path / "run")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
@pytest.mark.parametrize("behind", [b"\r\n", b"made by a program", b"\0" * 9])
def test_what_is_appended_to_an_animation_costs_no_frame(tmp_path, kind, behind):
    (tmp_path / "run").write_bytes(animation(kind, STACK) + behind)
    cine = read_cine(tmp_path / "run")
    np.testing.assert_array_equal([cine.frame(t) for t in range(len(cine))], STACK)


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_an_animation_cut_where_its_end_seems_to_be_is_not_a_shorter_one(tmp_path, kind):
    data, end = animation(kind, STACK), {"GIF": b";", "PNG": b"IEND\xaeB`\x82"}[kind]
    (tmp_path / "run").write_bytes(data[: len(data) // 2] + end)
    with pytest.raises(UnreadableCine):
        read_cine(tmp_path / "run")


def test_a_picture_that_covers_a_part_is_shown_with_what_was_there_before(tmp_path):
    rest = Image.new("P", (64, 48))
    pages = [Image.fromarray(STACK[0]), Image.fromarray(STACK[0])]
    changed = STACK[0].copy()
    changed[5:9, 7:12] = 200
    pages[1] = Image.fromarray(changed)
    buffer = io.BytesIO()
    pages[0].save(buffer, "GIF", save_all=True, append_images=pages[1:], duration=30)
    assert rest.size == pages[0].size
    (tmp_path / "run.gif").write_bytes(buffer.getvalue())
    np.testing.assert_array_equal(read_cine(tmp_path / "run.gif").frame(1), changed)


def test_a_gif_of_one_picture_is_an_image(tmp_path):
    Image.fromarray(STACK[0]).save(tmp_path / "a.gif")
    cine = read_cine(tmp_path / "a.gif")
    assert cine.shape == (1, 48, 64) and not cine.is_multiframe_file and cine.frame_time_ms is None
    np.testing.assert_array_equal(cine.frame(0), STACK[0])


def test_the_picture_for_programs_without_animation_is_no_frame(tmp_path):
    pages = [Image.fromarray(frame) for frame in STACK]
    buffer = io.BytesIO()
    pages[0].save(buffer, "PNG", save_all=True, append_images=pages[1:], duration=40, default_image=True)
    (tmp_path / "run.png").write_bytes(buffer.getvalue())
    cine = read_cine(tmp_path / "run.png")
    assert len(cine) == 8
    np.testing.assert_array_equal(cine.frame(0), STACK[1])


def test_an_animated_png_of_16_bits_is_refused_rather_than_cut_to_8(tmp_path):
    data = animation("PNG", STACK)
    (tmp_path / "run.png").write_bytes(data[:24] + b"\x10" + data[25:])
    with pytest.raises(UnreadableCine, match=r"an animated PNG of 16 bits\. Save its frames as a TIFF stack"):
        read_cine(tmp_path / "run.png")


def test_an_animation_that_would_take_too_much_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    from src_training.cine import animations

    monkeypatch.setattr(played, "DECODED_BYTES", 8 * 48 * 64)
    monkeypatch.setattr(animations.np, "array", None)
    (tmp_path / "run.gif").write_bytes(animation("GIF", STACK))
    with pytest.raises(UnreadableCine, match="9 pictures or more of this size"):
        open_file(tmp_path / "run.gif")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_page_t_of_an_animated_mask_belongs_to_frame_t(tmp_path, kind):
    drawn = (STACK > 128).astype(np.uint8) * np.uint8(255)
    (tmp_path / "m").write_bytes(animation(kind, drawn))
    for t in range(9):
        np.testing.assert_array_equal(read_mask(tmp_path / "m", frame=t, of=9), drawn[t] == 255)
    with pytest.raises(BadMask, match="9 pages for one image"):
        read_mask(tmp_path / "m")
    with pytest.raises(BadMask, match="9 pages for 8 frames"):
        read_mask(tmp_path / "m", frame=0, of=8)


def test_an_animated_mask_cut_short_is_refused(tmp_path):
    data = animation("GIF", (STACK > 128).astype(np.uint8) * np.uint8(255))
    (tmp_path / "m.gif").write_bytes(data[: int(0.7 * len(data))])
    with pytest.raises(BadMask, match="truncated"):
        read_mask(tmp_path / "m.gif", frame=0)


# -- JPEG 2000 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["jp2", "j2k"])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_jpeg_2000_file_gives_its_numbers(tmp_path, codec, bits):
    frame = files.grey(frames=1, bits=bits)[0]
    data = imagecodecs.jpeg2k_encode(frame, codecformat=codec, bitspersample=bits, reversible=True)
    (tmp_path / f"a.{codec}").write_bytes(data)
    cine = read_cine(tmp_path / f"a.{codec}")
    assert cine.dtype == frame.dtype
    np.testing.assert_array_equal(cine.frame(0), frame)


def test_a_jpeg_2000_in_colour_is_its_luminance(tmp_path):
    colour = np.stack([STACK[0], STACK[1], STACK[2]], -1)
    (tmp_path / "a.jp2").write_bytes(
        imagecodecs.jpeg2k_encode(colour, codecformat="jp2", reversible=True, mct=True)
    )
    np.testing.assert_array_equal(read_cine(tmp_path / "a.jp2").frame(0), luminance(colour))


def test_a_jpeg_2000_of_signed_numbers_is_refused_rather_than_wrapped(tmp_path):
    data = imagecodecs.jpeg2k_encode(STACK[0].astype(np.int8), codecformat="jp2", reversible=True)
    (tmp_path / "a.jp2").write_bytes(data)
    with pytest.raises(UnreadableCine, match="its pixels are int8, not uint8"):
        read_cine(tmp_path / "a.jp2").frame(0)


def test_a_jpeg_2000_cut_short_is_refused(tmp_path):
    data = imagecodecs.jpeg2k_encode(STACK[0], codecformat="jp2", reversible=True)
    (tmp_path / "a.jp2").write_bytes(data[:60])
    with pytest.raises(UnreadableCine, match="truncated"):
        read_cine(tmp_path / "a.jp2")


# -- video ---------------------------------------------------------------------------------------------------


def film(path, stack, codec="libx264", pixels="yuv444p", fps=15, **options):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width, stream.pix_fmt = *stack.shape[1:3], pixels
        for frame in stack:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24" if frame.ndim == 3 else "gray")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def in_order(path):
    """Every picture as the library hands them out one after the other."""
    import av

    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def numbered(n=24, rows=64, columns=96):
    """Pictures that no codec confuses: a bar stands further right in each."""
    stack = np.full((n, rows, columns), 180, np.uint8)
    for t in range(n):
        stack[t, :, 4 * t : 4 * t + 4] = 30
    return stack


FILMS = {
    "run.mp4": {"bf": "3", "g": "9"},
    "run.mov": {"bf": "2", "g": "6"},
    "run.mkv": {"bf": "3", "g": "100"},
    "run.avi": {"codec": "mpeg4", "pixels": "yuv420p", "g": "8"},
}


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("kept", [0, 1 << 20])
def test_frame_t_of_a_film_is_its_t_th_picture(tmp_path, monkeypatch, name, kept):
    monkeypatch.setattr(played, "_KEPT_BYTES", kept)
    stack = numbered()
    path = film(tmp_path / name, stack, **FILMS[name])
    expected, (frames, _, header) = in_order(path), open_file(path).parts
    assert frames.shape == stack.shape and header.is_multiframe_file and header.remarks == ()
    assert (
        header.frame_time_ms == pytest.approx(1000 / 15, rel=0.01)
        and header.frame_time_source == "frame rate"
    )
    for t in (23, 0, 11, 12, 5, 22):
        found = frames.decode(t)
        np.testing.assert_array_equal(found, expected[t])
        assert found.mean(axis=0).argmin() // 4 == t


def test_a_film_is_opened_in_the_other_process(tmp_path):
    path = film(tmp_path / "run.mp4", numbered(), bf="3")
    cine = read_cine(path)
    assert cine.shape == (24, 64, 96)
    assert cine.frame(17).mean(axis=0).argmin() // 4 == 17


def test_films_that_were_read_leave_no_decoder_behind(tmp_path):
    """They held threads, and some tens of films later no more were to be had."""
    path = film(tmp_path / "run.mp4", numbered(4))
    open_file(path)
    before = psutil.Process().num_threads()
    for _ in range(12):
        open_file(path)
    assert psutil.Process().num_threads() <= before + 2


def test_grey_keeps_its_whole_range(tmp_path):
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8), (4, 64, 256))
    for pixels, codec, slack in (("gray", "ffv1", 0), ("yuv444p", "ffv1", 1), ("bgr0", "ffv1", 0)):
        found = read_cine(film(tmp_path / f"{pixels}.mkv", ramp, codec=codec, pixels=pixels)).frame(2)
        assert np.abs(found.astype(int) - ramp[2]).max() <= slack, pixels


def test_colour_is_read_as_luminance(tmp_path):
    colour = np.stack([STACK, STACK[:, ::-1], STACK[:, :, ::-1]], -1)
    cine = read_cine(film(tmp_path / "run.mkv", colour, codec="ffv1", pixels="bgr0"))
    np.testing.assert_array_equal(cine.frame(4), luminance(colour[4]))


HELD = {
    (0, 1, -1, 0): lambda picture: np.rot90(picture, -1),
    (-1, 0, 0, -1): lambda picture: np.rot90(picture, 2),
    (0, -1, 1, 0): np.rot90,
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (0, 1, 1, 0): np.transpose,
    (0, -1, -1, 0): lambda picture: np.rot90(picture, 2).T,
}


@pytest.mark.parametrize(("matrix", "turned"), HELD.items())
def test_a_film_that_was_held_on_its_side_stands_upright(tmp_path, matrix, turned):
    path = film(tmp_path / "run.mp4", numbered())
    upright, data = read_cine(path).frame(3), path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (struct.pack(">i", value << 16) for value in matrix)
    body = a + b + bytes(4) + c + d + bytes(4)
    (tmp_path / "turned.mp4").write_bytes(data[:at] + body + data[at + 24 :])
    cine = read_cine(tmp_path / "turned.mp4")
    np.testing.assert_array_equal(cine.frame(3), turned(upright))
    assert cine.remarks == ("turned.mp4: turned or mirrored, as its display matrix says.",)


def test_a_film_cut_short_is_refused_or_says_so(tmp_path):
    data = film(tmp_path / "run.mp4", numbered(), movflags="faststart").read_bytes()
    for keep in (0.4, 0.97):
        (tmp_path / "cut.mp4").write_bytes(data[: int(len(data) * keep)])
        try:
            cine = read_cine(tmp_path / "cut.mp4")
        except UnreadableCine:
            continue
        assert len(cine) == 24 or "it may be cut" in cine.remarks[0]


def test_a_film_without_the_extra_names_it(tmp_path, monkeypatch):
    path = film(tmp_path / "run.mp4", numbered(4))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        UnreadableCine, match=r"a video: needs napari-lightvessel\[video\]. Install it \(pip install"
    ):
        open_file(path)


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXTINF:1,\nsecret.ts\n", "ffconcat version 1.0\nfile secret.mp4\n"]
)
def test_a_list_of_other_files_is_no_film(tmp_path, text):
    film(tmp_path / "secret.mp4", numbered(4))
    for head in ("", "\0\0\0\x20ftypisom"):
        (tmp_path / "list.mp4").write_text(head + text)
        with pytest.raises(UnreadableCine):
            read_cine(tmp_path / "list.mp4")
