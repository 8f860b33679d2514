"""GIF, animated PNG and animated WebP as cines: whole pictures, put together by Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src_training.cine.budget import check_frames, check_size, readable, unreadable
from src_training.cine.cine import Cine
from src_training.cine.colours import EVERY, remarks_on
from src_training.cine.orientation import UPRIGHT, of_image, remark, upright
from src_training.cine.played import Picture, check_played_bytes, open_played

if TYPE_CHECKING:
    from PIL import Image


def open_animation(path: Path, kind: str) -> Cine:
    """The pictures of a GIF, PNG or WebP as frames; sizes and counts are checked before any is decoded."""
    data = path.read_bytes()
    turn = of_image(data) if kind != "gif" else UPRIGHT

    told: dict[str, None] = {}

    def play() -> Iterator[Picture]:
        for t, page in enumerate(pages(path.name, data)):
            if t % EVERY == 0 and page.mode not in ("1", "L"):
                # Where no picture of a GIF was ever drawn it is transparent, and nothing is hidden.
                mode = "RGBA" if page.has_transparency_data and kind != "gif" else "RGB"
                told.update(dict.fromkeys(remarks_on(np.array(page.convert(mode)))))
            yield Picture(upright(np.array(page.convert("L")), turn), page.info.get("duration"))

    return open_played(path, play, f"{kind} duration", lambda _found: (*remark(turn), *told))


def pages(name: str, data: bytes) -> Iterator[Image.Image]:
    """The whole pictures of an animation one after the other; UnreadableCine when it is cut off or too large."""
    from PIL import Image

    _check_whole(name, data)
    with warnings.catch_warnings():
        # The size is checked right here, by our own measure.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with readable(name, "reading the header"):
            image = _gif(data) if data.startswith(b"GIF8") else Image.open(io.BytesIO(data))
        with image:
            check_size(name, image.height, image.width, 8)
            count = getattr(image, "n_frames", 1)
            # A picture for programs that know no animation is no part of it.
            first = 1 if getattr(image, "default_image", False) else 0
            check_frames(name, count - first)
            check_played_bytes(name, count, image.height * image.width)
            for t in range(first, count):
                image.seek(t)
                yield image


def _gif(data: bytes) -> Image.Image:
    """A GIF whose pictures are all put together in colour.

    Pillow keeps one that begins with a plain grey table in one channel, and pastes the places in a later picture's own
    table there as if they were grey values.
    """
    from PIL import GifImagePlugin

    class InColour(GifImagePlugin.GifImageFile):
        def _is_palette_needed(self, p: bytes) -> bool:
            return True

    return InColour(io.BytesIO(data))


def _check_whole(name: str, data: bytes) -> None:
    """What a cut file lacks would else be frames that vanish; what is appended behind its end is no part of it."""
    riff_size = int.from_bytes(data[4:8], "little") + 8 if data.startswith(b"RIFF") else 0
    ends = next((ends for start, ends in _ENDS.items() if data.startswith(start)), None)
    if len(data) < riff_size or (ends is not None and not ends(data)):
        raise unreadable(name, "the animation is truncated", "Copy or export it again.")


def _gif_ends(data: bytes) -> bool:
    """Whether block after block leads to the trailer of a GIF."""
    at = 13 + _colour_table(data[10:11])
    while data[at : at + 1] in (b"!", b",", b"\0"):
        if data[at] == 0:  # some writers fill up between blocks
            at += 1
            continue
        at += 2 if data[at : at + 1] == b"!" else 11 + _colour_table(data[at + 9 : at + 10])
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return data[at : at + 1] == b";"


def _colour_table(flags: bytes) -> int:
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _png_ends(data: bytes) -> bool:
    """Whether chunk after chunk leads to the last one of a PNG."""
    at = 8
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return False


_ENDS = {b"GIF8": _gif_ends, b"\x89PNG": _png_ends}
