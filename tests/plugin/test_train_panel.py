"""The Train section: following a run costs the window nothing."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_lightvessel._training import Figures, RunView, count_frames
from napari_lightvessel._verdict import run_words
from src_training import ModelStore, Workspace, synthetic_cine
from src_training.dataset import Frame
from src_training.models import load_model
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


def test_one_can_roll_back_once_there_is_a_model_to_go_back_to(dock, tmp_path, new_workspace, qtbot):
    new_workspace(dock, tmp_path / "ws")
    qtbot.waitUntil(lambda: bool(dock.session.shelf.builtin), timeout=20_000)
    assert dock.train.rollback_button.isHidden()
    shelf = dock.session.shelf
    dock.session._take_models(replace(shelf, live=shelf.builtin[0]))
    assert dock.train.rollback_button.isHidden()
    dock.session._take_models(replace(shelf, live=shelf.builtin[0], previous=shelf.builtin[1]))
    assert not dock.train.rollback_button.isHidden() and dock.train.rollback_button.isEnabled()


def test_a_live_model_whose_snapshot_is_gone_leaves_every_frame_new(tmp_path):
    workspace = Workspace.create(tmp_path / "ws")
    made = synthetic_cine(seed=2, n_frames=2, shape=(96, 96))
    workspace.dataset.append(Frame(np.asarray(made.cine.frame(1), np.uint8), patient="p-1"), made.masks[1])
    model = load_model("small")
    live = replace(model, card=model.card.model_copy(update={"run": "20260101T000000Z-finetune-abcdef"}))
    assert count_frames(workspace, live) == Figures(accepted=1, new=1, patients=1)


def test_a_run_that_stopped_early_says_what_it_does_then():
    state = RunState().fold(
        [
            {"event": "started", "kind": "finetune", "steps": 300},
            {"event": "progress", "step": 120, "steps": 300, "loss": 0.5, "seconds_left": 60.0},
        ]
    )
    assert run_words(RunView(None, state)) == "step 120/300 · 60 s left"
    state.fold([{"event": "trained", "message": "trained; choosing"}])
    assert run_words(RunView(None, state)) == "choosing and comparing…" and state.eta_s is None
    state.fold([{"event": "launched"}, {"event": "started"}])
    assert run_words(RunView(None, state)) == "step 120/300"


@pytest.mark.parametrize("status", ["queued", "running", "cancelled", "interrupted", "failed", "finished"])
def test_however_a_run_stands_the_column_is_as_wide_as_its_room(viewer, dock, qtbot, status):
    """However narrow somebody makes the dock, with the scroll bar that takes some of the width."""
    window = viewer.window._qt_window
    window.resize(1366, 540)
    window.show()
    state = RunState(status=status, step=123_456, steps=200_000, eta_s=86_400.0, message="why it ended " * 30)
    dock.trainer.view = RunView(None, state)
    dock.trainer.run_changed.emit(dock.trainer.view)
    scroll = dock.scroll_area
    qtbot.waitUntil(lambda: scroll.verticalScrollBar().isVisible(), timeout=10_000)
    window.resizeDocks([dock.parent()], [10], Qt.Orientation.Horizontal)
    qtbot.wait(100)
    assert scroll.horizontalScrollBar().maximum() == 0
    assert scroll.widget().width() <= scroll.viewport().width() and dock.minimumSizeHint().width() <= 372
