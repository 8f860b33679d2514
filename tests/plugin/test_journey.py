"""The whole loop in the dock: ten corrected frames of a real cine, a real child process, promote, roll back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_lightvessel._dock import LightVesselWidget
from napari_lightvessel._reader import read

FRAMES = 10
_RUN_MS = 280_000


@pytest.fixture
def corrected(viewer, dock, segment, saved, shared_data, tmp_path, new_workspace):
    """A segmented cine whose ten fullest frames were painted on and accepted."""
    folder = sorted((shared_data / "cine").iterdir())[0]
    for data, settings, _kind in read(str(folder)):
        viewer.add_image(data, **settings)
    state = segment(dock)
    workspace = new_workspace(dock, tmp_path / "coronary")
    dock.correct.patient.setText("p-1")
    dock.correct.patient.editingFinished.emit()
    for t in sorted(np.argsort(state.area_px)[-FRAMES:].tolist()):
        dock.session.go_to(t)
        y, x = np.argwhere(state.labels(t) == 1)[0]
        dock.correct.use_tool("paint")
        state.mask.layer.paint((t, int(y), int(x)), 1)
        assert saved(dock).startswith("Saved")
    return workspace


def run_to_its_end(dock, qtbot):
    """A short fine-tune through the form and the button; the model it made."""
    form = dock.train.settings_form()
    form["steps"].value, form["validate_every"].value = 4, 4
    form["batch_pixels"].value = 2 * 256**2
    qtbot.waitUntil(lambda: dock.train.start_button.isEnabled(), timeout=20_000)
    dock.train.start_button.click()
    qtbot.waitUntil(lambda: dock.trainer.view is not None and dock.trainer.view.over, timeout=_RUN_MS)
    assert dock.trainer.view.state.status == "finished", dock.trainer.view.state.message
    return dock.trainer.view.state.model_id


@pytest.mark.timeout(600)
def test_ten_corrected_frames_go_through_finetune_compare_promote_and_roll_back(
    viewer, dock, corrected, qtbot
):
    assert len(list(corrected.dataset.heads(status="accepted"))) == FRAMES
    model_id = run_to_its_end(dock, qtbot)
    qtbot.waitUntil(dock.trainer.waiting, timeout=20_000)
    assert "cannot tell" in dock.train.verdict.text() and "reference set" in dock.train.verdict.text()

    dock.train.promote_button.click()
    assert not dock.train.ask.isHidden() and not dock.train.ask.yes.isEnabled()
    dock.train.ask.reason.setText("the only patient of this lab so far")
    dock.train.ask.yes.click()
    qtbot.waitUntil(
        lambda: dock.session.model is not None and dock.session.model.id == model_id, timeout=20_000
    )
    assert corrected.models.current().id == model_id
    qtbot.waitUntil(lambda: "No new accepted frames" in dock.train.words.text(), timeout=20_000)
    assert corrected.models.history()[-1]["override"] == "the only patient of this lab so far"

    dock.train.rollback_button.click()
    dock.train.ask.yes.click()
    qtbot.waitUntil(lambda: dock.session.model.id == "small", timeout=20_000)
    assert corrected.models.current().id == "small"


@pytest.mark.timeout(600)
def test_a_run_outlives_the_dock_and_is_found_again(viewer, dock, corrected, qtbot):
    form = dock.train.settings_form()
    form["steps"].value, form["batch_pixels"].value = 5000, 2 * 256**2
    qtbot.waitUntil(lambda: dock.train.start_button.isEnabled(), timeout=20_000)
    dock.train.start_button.click()
    qtbot.waitUntil(
        lambda: dock.trainer.view is not None and dock.trainer.view.state.step > 0, timeout=120_000
    )
    run_id = dock.trainer.view.run.id
    dock.close_session()

    again = LightVesselWidget(viewer)
    qtbot.addWidget(again)
    qtbot.waitUntil(
        lambda: again.trainer.view is not None and again.trainer.view.state.step > 0, timeout=60_000
    )
    assert again.trainer.view.run.id == run_id and not again.trainer.view.over
    again.train.cancel_button.click()
    qtbot.waitUntil(lambda: again.trainer.view.over, timeout=120_000)
    assert again.trainer.view.state.status == "cancelled"
    assert (again.trainer.view.run.folder / "checkpoints" / "last.pt").is_file()
    assert not again.train.resume_button.isHidden()
    again.close_session()
