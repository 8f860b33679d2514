"""The keyboard reaches everything in the dock, and who cannot see it is told what it is."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
)

from napari_lightvessel._parts import AskBar
from napari_lightvessel._sparkline import Sparkline

_CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    Sparkline,
)
_NAPARIS = frozenset("FVLPWH")  # the mnemonics of its menus


def controls(dock) -> list:
    """What one can press, choose or write in, without the inner parts that Qt makes it of."""
    found = [
        part
        for part in dock.findChildren(_CONTROLS)
        if not isinstance(part, QScrollBar)
        and not isinstance(part.parent(), (QComboBox, QAbstractSpinBox))
        and not (part.parent() is not None and isinstance(part.parent().parent(), QComboBox))  # its pop-up
        and not part.objectName().startswith("qt_")
    ]
    return [
        part for part in found if not any(part.isAncestorOf(inner) for inner in found if inner is not part)
    ]


@pytest.fixture
def full(viewer, dock, frames, segment):
    """A dock with every part made: a segmented cine, the settings form."""
    viewer.add_image(frames, name="IM5")
    segment(dock)
    dock.train.settings_form()
    return dock


def test_every_control_is_reached_by_tab(full):
    found = controls(full)
    assert len(found) > 40
    missed = [part for part in found if not part.focusPolicy() & Qt.FocusPolicy.TabFocus]
    assert missed == [], [(part.accessibleName(), part.toolTip(), type(part.parent())) for part in missed]


def test_every_control_says_what_it_is(full):
    for question in full.findChildren(AskBar):
        question.ask("?", "Yes", "No", lambda: None, later=lambda: None)
    full.train.losing.show_button.setText("Show the 2 frames that got worse")
    nameless = [part for part in controls(full) if len(spoken(part)) < 2]
    assert nameless == [], [(type(part).__name__, part.toolTip(), spoken(part)) for part in nameless]


def spoken(part) -> str:
    """What Qt tells a screen reader: the accessible name, else what stands on a button."""
    return part.accessibleName() or (part.text() if isinstance(part, QAbstractButton) else "")


def test_names_of_rows_lead_to_their_controls_by_keys_of_their_own(full):
    words = [label.text() for label in full.findChildren(QLabel) if label.buddy() is not None]
    words += [part.text() for part in full.findChildren(QAbstractButton)]
    keys = [text[text.index("&") + 1].upper() for text in words if "&" in text]
    assert {"M", "T", "Z"} <= set(keys) and len(keys) == len(set(keys)) and not _NAPARIS & set(keys)
    named = [label for label in full.findChildren(QLabel) if label.property("lv") == "name"]
    without = [label.text() for label in named if "&" in label.text() and not label.buddy()]
    assert without == []


@pytest.mark.parametrize(
    ("key", "frame"),
    [
        (Qt.Key.Key_Down, 3),
        (Qt.Key.Key_Up, 1),
        (Qt.Key.Key_Home, 0),
        (Qt.Key.Key_End, 5),
        (Qt.Key.Key_Return, 2),
    ],
)
def test_keys_in_the_list_of_frames_change_the_frame(full, key, frame):
    full.session.go_to(2)
    QTest.keyClick(full.correct.frames, key)
    assert full.session.frame == frame == full.viewer.dims.current_step[0]


@pytest.mark.parametrize(
    ("key", "frame"),
    [(Qt.Key.Key_Left, 1), (Qt.Key.Key_Right, 3), (Qt.Key.Key_Home, 0), (Qt.Key.Key_End, 5)],
)
def test_keys_in_the_curve_change_the_frame(full, key, frame):
    full.session.go_to(2)
    QTest.keyClick(full.segment.spark, key)
    assert full.session.frame == frame


def test_a_row_says_in_words_what_is_drawn_in_it(full):
    assert full.correct.frames.item(3).text() == "Frame 3: proposed"
    full.session.state.mask.layer.paint((3, 20, 20), 1)
    full.session.marks_changed.emit(full.session.state)
    assert full.correct.frames.item(3).text() == "Frame 3: proposed, edited"
