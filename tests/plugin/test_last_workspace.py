"""The workspace of last time is opened again, unless the window did not come through with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_lightvessel import _last_workspace, _preferences
from napari_lightvessel._dock import LightVesselWidget
from src_training import Workspace
from src_training.runs.process import Identity


@pytest.fixture
def remembered(tmp_path):
    made = Workspace.create(tmp_path / "coronary")
    _preferences.put("workspace", str(made.path))
    return made.path


@pytest.fixture
def start(make_napari_viewer, qtbot):
    """A window in which the dock has just been opened."""
    docks = []

    def started() -> LightVesselWidget:
        viewer = make_napari_viewer()
        docks.append(LightVesselWidget(viewer))
        viewer.window.add_dock_widget(docks[-1])
        return docks[-1]

    yield started
    for dock in docks:
        dock.close_session()


def note(workspace: Path, process: Identity, age: float = 0.0) -> None:
    """What a window leaves that was at it."""
    trial = {"workspace": str(workspace), "process": process.to_json(), "began": time.time() - age}
    _preferences.put("workspace_trial", trial)


def gone() -> Identity:
    """A process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        return Identity.of(child.pid)


def is_open(dock: LightVesselWidget) -> bool:
    return dock.session.workspace is not None


def test_it_is_opened_and_the_note_goes_when_the_window_has_stood(start, remembered, qtbot, monkeypatch):
    monkeypatch.setattr(_last_workspace, "_THROUGH_MS", 300)
    dock = start()
    qtbot.waitUntil(lambda: is_open(dock), timeout=10_000)
    assert _preferences.get("workspace_trial")["workspace"] == str(remembered)
    qtbot.waitUntil(lambda: _preferences.get("workspace_trial") is None, timeout=10_000)


def test_a_window_that_is_closed_has_come_through(start, remembered, qtbot):
    dock = start()
    qtbot.waitUntil(lambda: is_open(dock), timeout=10_000)
    dock.close_session()
    assert _preferences.get("workspace_trial") is None and _preferences.get("workspace") == str(remembered)


@pytest.mark.parametrize("who", ["a process that is gone", "one that has been at it for long"])
def test_one_that_hung_the_window_is_told_and_not_opened_by_itself(start, remembered, qtbot, who):
    if who == "a process that is gone":
        note(remembered, gone())
    else:
        note(remembered, Identity.of(), age=3600)
    dock = start()
    assert "coronary was not opened by itself" in dock.header.line.text()
    qtbot.wait(500)
    assert not is_open(dock) and _preferences.get("workspace") is None
    dock.header.open_workspace(remembered)  # by hand, all the same
    qtbot.waitUntil(lambda: is_open(dock), timeout=10_000)
    assert _preferences.get("workspace") == str(remembered)


def test_another_window_that_is_just_starting_is_no_sign_of_harm(start, remembered, qtbot):
    note(remembered, Identity.of(), age=3)
    dock = start()
    qtbot.waitUntil(lambda: is_open(dock), timeout=10_000)


def test_the_note_of_another_computer_or_workspace_is_not_judged(start, remembered, qtbot):
    elsewhere = Identity("other", "boot", 4, 1.0, machine="another machine", space="x")
    note(remembered, elsewhere, age=3600)
    dock = start()
    qtbot.waitUntil(lambda: is_open(dock), timeout=10_000)


def test_one_that_cannot_be_opened_is_told_once(start, remembered, qtbot):
    (remembered / "dataset" / "dataset.json").write_text("{")
    dock = start()
    qtbot.waitUntil(lambda: "not opened by itself any more" in dock.header.line.text(), timeout=10_000)
    assert "dataset.json" in dock.header.line.text() and _preferences.get("workspace") is None
    dock.close_session()
    again = start()
    qtbot.wait(300)
    assert again.header.line.text() == ""


def test_a_drive_that_is_not_there_is_no_harm(start, remembered, qtbot):
    remembered.rename(remembered.with_name("unmounted"))
    dock = start()
    qtbot.waitUntil(lambda: _preferences.get("workspace_trial") is None, timeout=10_000)
    assert not is_open(dock) and _preferences.get("workspace") == str(remembered)
    assert dock.header.line.text() == ""


@pytest.mark.parametrize("way", ["by itself", "by hand"])
def test_a_window_killed_while_it_opens_leaves_the_note(remembered, tmp_path, way):
    """What the note is for: the process of a real window ends while the workspace is being read and drawn."""
    by_hand = "d.header.open_workspace(sys.argv[1]);" if way == "by hand" else ""
    if by_hand:
        _preferences.put("workspace", None)
    code = (
        "import os, sys, napari; from napari_lightvessel._dock import LightVesselWidget as D; from napari_lightvessel "
        "import _preferences as P; v = napari.Viewer(show=False); d = D(v);"
        "d.session.workspace_changed.connect(lambda w: (P._writer.submit(int).result(), os._exit(9)));"
        f"{by_hand} napari.run()"
    )
    command = [sys.executable, "-c", code, str(remembered)]
    ended = subprocess.run(command, env=os.environ, timeout=120, check=False)
    assert ended.returncode == 9
    assert _preferences._read(_preferences._path())["workspace_trial"]["workspace"] == str(remembered)
