"""A real napari that accepts frames and times what its own thread spends on them; then a disk hangs in an accept.

``python accept_child.py WORKSPACE COUNT [BUG]`` prints one JSON object of milliseconds. BUG plants a bug of ``BUGS``.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import napari
import numpy as np
from stalled_disk import HangingDisk, longest_gap, settle, wait

from napari_lightvessel import _jobs
from napari_lightvessel._demo import show_dock
from src_training import Workspace

SHAPE = (30, 512, 512)
HANGS_S = 2.0


def main(folder: Path, count: int) -> dict[str, list[float]]:
    """Accept ``count`` frames, each painted on before."""
    Workspace.create(folder)
    viewer = napari.Viewer()
    dock = show_dock(viewer)
    rng = np.random.default_rng(0)
    viewer.add_image(rng.integers(0, 256, SHAPE).astype(np.uint8), name="run")
    dock.header.open_workspace(folder)
    wait(lambda: dock.session.workspace is not None)
    dock.correct.use_tool("paint")
    times: dict[str, list[float]] = {"pressed": [], "saved": [], "frozen": []}
    dock.accepter._on_saved = timed(dock.accepter._on_saved, times["saved"])
    press = timed(dock.correct.accept_button.click, times["pressed"])
    for t in range(count):
        paint(dock, t % SHAPE[0], 100 + t)
        press()
        wait(lambda: not dock.accepter.busy)
    times["frozen"].append(frozen_by_a_hanging_disk(dock))
    viewer.close()
    return times


def paint(dock: Any, t: int, at: int) -> None:
    """A stroke as the mouse would make it, and time for what follows it."""
    dock.session.go_to(t)
    layer = dock.session.state.mask.layer
    layer.brush_size = 9
    for step in range(40):
        layer.paint((t, at + step, 100 + step), 1)
    settle(0.15)


def frozen_by_a_hanging_disk(dock: Any) -> float:
    """The longest that the window stood still while an accept waited for its disk, in ms."""
    paint(dock, 0, 300)

    def accept() -> None:
        dock.correct.accept_button.click()
        wait(lambda: not dock.accepter.busy)

    return 1000 * longest_gap(HangingDisk(HANGS_S, once=True), accept)


def timed(act: Callable[..., Any], into: list[float]) -> Callable[..., Any]:
    """The same, noting how long this thread worked on it, in ms; other programs' turns are not counted."""

    def timing(*arguments: Any) -> Any:
        began = time.thread_time()
        try:
            return act(*arguments)
        finally:
            into.append(1000 * (time.thread_time() - began))

    return timing


@contextlib.contextmanager
def saved_in_the_windows_thread() -> Iterator[None]:
    """A save is done before it is handed to the thread that was meant to do it."""
    real = _jobs.start

    def start(work: Any, **how: Any) -> Any:
        if how.get("step") is not None or not how.get("visible", True):
            return real(work, **how)
        outcome = work(lambda: False)
        return real(lambda _cancelled: outcome, **how)

    with mock.patch.object(_jobs, "start", start):
        yield


BUGS = {"": contextlib.nullcontext, "saved in the window's thread": saved_in_the_windows_thread}

if __name__ == "__main__":
    with BUGS["".join(sys.argv[3:])]():
        print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))), flush=True)
