"""Unaccepted edits are asked about when their layer goes or another cine comes: every cine in its turn."""

from __future__ import annotations

import numpy as np
import pytest

from napari_lightvessel._cine_state import CineState


@pytest.fixture
def painted(viewer, dock, frames):
    """Two cines with an edit each: A on frame 1, and on the table B on frame 2."""
    return {name: paint(dock, viewer.add_image(frames, name=name), t) for name, t in (("A", 1), ("B", 2))}


def paint(dock, image, t: int) -> CineState:
    dock.viewer.layers.selection.active = image
    dock.correct.use_tool("paint")
    dock.session.go_to(t)
    dock.session.state.mask.layer.paint((t, 20, 30), 1)
    return dock.session.state


def asked(dock) -> str:
    """The question in sight."""
    return "" if dock.correct.ask.isHidden() else dock.correct.ask.text.text()


def test_of_two_removed_layers_each_is_asked_about(viewer, dock, painted):
    for state in painted.values():
        viewer.layers.remove(state.mask.layer)
    assert asked(dock).startswith("A: the vessel layer was removed")
    dock.correct.ask.yes.click()
    assert asked(dock).startswith("B: the vessel layer was removed")
    dock.correct.ask.yes.click()
    assert not asked(dock).startswith("B")
    assert all(state.mask.layer in viewer.layers for state in painted.values())
    assert [state.labels(t)[20, 30] for state, t in zip(painted.values(), (1, 2), strict=True)] == [1, 1]


def test_a_cleared_layer_list_asks_about_every_cine(viewer, dock, painted):
    viewer.layers.clear()
    first = asked(dock)[0]
    dock.correct.ask.no.click()
    second = asked(dock)[0]
    assert {first, second} == {"A", "B"}
    dock.correct.ask.yes.click()
    assert asked(dock) == "" and [layer.name for layer in viewer.layers] == [second, f"{second} vessels"]
    assert painted[first].edited_frames() == [] and painted[second].edited_frames()


def test_another_cine_on_the_table_does_not_answer_the_question(viewer, dock, painted, frames):
    viewer.layers.remove(painted["A"].mask.layer)
    viewer.add_image(frames[:2, ::-1], name="C")
    assert asked(dock).startswith("A: the vessel layer was removed")


def test_a_cine_left_with_edits_is_asked_about_and_can_be_gone_back_to(viewer, dock, painted):
    assert asked(dock) == "1 edited frame of A is not accepted."
    dock.correct.ask.no.click()
    assert dock.session.state is painted["A"]
    assert asked(dock) == "1 edited frame of B is not accepted."


def test_later_means_until_the_next_switch(viewer, dock, painted):
    dock.correct.ask.later.click()
    assert asked(dock) == ""
    dock.session.marks_changed.emit(painted["A"])
    assert asked(dock) == ""
    for name in ("A", "B"):
        viewer.layers.selection.active = painted[name].image
    assert asked(dock).startswith("1 edited frame of A")


def test_a_cine_without_edits_asks_nothing(viewer, dock, frames):
    viewer.add_image(frames, name="A")
    dock.correct.use_tool("paint")
    viewer.add_image(frames, name="B")
    assert asked(dock) == ""


def test_accepting_the_edits_of_the_former_cine_saves_them_all(
    viewer, dock, painted, tmp_path, new_workspace, qtbot, frames
):
    assert not dock.correct.ask.yes.isEnabled() and "Needs a workspace" in dock.correct.ask.yes.toolTip()
    new_workspace(dock, tmp_path / "ws")
    painted["A"].mask.layer.paint((4, 40, 40), 1)
    dock.correct.ask.yes.click()
    assert asked(dock) == "" and dock.session.state is painted["B"]
    qtbot.waitUntil(lambda: not dock.accepter.busy, timeout=30_000)
    heads = dock.session.workspace.dataset.heads(status="accepted")
    assert sorted(head.frame_index for head in heads) == [1, 4]
    for head in heads:
        np.testing.assert_array_equal(head.mask(), painted["A"].labels(head.frame_index))
        np.testing.assert_array_equal(head.image(), frames[head.frame_index])
    assert painted["A"].edited_frames() == [] and painted["B"].edited_frames() == [2]


def test_edits_that_are_undone_are_asked_about_no_more(viewer, dock, painted):
    painted["A"].mask.layer.undo()
    dock.session.marks_changed.emit(painted["A"])
    assert asked(dock) == ""
