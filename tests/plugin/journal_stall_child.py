"""A real napari whose journals are on a disk that hangs: ``python journal_stall_child.py SECONDS [BUG]``.

Prints ``gap <longest time that its event loop stood still, s> kept <frames in the journal afterwards>``.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import napari
import numpy as np
from stalled_disk import HangingDisk, left_by_the_dead, longest_gap, recovery, settle, three_strokes, wait

from napari_lightvessel._cine_state import CineState
from napari_lightvessel._demo import show_dock
from napari_lightvessel._dock import LightVesselWidget
from napari_lightvessel._journalling import JournalWriter
from napari_lightvessel._recovery import Recoverer
from src_training.journal import JournalFacts


def main(seconds: float) -> None:
    """Strokes on three frames, then the recovery of a fourth, each while a sync of the disk takes so long."""
    viewer = napari.Viewer()
    dock = show_dock(viewer)
    viewer.add_image(np.zeros((6, 512, 512), np.uint8), name="run")
    dock.correct.use_tool("paint")
    settle(1.0)

    def stroke(t: int) -> None:
        dock.session.go_to(t)
        dock.session.state.mask.layer.paint((t, 20, 30), 1)

    gap = longest_gap(HangingDisk(seconds, once=True), three_strokes(stroke, seconds + 1))
    wait(lambda: dock.journalist.writer.wait(0.1))
    kept = len(dock.session.state.journal.journal.frames())
    gap = max(gap, gap_of_a_recovery(dock, seconds))
    print(f"gap {gap:.3f} kept {kept}", flush=True)
    dock.session.edits_let_go.emit()
    viewer.close()


def gap_of_a_recovery(dock: LightVesselWidget, seconds: float) -> float:
    """A dead process's edits on frame 2 of another cine come back."""
    state = opened(dock, np.random.default_rng(0).integers(0, 255, (6, 512, 512), np.uint8))
    labels = np.pad(np.ones((20, 20), np.uint8), 246)
    facts = JournalFacts("other", None, state.cine.shape, state.fingerprint)
    journal = left_by_the_dead(facts, {2: labels})
    gap = longest_gap(HangingDisk(seconds, once=True), recovery(dock, journal, seconds + 1))
    wait(lambda: state.edited_frames() == [2])
    return gap


def opened(dock: LightVesselWidget, frames: np.ndarray) -> CineState:
    """A cine on the table whose pixels are known."""
    dock.viewer.add_image(frames, name="other")
    state = dock.session.state
    assert state is not None
    wait(lambda: bool(state.fingerprint))
    return state


@contextlib.contextmanager
def written_in_the_windows_thread() -> Iterator[None]:
    """A journal that the GUI thread writes itself."""

    def put(writer: JournalWriter, entry: Any, t: int, act: Callable[[], None]) -> None:
        act()

    with mock.patch.object(JournalWriter, "_put", put):
        yield


@contextlib.contextmanager
def taken_over_in_the_windows_thread() -> Iterator[None]:
    """A recovery that the GUI thread does itself."""

    def aside(recoverer: Recoverer, act: Callable[[], Any], done: Callable[[Any], None]) -> None:
        done(act())

    with mock.patch.object(Recoverer, "_aside", aside):
        yield


BUGS = {
    "": contextlib.nullcontext,
    "written in the window's thread": written_in_the_windows_thread,
    "taken over in the window's thread": taken_over_in_the_windows_thread,
}

if __name__ == "__main__":
    with BUGS["".join(sys.argv[2:])]():
        main(float(sys.argv[1]))
