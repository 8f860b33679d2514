"""A real napari with the dock that edits frames 1 and 3 of a file, says so, and waits to be killed."""

from __future__ import annotations

import sys
import time

import napari
from qtpy.QtWidgets import QApplication

from napari_lightvessel._demo import show_dock


def main(file: str) -> None:
    """Prints ``kept`` once the edits are in the journal."""
    viewer = napari.Viewer()
    dock = show_dock(viewer)
    viewer.open(file, plugin="napari-lightvessel")
    dock.correct.use_tool("paint")
    layer = dock.session.state.mask.layer
    for t in (1, 3):
        dock.session.go_to(t)
        layer.brush_size = 5
        layer.paint((t, 20 + t, 30), 1)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)
        kept = dock.session.state.journal
        if kept is not None and set(kept.written) == {1, 3} and dock.journalist.writer.wait(5):
            print("kept", flush=True)
            time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1])
