"""The frames that a candidate got worse: shown side by side at the verdict, and the cine is back afterwards."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from napari_lightvessel._training import RunView
from src_training import Predictor, synthetic_cine
from src_training.dataset import Frame
from src_training.evaluation import Comparison
from src_training.runs import RunState

SIDES = (96, 128)
WORSE = Comparison(
    candidate="small-syntax",
    current="small",
    frames=2,
    patients=1,
    delta_dice=-0.1,
    dice_interval=(-0.1, -0.1),
    delta_cldice=-0.1,
    cldice_interval=(-0.1, -0.1),
    worse_patients=1,
    worst_patient=-0.1,
    home_dice_candidate=0.8,
    home_dice_current=0.8,
)
MISSED, TOO_MUCH = 3, 4


@pytest.fixture
def losing(viewer, dock, frames, tmp_path, new_workspace):
    """An open cine, two accepted frames of other cines, and a verdict that names both as worse; their names."""
    viewer.add_image(frames, name="IM5")
    dock.session.go_to(3)
    dataset = new_workspace(dock, tmp_path / "ws").dataset
    names = []
    for seed, side in enumerate(SIDES):
        made = synthetic_cine(seed=seed, n_frames=6, shape=(side, side))
        frame = Frame(np.asarray(made.cine.frame(3), np.uint8), patient="p-1", frame_index=3)
        names.append(f"{dataset.append(frame, made.masks[3]).case} frame 3")
    tell_verdict(dock, names)
    return names


def tell_verdict(dock, names: list[str]) -> None:
    """Let the Train section show a run that ended with this comparison."""
    decision = {"verdict": "refuse", "reasons": ["a patient falls by 0.2."]}
    losing = [[name, -0.1] for name in names]
    tell(dock, WORSE.as_dict() | {"losing_frames": losing, "decision": decision})


def tell(dock, compared: dict) -> None:
    dock.trainer.view = RunView(None, RunState(status="finished", compared=compared))
    dock.trainer.run_changed.emit(dock.trainer.view)


def show(dock, qtbot) -> list:
    """Press the button; the layers that came."""
    before = list(dock.viewer.layers)
    dock.train.losing.show_button.click()
    qtbot.waitUntil(lambda: not dock.losing.busy, timeout=60_000)
    return [layer for layer in dock.viewer.layers if layer not in before]


def test_a_comparison_that_is_damaged_offers_nothing_and_is_told_in_a_line(dock, losing):
    record = WORSE.as_dict() | {"losing_frames": [["a frame", "much"]]}
    tell(dock, record | {"decision": {"verdict": "refuse", "reasons": []}})
    bar = dock.train.losing
    assert "a stored comparison is damaged" in bar.line.text() and bar.show_button.isHidden()


def test_losing_frames_are_shown_side_by_side_with_all_three_masks(viewer, dock, losing, qtbot):
    bar = dock.train.losing
    assert bar.show_button.text() == "Show the 2 frames that got worse" and not bar.isHidden()
    image, accepted, live, candidate, captions = show(dock, qtbot)
    assert [layer.name for layer in (accepted, live, candidate)] == [
        "2 frames · accepted",
        "2 frames · live small",
        "2 frames · candidate small-syntax",
    ]
    heads = [dock.session.workspace.dataset.head(name.split()[0]) for name in losing]
    for layer, model in ((live, "small"), (candidate, "small-syntax")):
        predictor = Predictor.load(model)
        for t, head in enumerate(heads):
            mask, (rows, columns) = predictor.mask(predictor.probability(head.frame())), head.shape
            shown = layer.data[t, :rows, :columns]
            np.testing.assert_array_equal((shown == 1) | (shown == TOO_MUCH), mask == 1)
            np.testing.assert_array_equal((shown == 1) | (shown == MISSED), head.mask() == 1)
            np.testing.assert_array_equal(accepted.data[t, :rows, :columns], head.mask())
    lefts = [layer.extent.world[0][2] for layer in (accepted, live, candidate)]
    assert lefts[1] - lefts[0] == lefts[2] - lefts[1] > max(SIDES)  # beside one another
    for left in lefts:  # each on its own copy of the frame
        panel = image.data[1, :, round(left + 0.5) : round(left + 0.5) + SIDES[1]]
        np.testing.assert_array_equal(panel, image.data[1, :, : SIDES[1]])
    assert "candidate: Dice" in "".join(captions.features["caption"])
    assert "1 of 2 · case" in bar.where.text()
    bar.after.click()
    assert "2 of 2 · case" in bar.where.text() and viewer.dims.point[0] == 1
    bar.after.click()
    assert "1 of 2 · case" in bar.where.text()


def test_the_cine_is_as_before_when_they_are_closed(viewer, dock, losing, qtbot):
    state, zoom = dock.session.state, viewer.scene.camera.zoom
    show(dock, qtbot)
    assert dock.session.state is state and not state.image.visible
    dock.train.losing.done.click()
    assert list(viewer.layers) == [state.image] and state.image.visible
    assert dock.session.frame == 3 and viewer.scene.camera.zoom == zoom
    assert viewer.layers.selection.active is state.image


def test_a_frame_that_is_covered_is_not_decided(dock, losing, qtbot):
    assert dock.correct.no_vessel_button.isEnabled()
    show(dock, qtbot)
    assert not dock.correct.no_vessel_button.isEnabled() and not dock.segment.cine_button.isEnabled()
    assert "Close them first" in dock.correct.no_vessel_button.toolTip()
    dock.accepter.no_vessel()
    assert not dock.accepter.busy and "Close them first" in dock.correct.line.text()
    dock.losing.close_frames()
    assert dock.correct.no_vessel_button.isEnabled()


@pytest.mark.parametrize("end", ["another cine", "one of their layers removed", "another run"])
def test_what_takes_their_place_closes_them(viewer, dock, losing, frames, qtbot, end):
    layers = show(dock, qtbot)
    if end == "another cine":
        viewer.add_image(frames[:2, ::-1], name="other")
    elif end == "another run":
        tell_verdict(dock, losing[:1])
    else:
        viewer.layers.remove(layers[2])
    assert not any(layer in viewer.layers for layer in layers)
    assert [layer.name for layer in viewer.layers if layer.visible] == [
        "other" if end == "another cine" else "IM5"
    ]
    assert not dock.session.covered and not dock.train.losing.show_button.isHidden()


def test_frames_on_their_way_do_not_come_when_another_run_is_shown(viewer, dock, losing, qtbot):
    dock.train.losing.show_button.click()
    job = dock.losing._job
    tell_verdict(dock, losing[:1])
    assert not dock.losing.busy and dock.train.losing.show_button.isEnabled()
    qtbot.waitUntil(lambda: job._outcome is None, timeout=60_000)  # it is over
    assert [layer.name for layer in viewer.layers] == ["IM5"]


def test_a_case_that_is_gone_is_told_in_a_line_and_the_other_is_shown(viewer, dock, losing, qtbot):
    remove_case(dock, losing[0])
    image, *_ = show(dock, qtbot)
    assert image.name == losing[1] and "1 of 1" in dock.train.losing.where.text()
    assert dock.train.losing.line.text().startswith(f"{losing[0]}: not in this workspace any more")


def test_when_all_are_gone_a_line_says_so_and_the_viewer_stays(viewer, dock, losing, qtbot):
    for name in losing:
        remove_case(dock, name)
    assert show(dock, qtbot) == [] and dock.session.state.image.visible
    assert "not in this workspace" in dock.train.losing.line.text()
    assert "\n" not in dock.train.losing.line.text() and dock.train.losing.show_button.isEnabled()


def remove_case(dock, name: str) -> None:
    case = name.split()[0]
    shutil.rmtree(dock.session.workspace.dataset.folder / "cases" / case[:2] / case)


def test_without_losing_frames_there_is_no_button(dock, losing):
    tell_verdict(dock, [])
    assert dock.train.losing.isHidden()


def test_closing_the_dock_over_them_gives_the_cine_back(viewer, dock, losing, qtbot):
    show(dock, qtbot)
    dock.losing.close()
    assert [layer.name for layer in viewer.layers] == ["IM5"] and viewer.layers["IM5"].visible


def test_they_do_not_widen_the_dock(viewer, dock, losing, qtbot):
    viewer.window._qt_window.resize(1366, 768)
    show(dock, qtbot)
    qtbot.wait(20)
    assert dock.scroll_area.widget().minimumSizeHint().width() <= 372 - 12
