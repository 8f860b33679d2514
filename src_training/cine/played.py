"""Cines that are decoded one picture after the other from the first on: animations and videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from src_training.cine.budget import DECODED_BYTES, check_frames, readable, unreadable
from src_training.cine.cine import Cine, Grey, Header

_KEPT_BYTES = 192 << 20  # of decoded pictures; those beyond are decoded anew when they are asked for


class Picture(NamedTuple):
    """A whole decoded picture (Y, X) in grey, and how long it is shown; None where the file does not say."""

    grey: np.ndarray
    ms: float | None


Play = Callable[[], Iterator[Picture]]


def open_played(
    path: Path, play: Play, time_source: str, remark: Callable[[int], tuple[str, ...]] = lambda _found: ()
) -> Cine:
    """All pictures that ``play`` gives as frames: it is played once to its end, so that their number is true.

    ``remark`` says what a person should know, from the number of frames that were found.
    """
    with readable(path.name, "decoding"):
        frames = PlayedFrames(path.name, play)
    times = [ms for ms in frames.times if ms]
    header = Header(
        frame_time_ms=median(times) if times and len(frames.times) > 1 else None,
        frame_time_source=time_source if times and len(frames.times) > 1 else "none",
        is_multiframe_file=len(frames.times) > 1,
        remarks=remark(len(frames.times)),
    )
    grey = Grey(low=0.0, high=float(np.iinfo(frames.dtype).max))
    return Cine(frames, name=path.name, source=path, grey=grey, header=header)


class PlayedFrames:
    """Frame t is the t-th picture that comes out of the decoder; many are kept, the others played again."""

    def __init__(self, name: str, play: Play) -> None:
        self._name, self._play = name, play
        self._kept: dict[int, np.ndarray] = {}
        self._to_come, self._next = play(), 0
        self.times: list[float | None] = []
        for picture in self._to_come:
            self._check(picture.grey)
            self.times.append(picture.ms)
            self._keep(len(self.times) - 1, picture.grey)
        check_frames(name, len(self.times))
        self.shape = (len(self.times), *self._size)
        self._next = len(self.times)

    def decode(self, t: int) -> np.ndarray:
        """The stored values of frame ``t``."""
        if t in self._kept:
            return self._kept[t]
        if t < self._next:
            self._to_come, self._next = self._play(), 0
        for picture in self._to_come:
            self._next += 1
            self._keep(self._next - 1, picture.grey)
            if self._next - 1 == t:
                return picture.grey
        raise EOFError(f"it ended before picture {t}")

    def _check(self, grey: np.ndarray) -> None:
        count = len(self.times) + 1
        if count == 1:
            self._size, self.dtype = grey.shape, grey.dtype
        if (grey.shape, grey.dtype) != (self._size, self.dtype):
            raise unreadable(
                self._name,
                f"picture {count - 1} is {grey.shape} {grey.dtype}, the first is {self._size} {self.dtype}",
                "Save it with equal pictures.",
            )
        check_frames(self._name, count)
        check_played_bytes(self._name, count, grey.nbytes)

    def _keep(self, t: int, grey: np.ndarray) -> None:
        if t in self._kept or grey.nbytes > _KEPT_BYTES:
            return
        while len(self._kept) * grey.nbytes + grey.nbytes > _KEPT_BYTES:
            del self._kept[next(iter(self._kept))]
        self._kept[t] = grey


def check_played_bytes(name: str, frames: int, bytes_per_frame: int) -> None:
    """Refuse what would take too long from its first picture to its last."""
    if frames * bytes_per_frame > DECODED_BYTES:
        raise unreadable(
            name, f"{frames} pictures or more of this size take over 1 GiB", "Split it into shorter runs."
        )
