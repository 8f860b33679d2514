"""A real napari with the dock, into whose every place hostile texts are put; what is wrong is counted and printed."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
from planting import PLACES
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QToolTip, QWidget
from shown_texts import faults, made_texts, width

from napari_lightvessel import _texts
from napari_lightvessel._demo import show_dock

_WIDEST = 430


def main(pipe: str, count: int) -> None:
    """Prints one line of JSON; ends at the first fault, which may be one that hangs."""
    if os.environ.get("LIGHTVESSEL_SOAK_BUG") == "tips":
        for module in list(sys.modules.values()):
            if getattr(module, "tip_text", None) is not None:
                module.tip_text = _texts.shown
    dock = _opened()
    if os.environ.get("LIGHTVESSEL_SOAK_BUG") == "guesses":
        dock.train.verdict.setTextFormat(Qt.TextFormat.AutoText)
    found, longest, looked_at, told = faults(dock), 0.0, 1, 0
    for told, text in enumerate(made_texts(Path(pipe), count, seed=2), 1):
        began = time.monotonic()
        for plant in PLACES.values():
            if found:
                break
            plant(dock, text)
        if not found:
            QApplication.processEvents()
            looked_at += len(dock.findChildren(QWidget))
            found = faults(dock) + _width(dock) + faults(dock.window().statusBar())
        if found:
            print(found[:3], file=sys.stderr)
            break
        dock.grab()
        if told % 10 == 1:
            _show_tips(dock)
        longest = max(longest, time.monotonic() - began)
    record = {"texts": told, "places": len(PLACES), "faults": len(found), "longest": longest}
    record["looked_at"] = looked_at
    print(json.dumps(record), flush=True)
    os._exit(0)  # nothing of it is worth a tidy end


def _opened() -> QWidget:
    viewer = napari.Viewer()
    dock = show_dock(viewer)
    viewer.add_image(np.random.default_rng(0).integers(0, 255, (6, 64, 64)).astype(np.uint8), name="IM5")
    dock.header.create_workspace(Path(tempfile.mkdtemp()) / "place")
    end = time.monotonic() + 60
    while dock.session.workspace is None or not dock.session.shelf.builtin:
        if time.monotonic() > end:
            raise SystemExit("the workspace did not open")
        QApplication.processEvents()
        time.sleep(0.01)
    dock.train.more_button.click()
    return dock


def _width(dock: QWidget) -> list[str]:
    needed = width(dock)
    return [f"the dock needs {needed} pixels"] if needed > _WIDEST else []


def _show_tips(dock: QWidget) -> None:
    for part in dock.findChildren(QWidget):
        if part.toolTip():
            QToolTip.showText(QPoint(10, 10), part.toolTip(), part)
            QApplication.processEvents()
    QToolTip.hideText()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
