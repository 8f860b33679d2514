"""Our own command opens its window without a word about the toolkit that it chose, and hides no other warning."""

from __future__ import annotations

import subprocess
import sys

DEMO = """
import time, warnings
from qtpy.QtWidgets import QApplication
from napari_lightvessel._demo import open_segmented_sample
viewer, dock = open_segmented_sample()
QApplication.processEvents()
for number in range(40):  # a library that is being imported in a thread may hide one
    warnings.warn(f"something else {number}")
    QApplication.processEvents()
    time.sleep(0.05)
from napari.utils.notifications import notification_manager
print([str(record.message) for record in notification_manager.records])
dock.close_session()
viewer.close()
"""


def test_the_demo_is_greeted_by_no_notice_of_the_toolkit_and_by_all_others(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", DEMO], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    assert "deprecated and will be removed" not in told and "Qt6 backend" not in told
    assert "something else" in told
