"""Videos (MP4, MOV, AVI, Matroska) as cines, decoded by PyAV where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src_training.cine.budget import check_size, readable, unreadable
from src_training.cine.cine import Cine, luminance
from src_training.cine.colours import EVERY, remarks_on
from src_training.cine.played import Picture, open_played
from src_training.cine.sniff import container_of

if TYPE_CHECKING:
    import av

_WITHOUT_COLOUR = ("gray", "gray10le", "gray12le", "gray16le", "gray16be", "monow", "monob")
_INSTALL = 'Install it (pip install "napari-lightvessel[video]"), or export the cine as DICOM.'


def open_video(path: Path) -> Cine:
    """The pictures of a video as frames: frame t is the t-th one that is shown, in grey."""
    try:
        import av  # noqa: F401
    except ImportError:
        raise unreadable(path.name, "a video: needs napari-lightvessel[video]", _INSTALL) from None
    with readable(path.name, "reading the video"):
        announced = _announced(path)

    told: dict[str, None] = {}

    def remark(found: int) -> tuple[str, ...]:
        if announced in (0, found):
            return tuple(told)
        return (f"the video announces {announced} pictures and holds {found}: it may be cut", *told)

    return open_played(path, lambda: _pictures(path, told), "frame rate", remark)


@contextmanager
def _opened(path: Path) -> Iterator[av.container.InputContainer]:
    import av

    # By its file object and its own format only: a file must not make the library open another, or an address.
    with path.open("rb") as stream, av.open(stream, "r", format=container_of(path)) as container:
        yield container


def _announced(path: Path) -> int:
    with _opened(path) as container:
        return _track(path, container).frames


def _track(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    if not container.streams.video:
        raise unreadable(path.name, "a video file without pictures", "Choose the file that has them.")
    video = container.streams.video[0]
    check_size(path.name, video.codec_context.height, video.codec_context.width, 8)
    video.codec_context.thread_count = 1  # each thread would hold pictures of its own
    return video


def _pictures(path: Path, told: dict[str, None]) -> Iterator[Picture]:
    """All of them; ``told`` gets what is remarked on their colours."""
    with _opened(path) as container:
        video = _track(path, container)
        ms = _ms(video.average_rate)
        for number, frame in enumerate(container.decode(video)):
            if frame.is_corrupt:
                raise unreadable(path.name, f"picture {number} is damaged", "Copy or export it again.")
            check_size(path.name, frame.height, frame.width, 8)
            if number % EVERY == 0 and frame.format.name not in _WITHOUT_COLOUR:
                told.update(dict.fromkeys(remarks_on(frame.to_ndarray(format="rgb24"))))
            turns = round(frame.rotation / 90)
            yield Picture(np.ascontiguousarray(np.rot90(_grey(frame), turns)), ms)


def _grey(frame: av.VideoFrame) -> np.ndarray:
    """The luma over its full range; of red, green and blue their luminance, as of every other file."""
    if frame.format.is_rgb or frame.format.has_palette:
        return luminance(frame.to_ndarray(format="rgb24"))
    deep = frame.format.components[0].bits > 8
    return frame.to_ndarray(format="gray16le" if deep else "gray")


def _ms(rate: Fraction | None) -> float | None:
    return float(1000 / rate) if rate else None
