"""The whole loop in an installed napari-lightvessel: ``python -I installed_journey.py WORKSPACE`` in its environment.

It stands alone, knows nothing of the checkout, and ends with 0 and one line of JSON when every step held.
"""

import importlib.metadata
import json
import sys
import time
from pathlib import Path

import napari
import numpy as np
from qtpy import API_NAME
from qtpy.QtWidgets import QApplication

STEPS = 2
PATIENCE_S = 400.0


def wait(what, until):
    end = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < end, f"waited {PATIENCE_S:.0f} s for {what}"
        QApplication.processEvents()
        time.sleep(0.01)


def segment_the_sample(viewer, dock):
    viewer.open_sample("napari-lightvessel", "synthetic-cine")
    wait("the sample", lambda: dock.session.state is not None)
    dock.segment.cine_button.click()
    wait("the segmentation", lambda: not dock.segmenter.busy)
    state = dock.session.state
    assert len(state.probabilities) == state.n_frames, dock.segment.line.text()
    assert state.area_px.max() > 1000, "hardly a vessel was found in the sample"
    return state


def correct_and_accept(dock, state, workspace):
    dock.header.create_workspace(workspace)
    wait("the workspace", lambda: dock.session.workspace is not None)
    dock.correct.patient.setText("phantom-1")
    dock.correct.patient.editingFinished.emit()
    t = int(np.argmax(state.area_px))
    dock.session.go_to(t)
    y, x = np.argwhere(state.labels(t) == 1)[0]
    dock.correct.use_tool("paint")
    state.mask.layer.paint((t, int(y), int(x)), 1)
    dock.correct.accept_button.click()
    wait("the accepted frame", lambda: not dock.accepter.busy and "Saved" in dock.correct.line.text())
    assert len(list(dock.session.workspace.dataset.heads(status="accepted"))) == 1


def finetune(dock):
    form = dock.train.settings_form()
    form["steps"].value = form["validate_every"].value = STEPS
    form["batch_pixels"].value = 2 * 256**2
    wait("the Start button", dock.train.start_button.isEnabled)
    dock.train.start_button.click()
    wait("the run", lambda: dock.trainer.view is not None and dock.trainer.view.over)
    ended = dock.trainer.view.state
    assert ended.status == "finished" and ended.step == STEPS, f"{ended.status}: {ended.message}"
    return ended.model_id


def promote(dock, model_id):
    wait("the verdict", dock.trainer.waiting)
    dock.train.promote_button.click()
    if not dock.train.ask.isHidden():
        dock.train.ask.reason.setText("one frame of a phantom: to see that it works")
        dock.train.ask.yes.click()
    wait("the promotion", lambda: dock.session.model is not None and dock.session.model.id == model_id)
    assert dock.session.workspace.models.current().id == model_id


def everything_came_from_this_environment():
    records = list(importlib.metadata.distributions(name="napari-lightvessel"))
    assert len(records) == 1, f"{len(records)} installations of ours are seen"
    ours = [m for n, m in sys.modules.items() if n.split(".")[0] in ("src_training", "napari_lightvessel")]
    strays = [m.__file__ for m in ours if not Path(m.__file__).is_relative_to(sys.prefix)]
    assert len(ours) > 50 and not strays, strays


def main(workspace):
    viewer = napari.Viewer()
    _area, dock = viewer.window.add_plugin_dock_widget("napari-lightvessel", "LightVessel")
    state = segment_the_sample(viewer, dock)
    correct_and_accept(dock, state, workspace)
    model_id = finetune(dock)
    promote(dock, model_id)
    everything_came_from_this_environment()
    dock.close_session()
    viewer.close()
    facts = {"qt": API_NAME, "python": sys.version.split()[0], "promoted": model_id}
    print(json.dumps({**facts, "version": importlib.metadata.version("napari-lightvessel")}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
