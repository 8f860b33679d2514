"""Distillation on one's own cases from the Train section: teacher and student chosen, a real child process."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_lightvessel._dock import LightVesselWidget
from src_training import FinetuneSettings, synthetic_cine
from src_training.dataset import Frame
from src_training.networks import Architecture, build_network
from src_training.training.publish import stage_model


@pytest.fixture
def taught_workspace(dock, tmp_path, new_workspace):
    """Three accepted frames, and a teacher among the workspace's models."""
    workspace = new_workspace(dock, tmp_path / "coronary")
    made = synthetic_cine(seed=2, n_frames=6, shape=(192, 192))
    for t in (2, 3, 4):
        workspace.dataset.append(
            Frame(np.asarray(made.cine.frame(t), np.uint8), patient="p-1"), made.masks[t]
        )
    torch.manual_seed(0)
    network = build_network(Architecture(family="lite0-unet", base_channels=16))
    stage_model(network, tmp_path / "staged", name="professor", label_protocol="full-tree")
    return workspace, workspace.models.add(tmp_path / "staged")


@pytest.mark.timeout(600)
def test_a_teacher_is_chosen_and_the_distilled_model_promoted(viewer, dock, taught_workspace, qtbot):
    workspace, teacher = taught_workspace
    dock.session.refresh_models()
    chooser = dock.train.method
    qtbot.waitUntil(lambda: chooser.teacher.findData(teacher.id) >= 0, timeout=20_000)
    assert chooser.teacher_row.isHidden()  # a fine-tuning has no teacher
    chooser.way.setCurrentIndex(1)
    assert not chooser.teacher_row.isHidden() and dock.train.start_button.text() == "Distill"
    chooser.teacher.setCurrentIndex(chooser.teacher.findData(teacher.id))
    chooser.student.setCurrentIndex(chooser.student.findData("small-syntax"))
    assert chooser.teacher.findData(teacher.id) < 0  # it means something else by a vessel
    chooser.student.setCurrentIndex(chooser.student.findData("small"))
    assert chooser.teacher.findData(teacher.id) >= 0 and chooser.teacher.findData("small") < 0
    assert chooser.teacher.findData("teacher") >= 0  # the shipped one of the full tree
    chooser.teacher.setCurrentIndex(chooser.teacher.findData(teacher.id))

    form = dock.train.settings_form()
    form["steps"].value, form["validate_every"].value, form["batch_pixels"].value = 3, 3, 2 * 256**2
    dock.trainer._count()
    qtbot.waitUntil(lambda: dock.train.start_button.isEnabled(), timeout=20_000)
    dock.train.start_button.click()
    qtbot.waitUntil(lambda: dock.trainer.view is not None, timeout=20_000)
    run_id = dock.trainer.view.run.id
    dock.close_session()  # napari is closed, and opened again

    again = LightVesselWidget(viewer)
    qtbot.addWidget(again)
    qtbot.waitUntil(lambda: again.trainer.view is not None and again.trainer.view.over, timeout=280_000)
    view = again.trainer.view
    assert view.run.id == run_id and view.state.status == "finished", view.state.message
    card = workspace.models.get(view.state.model_id).card
    assert card.teacher == teacher.id and card.parent == "small" and card.name == "small-kd"
    assert card.recipe["finetune"]["method"] == "lightvessel"

    qtbot.waitUntil(again.trainer.waiting, timeout=20_000)
    again.train.promote_button.click()
    again.train.ask.reason.setText("a first look")
    again.train.ask.yes.click()
    qtbot.waitUntil(lambda: workspace.models.current() is not None, timeout=20_000)
    assert workspace.models.current().id == view.state.model_id
    again.close_session()


def test_without_a_teacher_the_way_is_closed_with_the_reason(dock, tmp_path, new_workspace, qtbot):
    new_workspace(dock, tmp_path / "coronary")
    chooser = dock.train.method
    chooser.student.setCurrentIndex(0)
    chooser.teacher.clear()
    chooser.way.setCurrentIndex(2)
    assert not dock.train.start_button.isEnabled()
    assert "no teacher" in chooser.missing()
    chooser.way.setCurrentIndex(3)
    assert chooser.missing() == "" and chooser.settings() == {
        "anchor_weight": 0.0,
        "teacher": "",
        "base_model": "",
    }


def test_the_presets_are_settings_of_the_training(dock):
    chooser = dock.train.method
    found = []
    for index in range(chooser.way.count()):
        chooser.way.setCurrentIndex(index)
        found.append(FinetuneSettings(**chooser.settings()))
    assert [settings.method for settings in found] == [
        "lightvessel",
        "lightvessel",
        "as-published",
        "lightvessel",
    ]
    assert [settings.balance for settings in found] == [0.2, 0.2, 0.0, 0.2]


def test_the_form_shows_what_will_run(dock):
    chooser, form = dock.train.method, dock.train.settings_form()
    form["anchor_weight"].value = 2.0
    form["balance"].value = 0.4
    for index in (1, 2, 3, 0):
        chooser.way.setCurrentIndex(index)
        shown, runs = (
            form.value().model_dump(),
            FinetuneSettings(**form.value().model_dump() | chooser.settings()),
        )
        fixed = set(chooser.fixed()) - {"method"}
        assert all(shown[name] == getattr(runs, name) and not form[name].enabled for name in fixed)
        assert form["balance"].native.isHidden() == form["ramp"].native.isHidden() == (index in (0, 3))
        assert form["anchor_weight"].native.isHidden() == (index in (1, 2))
    assert form.value().anchor_weight == 2.0 and form.value().balance == 0.4
    with pytest.raises(KeyError):
        form["devices"]  # a run of a workspace computes on one
