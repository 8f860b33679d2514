"""The Train section: following a run costs the window nothing."""

from __future__ import annotations

import threading
from dataclasses import replace

from napari_lightvessel._training import RunView
from src_training import ModelStore
from src_training.runs import RunState


def test_following_a_run_reads_no_model_in_the_windows_thread(
    dock, tmp_path, new_workspace, qtbot, monkeypatch
):
    readers = []
    for name in ("current", "previous", "list", "get"):
        asked = getattr(ModelStore, name)
        monkeypatch.setattr(
            ModelStore,
            name,
            lambda *args, _asked=asked: (readers.append(threading.current_thread()), _asked(*args))[1],
        )
    new_workspace(dock, tmp_path / "ws")
    qtbot.waitUntil(lambda: len(readers) >= 2, timeout=20_000)  # the shelf, read beside it
    for step in range(3):
        dock.trainer.run_changed.emit(RunView(None, RunState(status="running", step=step, steps=3)))
    assert threading.main_thread() not in readers


def test_one_can_roll_back_once_a_model_is_live(dock, tmp_path, new_workspace, qtbot):
    new_workspace(dock, tmp_path / "ws")
    qtbot.waitUntil(lambda: bool(dock.session.shelf.builtin), timeout=20_000)
    assert dock.train.rollback_button.isHidden()
    shelf = dock.session.shelf
    dock.session._take_models(replace(shelf, live=shelf.builtin[0]))
    assert not dock.train.rollback_button.isHidden() and dock.train.rollback_button.isEnabled()
