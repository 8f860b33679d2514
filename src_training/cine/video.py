"""Videos (MP4, MOV, AVI, Matroska) as cines, decoded by PyAV where it is installed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src_training.cine.budget import check_size, readable, unreadable
from src_training.cine.cine import Cine, luminance
from src_training.cine.colours import EVERY, remarks_on
from src_training.cine.played import Picture, open_played
from src_training.cine.proportions import remark_on_shape
from src_training.cine.sniff import container_of

if TYPE_CHECKING:
    import av

_WITHOUT_COLOUR = ("gray", "gray10le", "gray12le", "gray16le", "gray16be", "monow", "monob")
_ONE = 1 << 16  # of a display matrix
_TURNED = "turned or mirrored, as its display matrix says"
_INSTALL = 'Install it (pip install "napari-lightvessel[video]"), or export the cine as DICOM.'


def open_video(path: Path) -> Cine:
    """The pictures of a video as frames: frame t is the t-th one that is shown, in grey."""
    try:
        import av  # noqa: F401
    except ImportError:
        raise unreadable(path.name, "a video: needs napari-lightvessel[video]", _INSTALL) from None
    with readable(path.name, "reading the video"):
        announced, videos, shape = _announced(path)
    told: dict[str, None] = dict.fromkeys(shape)
    if videos > 1:
        told[f"it holds {videos} videos, of which the first is read"] = None

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


def _announced(path: Path) -> tuple[int, int, tuple[str, ...]]:
    """How many pictures the first video says that it has, how many videos there are, the remark on its pixels."""
    with _opened(path) as container:
        video = _track(path, container)
        shape = video.sample_aspect_ratio  # None where it is not stated
        told = remark_on_shape(high=shape.denominator, wide=shape.numerator) if shape else ()
        return video.frames, len(container.streams.video), told


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
        ms, matrix = _ms(video.average_rate), None
        for number, frame in enumerate(container.decode(video)):
            if frame.is_corrupt:
                raise unreadable(path.name, f"picture {number} is damaged", "Copy or export it again.")
            check_size(path.name, frame.height, frame.width, 8)
            if number % EVERY == 0 and frame.format.name not in _WITHOUT_COLOUR:
                told.update(dict.fromkeys(remarks_on(frame.to_ndarray(format="rgb24"))))
            if number == 0 and (matrix := _display_matrix(frame)) is not None:
                told[_TURNED] = None
            grey = _grey(frame)
            del frame
            if number == 0:
                # To be asked what lies beside it has put the picture, and with it a decoder and its threads, into a
                # circle of references: some tens of films later there would be no memory for another.
                gc.collect()
            yield Picture(grey if matrix is None else _upright(grey, matrix), ms)


def _display_matrix(frame: av.VideoFrame) -> np.ndarray | None:
    """(3, 3): what a film says in its first picture that is to be done with all; None where that is nothing."""
    from av.sidedata.sidedata import Type

    beside: Any = frame.side_data
    found = beside.get(Type.DISPLAYMATRIX)
    matrix = None if found is None else np.frombuffer(bytes(found), "=i4").reshape(3, 3)
    return None if matrix is None or (matrix[:2, :2] == np.diag([_ONE, _ONE])).all() else matrix


def _upright(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A picture (Y, X) turned by whole right angles and mirrored; ``matrix`` leads from x, y to those on the screen."""
    (a, b), (c, d) = matrix[:2, :2].tolist()
    on_its_side = abs(b) > abs(a)
    across, down = (c, b) if on_its_side else (a, d)
    stands = picture.T if on_its_side else picture
    return np.ascontiguousarray(stands[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def _grey(frame: av.VideoFrame) -> np.ndarray:
    """The luma over its full range; of red, green and blue their luminance, as of every other file."""
    if frame.format.is_rgb or frame.format.has_palette:
        return luminance(frame.to_ndarray(format="rgb24"))
    deep = frame.format.components[0].bits > 8
    return frame.to_ndarray(format="gray16le" if deep else "gray")


def _ms(rate: Fraction | None) -> float | None:
    return float(1000 / rate) if rate else None
