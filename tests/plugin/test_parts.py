"""The Qt parts the sections are built of."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_lightvessel._parts import FollowingScroll


@pytest.fixture
def column(qtbot):
    """A scroll area 200 px high with 600 px in it, and a way to make it grow."""
    body = QWidget()
    rows = QVBoxLayout(body)
    scroll = FollowingScroll(body)
    qtbot.addWidget(scroll)

    def grow() -> None:
        label = QLabel("row")
        label.setFixedHeight(600)
        rows.addWidget(label)
        before = scroll.verticalScrollBar().maximum()
        qtbot.waitUntil(lambda: scroll.verticalScrollBar().maximum() > before)

    scroll.resize(200, 200)
    scroll.show()
    grow()
    return scroll, grow


def test_a_column_stays_where_it_is_until_told_to_follow(column):
    scroll, grow = column
    grow()
    assert scroll.verticalScrollBar().value() == 0


def test_a_followed_end_stays_in_sight_as_the_column_grows(column):
    scroll, grow = column
    scroll.follow()
    grow()
    bar = scroll.verticalScrollBar()
    assert bar.value() == bar.maximum() > 600


def test_who_scrolls_away_is_left_there(column):
    scroll, grow = column
    scroll.follow()
    scroll.verticalScrollBar().setValue(100)
    grow()
    assert scroll.verticalScrollBar().value() == 100


def test_a_line_does_not_fade_under_the_mouse_of_who_is_about_to_press_something_below(dock):
    """It would let "No vessel" come to where "Accept" was."""
    line = dock.segment.line
    line.tell("6 frames in 1.0 s.", "good")
    dock.setAttribute(Qt.WidgetAttribute.WA_UnderMouse, True)
    line._fade.timeout.emit()
    assert line.text() == "6 frames in 1.0 s." and line._fade.isActive()
    dock.setAttribute(Qt.WidgetAttribute.WA_UnderMouse, False)
    line._fade.timeout.emit()
    assert line.text() == "" and not line._fade.isActive()
