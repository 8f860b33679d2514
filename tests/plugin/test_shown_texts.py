"""Whatever comes from elsewhere is shown by the window as it is: no HTML, nothing unseen, bounded, and at once."""

from __future__ import annotations

import json
import os
import zipfile
from types import SimpleNamespace

import cine_files
import numpy as np
import pytest
from hostile_texts import as_file_name, faults_of, hostile
from planting import PLACES
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QDialog,
    QInputDialog,
    QLabel,
    QMainWindow,
    QMessageBox,
    QToolTip,
    QWidget,
)
from shown_texts import faults, texts, width

import napari_lightvessel._closing as closing
from napari_lightvessel import _runs_dialog, _texts
from napari_lightvessel._curve import Curve
from napari_lightvessel._writer import write_mask
from src_training import Workspace
from src_training.errors import BadMask

_NAMES = (
    "image",
    "bold",
    "link",
    "entities",
    "override",
    "terminal",
    "lines",
    "long word",
)  # files may be called so
_WIDEST = 430  # of the dock, pixels: 360 without any hostile text


@pytest.fixture
def texts_of_harm(tmp_path) -> dict[str, str]:
    """With a pipe as their image, which whoever opens it waits for."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe) if hasattr(os, "mkfifo") else pipe.write_bytes(b"")
    return hostile(pipe)


@pytest.fixture
def full(dock, work, qtbot) -> QWidget:
    """A dock in which every part was made that is ever made."""
    qtbot.waitUntil(lambda: bool(dock.session.shelf.builtin), timeout=20_000)
    dock.train.more_button.click()
    dock.train.curve = Curve(dock.colours)
    dock.train.curve_rows.addWidget(dock.train.curve)
    return dock


def test_no_widget_of_the_dock_guesses(full):
    assert faults(full) == []
    assert len(full.findChildren(QLabel)) > 60


def test_what_comes_from_elsewhere_is_shown_as_it_is_wherever_it_comes(full, texts_of_harm):
    wrong = {}
    assert width(full) < _WIDEST
    for place, plant in PLACES.items():
        for what, text in texts_of_harm.items():
            plant(full, text)
            if found := faults(full):
                wrong[place, what] = found[:2]
            if (needed := width(full)) > _WIDEST:
                wrong[place, what] = [f"the dock needs {needed} pixels"]
        full.grab()  # drawn, with the last of them
    assert wrong == {}


def test_each_is_read_in_its_place(full):
    for number, (place, plant) in enumerate(PLACES.items(), 10):
        plant(full, f"<b>{number} A&B")
        said = [text for text in texts(full) if f"<b>{number} A&" in text]
        assert said, place


@pytest.mark.timeout(120)
def test_an_image_in_a_text_is_not_loaded(full, texts_of_harm):
    for plant in PLACES.values():
        plant(full, texts_of_harm["image"])
        full.grab()
    for part in full.findChildren(QWidget):
        if part.toolTip():
            QToolTip.showText(QPoint(10, 10), part.toolTip(), part)
            QApplication.processEvents()
    QToolTip.hideText()


def test_the_question_at_closing_shows_names_as_they_are(full, texts_of_harm, monkeypatch):
    asked: list[list[str]] = []
    monkeypatch.setattr(QMessageBox, "exec", lambda box: asked.append(faults(box)))
    for text in texts_of_harm.values():
        lines = closing.unsaved_words([(_named(text), [1, 2])] * 60)
        closing._ask(full.window(), lines)
    assert asked == [[]] * len(texts_of_harm)


def test_runs_of_a_disc_are_offered_as_they_are_and_the_chosen_one_is_taken(full, texts_of_harm, monkeypatch):
    seen: list[list[str]] = []

    def answer(dialog: QInputDialog) -> int:
        seen.append(faults(dialog))
        box = dialog.findChild(QComboBox)
        box.setCurrentIndex(1)
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(QInputDialog, "exec", answer)
    for text in texts_of_harm.values():
        assert _runs_dialog.choose_run(text, [text, text, "other"]) == 1  # the second of two that look alike
    assert seen == [[]] * len(texts_of_harm)


def test_what_napari_shows_for_us_holds_no_html(viewer, dock, texts_of_harm, tmp_path, qtbot):
    from napari.utils.notifications import notification_manager

    heard: list[str] = []
    notification_manager.notification_ready.connect(lambda said: heard.append(said.message))
    for number, what in enumerate(_NAMES):
        text = texts_of_harm[what]
        file = tmp_path / f"{number}" / (as_file_name(text, 120) + ".npy")
        file.parent.mkdir()
        np.save(file, np.zeros((2, 40, 40), np.uint8))
        viewer.open(str(file), plugin="napari-lightvessel")
        damaged = file.with_suffix(".dcm")
        damaged.write_bytes(bytes(128) + b"DICM" + bytes(64))
        viewer.open(str(damaged), plugin="napari-lightvessel")
        dock.correct.use_tool("paint")
        with pytest.raises(BadMask) as refused:
            write_mask(str(file.with_suffix(".png")), np.zeros((3, 4, 4), np.uint8), {})
        heard.append(str(refused.value))
    heard += [layer.name for layer in viewer.layers]
    assert len(heard) >= 3 * len(_NAMES)
    assert [text for text in heard if "<" in text or "&lt;" in text or faults_of(text)] == []


def test_the_line_below_the_canvas_takes_no_name_for_html(viewer, dock):
    window = viewer.window._qt_window
    assert isinstance(window, QMainWindow)
    window.show()
    labels = window.statusBar().findChildren(QLabel)
    assert labels and [fault for label in labels for fault in faults(label) if "guesses" in fault] == []


def test_a_long_word_breaks_and_is_copied_and_compared_without_the_breaks(dock):
    label = _texts.Label("x" * 300)
    label.setWordWrap(True)
    assert label.text() == _texts.shown("x" * 300) and label.minimumSizeHint().width() < 360
    label.setText("血管造影" * 40)
    assert label.text() == _texts.shown("血管造影" * 40) and label.minimumSizeHint().width() < 360


def test_a_button_shows_an_ampersand_of_a_name_and_knows_its_own_key():
    button = _texts.Button("&New…")
    assert button.text() == "&New…" and not button.shortcut().isEmpty()
    button.setText("A&B")
    assert button.text() == "A&&B" and button.shortcut().isEmpty()


def _named(text: str):
    return SimpleNamespace(image=SimpleNamespace(name=text))


def test_a_workspace_and_a_disc_from_elsewhere_show_their_words_as_they_are(
    viewer, dock, texts_of_harm, tmp_path, qtbot, monkeypatch
):
    """By the ways on which they come: a run's events, the folder's name, the tags of DICOM files."""
    text = texts_of_harm["image in a sentence"]
    place = Workspace.create(tmp_path / as_file_name(texts_of_harm["bold"], 60))
    run = place.path / "runs" / "20260101T000000Z-finetune-abcdef"
    run.mkdir(parents=True)
    (run / "config.json").write_text('{"kind":"finetune","settings":{}}')
    (run / "events.jsonl").write_text(json.dumps({"event": "failed", "message": text}) + "\n")
    dock.header.open_workspace(place.path)
    qtbot.waitUntil(lambda: text in dock.train.verdict.text(), timeout=20_000)
    assert dock.header.workspace_name.text() == place.path.name and "<b>" in place.path.name

    disc = tmp_path / "disc"
    disc.mkdir()
    tags = dict.fromkeys(
        ("PatientID", "PatientName", "SeriesDescription", "StudyDescription"), "<b>A&B</b>\u202e"
    )
    for number in range(2):
        uids = {"SeriesInstanceUID": f"1.2.3.{number}", "SOPInstanceUID": f"1.2.3.4.{number}"}
        cine_files.write_dicom(disc / f"IM{number}", cine_files.grey(), **tags, **uids)
    with zipfile.ZipFile(tmp_path / "<b>disc.zip", "w") as archive:
        for file in sorted(disc.iterdir()):
            archive.write(file, file.name)
    offered: list[str] = []
    monkeypatch.setattr(
        QInputDialog,
        "exec",
        lambda dialog: offered.extend(dialog.comboBoxItems()) or QDialog.DialogCode.Accepted,
    )
    viewer.open(str(tmp_path / "<b>disc.zip"), plugin="napari-lightvessel")
    assert len(offered) == 2 and dock.session.state is not None
    assert faults(dock) == [] and [one for one in offered if faults_of(one)] == []
    dock.grab()


@pytest.mark.timeout(120)
def test_the_choice_of_a_reader_shows_a_path_as_it_is_while_the_dock_is_open(
    make_napari_viewer, tmp_path, qtbot
):
    """napari asks; folders may be called so that the path to a file is HTML with an image, which may be a pipe."""
    from napari._qt.dialogs.qt_reader_dialog import QtReaderDialog

    viewer = make_napari_viewer(show=True)
    _holder, dock = viewer.window.add_plugin_dock_widget("napari-lightvessel", "LightVessel")
    qtbot.waitUntil(dock.isVisible, timeout=20_000)
    path = tmp_path / "<img src='" / "folder'>.npy"
    dialog = QtReaderDialog(parent=viewer.window._qt_viewer, pth=str(path), readers={"a": "A", "b": "B"})
    dialog.show()
    labels = dialog.findChildren(QLabel)
    assert [label for label in labels if "<img" in label.text()] != []
    assert [label.text() for label in labels if label.textFormat() != Qt.TextFormat.PlainText] == []
    dialog.reject()
    dock.close_session()
