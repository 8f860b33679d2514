"""Damaged frames: each is a black one to look at, told once, while the rest of the cine goes on as usual."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from src_training import Cine
from src_training.errors import UnreadableCine

if TYPE_CHECKING:
    import dask.array


class LenientFrames:
    """A cine's shown frames as a (T, Y, X) array-like that never raises for pixels.

    ``damaged`` holds the line of each frame that could not be decoded; ``tell`` hears it the first time.
    """

    ndim = 3

    def __init__(self, cine: Cine, black: float = 0.0, tell: Callable[[str], object] | None = None) -> None:
        self._cine, self._black, self._tell = cine, black, tell
        self.shape, self.dtype = cine.shape, cine.stack().dtype
        self.damaged: dict[int, str] = {}

    def frame(self, t: int) -> np.ndarray:
        """Frame ``t`` (Y, X), black when it cannot be decoded."""
        try:
            return self._cine.frame(t)
        except UnreadableCine as error:
            if t not in self.damaged:
                self.damaged[t] = str(error)
                if self._tell is not None:
                    self._tell(str(error))
            return np.full(self.shape[1:], self._black, self.dtype)

    def stack(self) -> dask.array.Array:
        """All frames as a lazy (T, Y, X) array, one chunk a frame."""
        import dask.array

        # name=False: a random key instead of a hash over every pixel.
        return dask.array.from_array(self, chunks=(1, *self.shape[1:]), name=False)

    def __getitem__(self, key: tuple[int | slice, ...]) -> np.ndarray:
        wanted, *plane = key
        if not isinstance(wanted, slice):
            return self.frame(int(wanted))[tuple(plane)]
        frames = [self.frame(t)[tuple(plane)] for t in range(*wanted.indices(self.shape[0]))]
        return np.stack(frames) if frames else np.empty((0, 0, 0), self.dtype)


def window_of(cine: Cine) -> tuple[float, float]:
    """Display limits of a cine of which at least one frame can be decoded; else UnreadableCine says why not."""
    frame = nearest_whole(cine, len(cine) // 2)
    try:
        return cine.window
    except UnreadableCine:  # its limits were to come from the frame that is damaged
        return float(np.nanmin(frame)), float(np.nanmax(frame))


def nearest_whole(cine: Cine, wanted: int) -> np.ndarray:
    """The decodable frame nearest to ``wanted``.

    Raises
    ------
    UnreadableCine
        When there is none; it tells about the wanted one.
    """
    problem: UnreadableCine | None = None
    for t in sorted(range(len(cine)), key=lambda t: abs(t - wanted)):
        try:
            return cine.frame(t)
        except UnreadableCine as error:
            problem = problem or error
    assert problem is not None  # a cine has at least one frame
    raise problem


def damaged_words(damaged: dict[int, str]) -> str:
    """Which frames were left out, and why; empty when none were."""
    if not damaged:
        return ""
    first, *others = sorted(damaged)
    named = ", ".join(map(str, (first, *others)))
    plural = "s" if others else ""
    return f"Frame{plural} {named} cannot be decoded and {'were' if others else 'was'} left out. {damaged[first]}"
