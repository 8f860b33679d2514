"""Run by a process of its own: open a cine, segment it, close the viewer; what of ours is still there?"""

from __future__ import annotations

import gc
import time
import weakref

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_lightvessel._demo import show_dock


def main() -> None:
    """Prints ``gone`` or ``kept`` for the session, the cine's state and the segmenter."""
    ours = opened_and_closed()
    for _ in range(20):
        spin(0.2)
        gc.collect()
    print(*("kept" if reference() else "gone" for reference in ours))


def opened_and_closed() -> list[weakref.ref]:
    """In a frame of its own: napari looks into its caller's variables, and Python then keeps them."""
    viewer = napari.Viewer(show=False)
    dock = show_dock(viewer)
    viewer.add_image(np.random.default_rng(0).integers(0, 255, (2, 64, 64)).astype(np.uint8))
    spin(0.5)
    dock.segment.cine_button.click()
    while dock.segmenter.busy:
        spin(0.1)
    ours = [weakref.ref(dock.session), weakref.ref(dock.session.state), weakref.ref(dock.segmenter)]
    viewer.close()
    return ours


def spin(seconds: float) -> None:
    """Let Qt work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
