"""Keys and the wheel act where the person means them: none of them changes a number, a tool or a patient beside it."""

from __future__ import annotations

import pytest
from canvas_mouse import show
from napari.settings import get_settings
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QFocusEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QComboBox, QDoubleSpinBox, QGraphicsView, QSlider, QSpinBox

from napari_lightvessel._demo import show_dock
from napari_lightvessel._training import RunView
from src_training.runs import RunState


@pytest.fixture
def work(viewer, dock, segment, frames, tmp_path, new_workspace, qtbot):
    """A segmented cine in a window on the screen, and an open workspace."""
    viewer.add_image(frames, name="IM5")
    segment(dock)
    new_workspace(dock, tmp_path / "hospital")
    show(viewer, qtbot)
    return dock.session.state


def type_into_window(viewer, text: str) -> None:
    """Keys go to what has the focus, else to the window."""
    window = viewer.window._qt_window
    QTest.keyClicks(window.focusWidget() or window, text)


@pytest.mark.parametrize("field", ["patient", "reason"])
def test_a_letter_typed_into_a_field_takes_no_tool_back(viewer, dock, work, monkeypatch, field):
    monkeypatch.setattr(get_settings().application, "hold_button_delay", 0)
    dock.correct.use_tool("erase")
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_P)
    dock.correct.use_tool("paint")
    dock.correct.who_button.click()
    typed = dock.correct.patient if field == "patient" else dock.correct.name_bar.reason
    QTest.keyClicks(typed, "pep1")
    assert typed.text() == "pep1"
    assert work.mask.layer.mode == "paint" and dock.correct.tools["paint"].isChecked()


def test_a_name_that_is_typed_when_it_is_asked_for_is_no_key_of_the_canvas(viewer, dock, work, saved):
    dock.correct.who_button.setFocus()
    dock.correct.who_button.click()
    type_into_window(viewer, "a1")
    assert dock.correct.name_bar.reason.text() == "a1"
    assert not dock.accepter.busy and work.mask.layer.mode == "pan_zoom"


def test_a_question_that_nobody_asked_for_leaves_the_keys_where_they_were(viewer, dock, work, saved):
    canvas = viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    saved(dock)
    assert dock.correct.name_bar.isVisible() and viewer.window._qt_window.focusWidget() is canvas


def test_a_button_that_goes_grey_gives_the_next_key_to_no_field(viewer, dock, work, saved, qtbot):
    dock.correct.patient.setText("P8")
    saved(dock)
    dock.correct.withdraw_button.setFocus()
    dock.correct.withdraw_button.click()
    qtbot.waitUntil(lambda: not dock.correct.take_back.busy, timeout=20_000)
    assert not dock.correct.withdraw_button.isEnabled()
    type_into_window(viewer, "x")
    assert dock.correct.patient.text() == "P8"


def test_an_answer_gives_the_next_key_to_no_field(viewer, dock, work):
    bar, answers = dock.correct.question, []
    bar.ask("Save it?", "Save it", "Look again", lambda: answers.append(True))
    bar.yes.setFocus()
    bar.yes.click()
    assert answers == [True]
    focus = viewer.window._qt_window.focusWidget()
    assert focus is None or focus.focusPolicy() == Qt.FocusPolicy.NoFocus


@pytest.mark.parametrize("part", ["frames", "patient", "next_button"])
def test_a_key_held_on_the_canvas_is_let_go_wherever_the_mouse_went_meanwhile(viewer, dock, work, part):
    dock.correct.use_tool("paint")
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyPress(canvas, Qt.Key.Key_Space)
    assert work.mask.layer.mode == "pan_zoom"
    QApplication.sendEvent(canvas, QFocusEvent(QEvent.Type.FocusOut))
    QTest.keyRelease(getattr(dock.correct, part), Qt.Key.Key_Space)
    assert work.mask.layer.mode == "paint"


