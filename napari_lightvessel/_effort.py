"""What a person does on each frame: active seconds and strokes, counted from the first visit on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_lightvessel._cine_state import CineState
    from napari_lightvessel._session import Session

IDLE_S = 30.0  # of a pause, no more than this counts: then nobody looked
now = time.monotonic


class EffortClock:
    """Adds active time and strokes to the marks of the frame in view.

    Anything a person does is a sign of life (a stroke, an undo, the mouse over the canvas, another frame); the time
    between two of them counts, up to half a minute.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._place: tuple[CineState, int] | None = None
        self._since = now()
        self._quiet = False
        session.cine_changed.connect(self._follow)
        session.frame_changed.connect(self._follow)
        session.viewer.cursor.events.position.connect(self.touch)

    def touch(self, _event: Any = None) -> None:
        """Count the time up to now: before its sum is read, and whenever somebody did something."""
        moment = now()
        if self._place is not None:
            state, t = self._place
            state.marks[t].seconds += min(moment - self._since, IDLE_S)
        self._since = moment

    def stroke(self, state: CineState, frames: Iterable[int]) -> None:
        """A stroke on these frames, unless a program draws."""
        if self._quiet:
            return
        self.touch()
        for t in frames:
            state.marks[t].strokes += 1

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """What is drawn meanwhile is drawn by the program."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def close(self) -> None:
        """Count no more."""
        self.touch()
        self._place = None
        self.session.viewer.cursor.events.position.disconnect(self.touch)

    def _follow(self, _event: object) -> None:
        self.touch()
        state, t = self.session.state, self.session.frame
        there = state is not None and t is not None and t < state.n_frames and not self.session.covered
        self._place = (state, t) if there and state is not None and t is not None else None
