"""What is chosen for us in napari's settings holds, and is there again in the next session."""

from __future__ import annotations

import subprocess
import sys

from napari_lightvessel import _settings

SESSION = """
import sys
from npe2 import PluginManager
PluginManager.instance().discover()
from napari.settings import get_plugin_settings
from napari_lightvessel import _settings
print(_settings.threads())
if len(sys.argv) > 1:
    get_plugin_settings("napari-lightvessel").segmenting.threads = int(sys.argv[1])
    print(_settings.threads())
"""


def session(*words: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", SESSION, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


def test_the_threads_chosen_in_napari_hold_in_this_session_and_the_next():
    assert session("5") == [2, 5]
    assert session() == [5]


def test_where_napari_does_not_know_the_plugin_the_default_holds(viewer):
    assert _settings.threads() == 2


def test_a_cine_is_segmented_with_the_threads_that_were_chosen(dock, monkeypatch):
    monkeypatch.setattr(_settings, "threads", lambda: 3)
    assert dock.segmenter._predictor(dock.session.model).streams == 3
    monkeypatch.setattr(_settings, "threads", lambda: 1)
    assert dock.segmenter._predictor(dock.session.model).streams == 1
