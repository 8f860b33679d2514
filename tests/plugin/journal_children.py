"""Painters in processes of their own that are killed in the middle of their work.

``python journal_children.py ROOT COUNT AT_ONCE WINDOWS LOOK_MS`` prints for every kill
``killed <strokes> <lost> <age of the oldest lost, s>``. The first WINDOWS painters paint in a real napari, the
others without a window. LOOK_MS, unless 0, makes the plugin look for edits at another pace than its own, to see
that this is noticed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from qtpy.QtCore import QCoreApplication, QTimer
from qtpy.QtWidgets import QApplication

from napari_lightvessel import _journalling
from napari_lightvessel._journalling import Journalist
from napari_lightvessel._session import Session
from src_training.errors import LightVesselError
from src_training.journal import Journal

SHAPE = (6, 128, 128)
STROKE_MS = 40


def without_a_window() -> tuple[Any, ViewerModel, Session, object]:
    """An application, a viewer, its session, and what must be held on to."""
    app, viewer = QCoreApplication([]), ViewerModel()
    session = Session(viewer)
    return app, viewer, session, Journalist(session)


def in_a_window() -> tuple[Any, ViewerModel, Session, object]:
    """The same as a person has it: napari with the dock."""
    import napari

    from napari_lightvessel._demo import show_dock

    viewer = napari.Viewer()
    dock = show_dock(viewer)
    return QApplication.instance(), viewer, dock.session, dock


def paint_until_killed(root: Path, seed: int, told: int, *, window: bool) -> None:
    """One stroke after the other on random frames, each told once its pixels are set; never returns."""
    os.environ["LIGHTVESSEL_CONFIG_DIR"] = str(root)
    app, viewer, session, held = in_a_window() if window else without_a_window()
    viewer.add_image(np.zeros(SHAPE, np.uint8), name="painted")
    assert session.state is not None
    mask = session.state.ensure_mask(viewer)
    rng = random.Random(seed)

    def stroke() -> None:
        t, y, x = (rng.randrange(side) for side in SHAPE)
        session.go_to(t)
        mask.layer.paint((t, y, x), 1)
        os.write(told, json.dumps([t, y, x, time.monotonic()]).encode() + b"\n")

    timer = QTimer()
    timer.timeout.connect(stroke)
    timer.start(STROKE_MS)
    app.exec_()
    del held


def painter(root: Path, seed: int, *, window: bool) -> tuple[int, int, Path]:
    """Start a painter; its pid, the pipe it tells on, and its folder."""
    folder = root / f"{seed:03d}"
    folder.mkdir()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            paint_until_killed(folder, seed, write, window=window)
        finally:
            os._exit(1)
    os.close(write)
    return pid, read, folder


def losses(told: bytes, folder: Path, ended: float) -> list[float]:
    """The age at the kill of every stroke that is not in the journal, the last stroke apart."""
    journals = [Journal.open(path) for path in sorted((folder / "unaccepted").glob("*"))]
    labels = {}
    for journal in journals:
        for t in journal.frames():
            labels[t] = journal.labels(t)
    strokes = [json.loads(line) for line in told.splitlines() if line.endswith(b"]")][:-1]
    nothing = np.zeros(SHAPE[1:], np.uint8)
    return [ended - at for t, y, x, at in strokes if labels.get(t, nothing)[y, x] != 1]


def main(root: Path, count: int, at_once: int, windows: int) -> None:
    """Kill ``count`` painters, some at once, each after two to four seconds of painting."""
    rng = random.Random(1)
    groups = [range(seed, seed + 1) for seed in range(windows)]  # a window takes a core
    groups += [range(seed, min(count, seed + at_once)) for seed in range(windows, count, at_once)]
    for group in groups:
        painters = [painter(root, seed, window=seed < windows) for seed in group]
        for pid, read, folder in painters:
            told = os.read(read, 1 << 20)  # it paints
            time.sleep(rng.uniform(2.2, 4.0) / (1 if pid == painters[0][0] else at_once))
            ended = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            while more := os.read(read, 1 << 20):
                told += more
            os.close(read)
            try:
                lost = losses(told, folder, ended)
            except LightVesselError as error:
                print(f"unreadable {error}", flush=True)
                continue
            print(f"killed {told.count(b']')} {len(lost)} {max(lost, default=0.0):.3f}", flush=True)


if __name__ == "__main__":
    how_many, together, in_windows, pace_ms = map(int, sys.argv[2:])
    if pace_ms:
        _journalling._LOOK_MS = pace_ms
    main(Path(sys.argv[1]), how_many, together, in_windows)
