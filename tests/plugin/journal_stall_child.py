"""A real napari whose journal is on a disk that hangs: ``python journal_stall_child.py SECONDS [BUG]``.

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
from stalled_disk import HangingDisk, longest_gap, settle, three_strokes, wait

from napari_lightvessel._demo import show_dock
from napari_lightvessel._journalling import JournalWriter


def main(seconds: float) -> None:
    """Strokes on three frames while every sync of the disk takes so long."""
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
    print(f"gap {gap:.3f} kept {len(dock.session.state.journal.journal.frames())}", flush=True)
    dock.session.edits_let_go.emit()
    viewer.close()


@contextlib.contextmanager
def written_in_the_windows_thread() -> Iterator[None]:
    """A journal that the GUI thread writes itself."""

    def put(writer: JournalWriter, entry: Any, t: int, act: Callable[[], None]) -> None:
        act()

    with mock.patch.object(JournalWriter, "_put", put):
        yield


BUGS = {"": contextlib.nullcontext, "written in the window's thread": written_in_the_windows_thread}

if __name__ == "__main__":
    with BUGS["".join(sys.argv[2:])]():
        main(float(sys.argv[1]))