def test_a_key_that_came_up_elsewhere_is_forgotten(viewer, dock, work, monkeypatch):
    monkeypatch.setattr(get_settings().application, "hold_button_delay", 0)
    canvas = viewer.window._qt_viewer.canvas.native
    dock.correct.use_tool("erase")
    QTest.keyPress(dock.correct.next_button, Qt.Key.Key_P)
    canvas.setFocus()
    QTest.keyRelease(canvas, Qt.Key.Key_P)
    dock.correct.use_tool("paint")
    QTest.keyClicks(dock.correct.patient, "p")
    assert work.mask.layer.mode == "paint"


def test_a_key_that_came_up_in_another_window_is_forgotten(viewer, dock, work, monkeypatch):
    monkeypatch.setattr(get_settings().application, "hold_button_delay", 0)
    dock.correct.use_tool("erase")
    QTest.keyPress(dock.correct.next_button, Qt.Key.Key_P)
    QApplication.sendEvent(viewer.window._qt_window, QEvent(QEvent.Type.WindowDeactivate))
    dock.correct.use_tool("paint")
    QTest.keyClicks(dock.correct.patient, "p")
    assert work.mask.layer.mode == "paint"


def test_a_part_that_is_hidden_gives_the_next_key_to_no_field(viewer, dock, work, segment):
    threshold = dock.segment.threshold.value()
    dock.segmenter.started.connect(lambda _total: dock.segment.cancel_button.setFocus())
    segment(dock)
    assert dock.segment.progress.isHidden()
    assert viewer.window._qt_window.focusWidget() is dock.segment.body
    QTest.keyClick(viewer.window._qt_window.focusWidget(), Qt.Key.Key_PageUp)
    assert dock.segment.threshold.value() == threshold


def test_the_buttons_of_a_run_give_the_next_key_to_no_field(viewer, dock, work):
    dock.train._show_run(RunView(object(), RunState(status="running", step=3, steps=9)))
    dock.train.cancel_button.setFocus()
    dock.train._show_run(RunView(object(), RunState(status="cancelled", step=3, steps=9)))
    assert viewer.window._qt_window.focusWidget() is dock.train.progress
    dock.train.resume_button.setFocus()
    dock.train._show_run(None)
    assert viewer.window._qt_window.focusWidget() is dock.train.body


def test_the_wheel_scrolls_the_dock_and_changes_no_number(viewer, frames, qtbot):
    dock = show_dock(viewer)
    viewer.add_image(frames, name="IM5")
    dock.train.more_button.click()
    show(viewer, qtbot)
    viewer.window._qt_window.resize(1000, 500)
    bar = dock.scroll_area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 300, timeout=5_000)
    column = dock.scroll_area.widget()
    controls = [
        part for kind in (QSpinBox, QDoubleSpinBox, QSlider, QComboBox) for part in column.findChildren(kind)
    ]
    before = [_value(part) for part in controls]
    assert len(controls) > 12
    for part in controls:
        _turn_wheel(part)
    assert [_value(part) for part in controls] == before
    assert bar.value() > 0
    dock.close_session()


def test_the_wheel_over_the_curve_of_a_run_scrolls_the_dock(viewer, qtbot):
    dock = show_dock(viewer)
    losses = [(1, 0.9), (2, 0.7)]
    dock.train._show_run(RunView(object(), RunState(status="running", step=3, steps=9, losses=losses)))
    show(viewer, qtbot)
    viewer.window._qt_window.resize(1000, 500)
    bar = dock.scroll_area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 100, timeout=5_000)
    _turn_wheel(dock.train.curve.findChild(QGraphicsView).viewport())
    assert bar.value() > 0
    dock.close_session()


def _value(part) -> float:
    return part.currentIndex() if isinstance(part, QComboBox) else part.value()


def _turn_wheel(part) -> None:
    """Two notches towards the person, as the mouse would over the middle of a control."""
    place = part.rect().center()
    QApplication.sendEvent(
        part,
        QWheelEvent(
            QPointF(place),
            QPointF(part.mapToGlobal(place)),
            QPoint(),
            QPoint(0, -240),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        ),
    )
