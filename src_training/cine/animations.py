"""GIF, animated PNG and animated WebP as cines: whole pictures, put together by Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from src_training.cine.budget import check_frames, check_size, readable, unreadable
from src_training.cine.cine import Cine
from src_training.cine.orientation import of_image, remark, upright
from src_training.cine.played import Picture, check_played_bytes, open_played

# What ends a whole file; what a cut one lacks would else be frames that vanish.
_ENDS = {"gif": b";", "png": b"IEND\xaeB`\x82", "webp": b""}


def open_animation(path: Path, kind: str) -> Cine:
    """The pictures of a GIF, PNG or WebP as frames; sizes and counts are checked before any is decoded."""
    data = path.read_bytes()
    if not data.rstrip(b"\0").endswith(_ENDS[kind]) or (kind == "webp" and len(data) < _riff_size(data)):
        raise unreadable(path.name, "the animation is truncated", "Copy or export it again.")
    turn = of_image(data) if kind != "gif" else 1

    def play() -> Iterator[Picture]:
        for picture in _pictures(path.name, data):
            yield Picture(upright(picture.grey, turn), picture.ms)

    return open_played(path, play, f"{kind} duration", lambda _found: remark(turn))


def _pictures(name: str, data: bytes) -> Iterator[Picture]:
    from PIL import Image

    with warnings.catch_warnings():
        # The size is checked right here, by our own measure.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with readable(name, "reading the header"), Image.open(io.BytesIO(data)) as image:
            check_size(name, image.height, image.width, 8)
            count = getattr(image, "n_frames", 1)
            # A picture for programs that know no animation is no part of it.
            first = 1 if getattr(image, "default_image", False) else 0
            check_frames(name, count - first)
            check_played_bytes(name, count, image.height * image.width)
            for t in range(first, count):
                image.seek(t)
                yield Picture(np.array(image.convert("L")), image.info.get("duration"))


def _riff_size(data: bytes) -> int:
    return int.from_bytes(data[4:8], "little") + 8
