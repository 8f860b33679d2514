"""A real viewer with the real dock; waits are for conditions, never for times."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from src_training import synthetic_cine

sys.path.append(str(Path(__file__).resolve().parent.parent / "training"))  # whose hostile texts are ours


@pytest.fixture(scope="session")
def phantom():
    """Six frames of 96 x 96 with exact masks, from the product's own generator."""
    return synthetic_cine(seed=3, n_frames=6, shape=(96, 96))


@pytest.fixture
def frames(phantom) -> np.ndarray:
    """The same as an array (T, Y, X)."""
    return np.stack([phantom.cine.frame(t) for t in range(6)])


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(viewer, qtbot):
    """The dock, in the viewer's window."""
    from napari_lightvessel._dock import LightVesselWidget

    widget = LightVesselWidget(viewer)
    viewer.window.add_dock_widget(widget, name="LightVessel", area="right")
    yield widget
    qtbot.waitUntil(lambda: not widget.segmenter.busy and not widget.accepter.busy, timeout=60_000)
    widget.close_session()


@pytest.fixture
def segment(qtbot):
    """Press the button and wait until the segmentation is over."""

    def press(dock, button="cine_button"):
        getattr(dock.segment, button).click()
        qtbot.waitUntil(lambda: not dock.segmenter.busy, timeout=120_000)
        return dock.session.state

    return press


@pytest.fixture
def settle(qtbot):
    """Let re-derived masks arrive: the slider's rest time, then the work in the thread."""

    def wait(condition):
        qtbot.waitUntil(condition, timeout=20_000)

    return wait


@pytest.fixture
def saved(qtbot):
    """Press a decision button and wait until it has been said how it ended; returns that line.

    It is taken from the accepter: the section's line may tell of something later by now, such as of frames that waited.
    """

    def press(dock, button="accept_button"):
        lines = []
        outcomes = dock.accepter.saved, dock.accepter.failed
        for outcome in outcomes:
            outcome.connect(lines.append)
        getattr(dock.correct, button).click()
        qtbot.waitUntil(lambda: bool(lines) and not dock.accepter.busy, timeout=30_000)
        for outcome in outcomes:
            outcome.disconnect(lines.append)
        return lines[-1]

    return press


@pytest.fixture
def new_workspace(qtbot):
    """Make a workspace through the dock and wait until it is open."""

    def make(dock, folder):
        dock.header.create_workspace(folder)
        qtbot.waitUntil(lambda: dock.session.workspace is not None, timeout=20_000)
        return dock.session.workspace

    return make


@pytest.fixture
def work(viewer, dock, segment, frames, tmp_path, new_workspace):
    """A segmented cine with a stroke on frame 2, and an open workspace."""
    viewer.add_image(frames, name="IM5")
    state = segment(dock)
    new_workspace(dock, tmp_path / "hospital")
    dock.session.go_to(2)
    state.mask.layer.paint((2, 30, 30), 1)
    return state
