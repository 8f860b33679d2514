"""The dock says how a file was read, how its vessels look, and why another one was refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_lightvessel._dock import LightVesselWidget
from src_training import read_cine, synthetic_cine


@pytest.fixture
def folder(tmp_path, frames):
    """A cine as a folder of numbered frames."""
    place = tmp_path / "run12"
    place.mkdir()
    for t, frame in enumerate(frames):
        Image.fromarray(frame).save(place / f"f{t:03d}.png")
    return place


def test_remarks_on_a_file_are_in_sight_as_long_as_its_cine(viewer, dock, folder, frames):
    viewer.open(str(folder), plugin="napari-lightvessel")
    (remark,) = read_cine(folder, as_cine=True).remarks
    assert remark == f"run12: {dock.header.remarks.text()}" and not dock.header.remarks.isHidden()
    dock.session.go_to(3)
    assert not dock.header.remarks.isHidden()
    viewer.add_image(frames, name="IM5")
    assert dock.header.remarks.isHidden()


def test_a_file_that_is_refused_says_why_in_the_dock(viewer, dock, folder, frames):
    viewer.add_image(frames, name="IM5")
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(folder / "f003.png")
    viewer.open(str(folder), plugin="napari-lightvessel")
    assert "f003.png" in dock.header.refusals.text()
    assert dock.header.refusals.property("lv-kind") == "bad" and dock.header.cine_name.text() == "IM5"


def test_files_that_are_refused_are_told_until_a_person_has_read_it(viewer, dock, tmp_path, frames):
    Image.fromarray(frames[0]).save(tmp_path / "good.png")
    bad = [tmp_path / f"bad{n}.dcm" for n in range(5)]
    for path in bad:
        path.write_bytes(b"\0" * 128 + b"DICM and no more")
    head = dock.header
    viewer.open([str(path) for path in (bad[0], tmp_path / "good.png")], plugin="napari-lightvessel")
    assert head.cine_name.text().startswith("good") and "bad0.dcm" in head.refusals.text()
    for path in (*bad, bad[4]):
        viewer.open(str(path), plugin="napari-lightvessel")
    said = head.refusals.text().splitlines()
    assert [line[:8] for line in said[:3]] == ["bad4.dcm", "bad3.dcm", "bad2.dcm"] and said[3:] == [
        "and 2 more"
    ]
    head.dismiss_button.click()
    assert head.refusals.text() == "" and head.refusals_row.isHidden()


def test_a_file_that_is_refused_is_told_in_its_own_window_alone(make_napari_viewer, folder, qtbot):
    docks = []
    for _ in range(2):
        viewer = make_napari_viewer()
        docks.append(LightVesselWidget(viewer))
        viewer.window.add_dock_widget(docks[-1], name="LightVessel", area="right")
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(folder / "f003.png")
    viewer.open(str(folder), plugin="napari-lightvessel")
    assert [dock.header.refusals.text() != "" for dock in docks] == [False, True]
    for dock in docks:
        dock.close_session()


@pytest.mark.parametrize("size", [96, 256])
def test_a_polarity_that_is_in_doubt_is_told_until_a_person_says_it(viewer, dock, segment, qtbot, size):
    cine = synthetic_cine(seed=3, n_frames=6, shape=(size, size)).cine
    viewer.add_image(np.asarray(cine.stack()))
    qtbot.waitUntil(lambda: dock.session.state.polarity is not None, timeout=20_000)
    line, doubt = dock.segment.polarity_line, size < 192
    assert ("neither clearly dark nor bright" in line.text()) is doubt
    assert line.property("lv-kind") == "info"
    segment(dock, "frame_button")
    assert ("neither clearly dark nor bright" in line.text()) is doubt
    dock.segment.invert_box.setChecked(True)
    assert line.text() == ""
