"""Files in and out of napari."""

from __future__ import annotations

import gc
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRLittleEndian, XRayAngiographicImageStorage, generate_uid
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_lightvessel._layers import lone_labels
from napari_lightvessel._reader import get_reader, read
from napari_lightvessel._samples import arcade_frames, beating_cine
from napari_lightvessel._writer import write_mask
from src_training import Cine, read_mask
from src_training.errors import BadMask

DISC = {
    "PatientID": "P1",
    "PatientName": "Doe",
    "Modality": "XA",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
    "PixelRepresentation": 0,
    "StudyDate": "20240101",
    "StudyTime": "1015",
    "StudyID": "1",
    "StudyInstanceUID": "1.2.9",
    "SeriesNumber": 1,
    "InstanceNumber": 1,
}
FIELD = Path(__file__).parents[1] / "fixtures" / "field"


def test_a_tiff_stack_becomes_one_lazy_image_layer(tmp_path, frames):
    tifffile.imwrite(tmp_path / "run.tif", frames, photometric="minisblack")
    ((data, settings, kind),) = get_reader(str(tmp_path / "run.tif"))(str(tmp_path / "run.tif"))
    assert kind == "image" and data.shape == frames.shape and data.chunksize == (1, *frames.shape[1:])
    assert isinstance(settings["metadata"]["lightvessel_cine"], Cine)
    assert settings["axis_labels"] == ("frame", "y", "x")  # what napari writes at its slider
    np.testing.assert_array_equal(np.asarray(data[2]), frames[2])


def test_a_folder_of_frames_is_one_cine_in_natural_order(tmp_path, frames):
    for t in (10, 2, 1):
        Image.fromarray(frames[t % 6]).save(tmp_path / f"frame{t}.png")
    ((data, _, _),) = read(str(tmp_path))
    np.testing.assert_array_equal(np.asarray(data), frames[[1, 2, 4]])


def test_one_frame_becomes_a_plain_image(tmp_path, frames):
    Image.fromarray(frames[0]).save(tmp_path / "one.png")
    ((data, settings, _),) = read(str(tmp_path / "one.png"))
    assert data.shape == frames.shape[1:] and settings["axis_labels"] == ("y", "x")


def test_a_file_without_suffix_is_ours_only_when_it_is_dicom(tmp_path):
    (tmp_path / "README").write_text("nothing to see")
    (tmp_path / "IM5").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 64)
    assert get_reader(str(tmp_path / "README")) is None
    assert get_reader(str(tmp_path / "IM5")) is not None


@pytest.mark.parametrize(
    ("name", "content", "ours"),
    [
        ("README", b"nothing to see", False),
        ("LICENSE", b"BSD 3-Clause", False),
        ("photo.tif", b"not a TIFF", False),
        ("cells.png", b"", False),
        ("empty.dcm", b"", True),  # we know why it cannot be read
        ("frame", b"\x89PNG\r\n\x1a\n", True),
        ("film.mp4", b"\0\0\0\x20ftypisom", True),
        ("film.gif", b"GIF89a", True),
        ("volume.nii", b"\x5c\1\0\0" + bytes(348), False),
    ],
)
def test_only_what_is_read_is_claimed_and_the_content_decides(tmp_path, name, content, ours):
    (tmp_path / name).write_bytes(content)
    assert (get_reader(str(tmp_path / name)) is not None) is ours


@pytest.mark.parametrize(
    ("names", "ours"),
    [
        ([], False),
        (["README.md", "notes.txt"], False),
        (["frame.png", "notes.txt"], True),
        (["zarr.json", "frame.png"], False),
        ([".hidden.png"], False),
    ],
)
def test_a_folder_is_claimed_only_for_images_directly_in_it(tmp_path, frames, names, ours):
    for name in names:
        (tmp_path / name).write_text("{}")
        if name.endswith(".png"):
            Image.fromarray(frames[0]).save(tmp_path / name)
    (tmp_path / "deeper").mkdir()
    Image.fromarray(frames[0]).save(tmp_path / "deeper" / "frame.png")
    assert (get_reader(str(tmp_path)) is not None) is ours
    assert get_reader(str(tmp_path / "gone")) is None


def test_an_unreadable_file_is_one_line_and_no_layer(tmp_path, viewer, told):
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    assert read(str(tmp_path / "broken.dcm")) == [(None,)]
    assert len(told) == 1 and "broken.dcm" in told[0] and "\n" not in told[0]


@pytest.fixture
def told(monkeypatch):
    """The lines that napari was asked to show."""
    lines = []
    monkeypatch.setattr("napari.utils.notifications.show_error", lines.append)
    return lines


def _cut(path):
    path.write_bytes(path.read_bytes()[:200])


def test_an_image_cut_short_is_one_line_and_no_layer(tmp_path, viewer, dock, frames, told):
    Image.fromarray(frames[0]).save(tmp_path / "cut.png")
    _cut(tmp_path / "cut.png")
    viewer.open(str(tmp_path / "cut.png"), plugin="napari-lightvessel")
    assert len(viewer.layers) == 0 and dock.session.state is None
    assert len(told) == 1 and told[0].startswith("cut.png: decoding failed") and "\n" not in told[0]


def test_a_damaged_frame_of_a_folder_is_black_and_told_once(tmp_path, viewer, dock, frames, told):
    for t, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"{t}.png")
    _cut(tmp_path / "3.png")  # the one napari shows first
    _cut(tmp_path / "5.png")
    (layer,) = viewer.open(str(tmp_path), plugin="napari-lightvessel")
    for t in (3, 4, 5, 3, 5):
        viewer.dims.set_current_step(0, t)
        np.testing.assert_array_equal(np.asarray(layer.data[t]), 0 if t in (3, 5) else frames[t])
    assert dock.session.state.image is layer
    assert [line.split(":")[0] for line in told] == ["3.png", "5.png"]


def test_a_damaged_middle_frame_leaves_the_others_their_window(tmp_path, viewer, frames, told):
    for t, frame in enumerate(frames):
        Image.fromarray(frame.astype(np.uint16) * 100).save(tmp_path / f"{t}.png")
    _cut(tmp_path / "3.png")
    (layer,) = viewer.open(str(tmp_path), plugin="napari-lightvessel")
    assert layer.contrast_limits == [100 * int(frames[2].min()), 100 * int(frames[2].max())]


def test_a_folder_without_one_whole_frame_is_refused(tmp_path, viewer, frames, told):
    for t, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"{t}.png")
        _cut(tmp_path / f"{t}.png")
    viewer.open(str(tmp_path), plugin="napari-lightvessel")
    assert len(viewer.layers) == 0 and len(told) == 1 and told[0].startswith("3.png: ")


def test_a_folder_of_two_patients_is_one_line_and_no_layer(viewer, dock, told):
    viewer.open(str(FIELD / "folder-mixes-patients" / "mixpat"), plugin="napari-lightvessel")
    assert len(viewer.layers) == 0 and dock.session.state is None
    assert len(told) == 1 and "0.dcm and 2.dcm are of different patients" in told[0]


def _xa_object(stack, number):
    """A run of 8-bit frames (T, Y, X) as a DICOM object that an index can list."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    facts = {
        **DISC,
        "SOPClassUID": XRayAngiographicImageStorage,
        "SOPInstanceUID": generate_uid(),
        "SeriesInstanceUID": f"1.2.{number}",
        "NumberOfFrames": len(stack),
        "Rows": stack.shape[1],
        "Columns": stack.shape[2],
        "PixelData": stack.astype(np.uint8).tobytes(),
    }
    for keyword, value in facts.items():
        setattr(ds, keyword, value)
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


@pytest.mark.parametrize("wanted", [0, 1, None])
def test_of_a_disc_the_run_that_a_person_chooses_is_opened_and_no_other(
    tmp_path, viewer, frames, told, wanted
):
    index = FileSet()
    for number, stack in enumerate((frames[:2], frames[:4])):
        index.add(_xa_object(stack, number))
    index.write(tmp_path / "disc")

    def answer():
        dialog = QApplication.activeModalWidget()
        if wanted is None:
            dialog.reject()
        else:
            dialog.setTextValue(
                next(one for one in dialog.comboBoxItems() if f"{2 + 2 * wanted} frames" in one)
            )
            dialog.accept()

    QTimer.singleShot(500, answer)
    viewer.open(str(tmp_path / "disc" / "DICOMDIR"), plugin="napari-lightvessel")
    assert [len(layer.data) for layer in viewer.layers] == ([] if wanted is None else [2 + 2 * wanted])
    assert told == []


def test_a_run_of_a_zip_is_read_as_long_as_it_is_looked_at(tmp_path, viewer, frames, told):
    disc = tmp_path / "disc"
    disc.mkdir()
    _xa_object(frames[:4], 1).save_as(disc / "IM1", enforce_file_format=True)
    shutil.make_archive(str(tmp_path / "run"), "zip", disc)
    viewer.open(str(tmp_path / "run.zip"), plugin="napari-lightvessel")
    (layer,) = viewer.layers
    gc.collect()
    assert np.array_equal(np.asarray(layer.data[3]), frames[3]) and told == []


def test_a_zip_of_something_else_is_left_to_others(tmp_path):
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("notes.txt", "nothing to see")
        archive.writestr("array.zarr/0.0.txt", "1")
    assert get_reader(str(tmp_path / "notes.zip")) is None


def test_how_a_folder_was_read_is_told_and_is_no_error(tmp_path, viewer, frames, told, monkeypatch):
    remarks = []
    monkeypatch.setattr("napari.utils.notifications.show_info", remarks.append)
    for t in (0, 1):
        Image.fromarray(frames[t]).save(tmp_path / f"{t}.png")
    viewer.open(str(tmp_path), plugin="napari-lightvessel")
    assert len(viewer.layers) == 1 and told == []
    assert remarks == [f"{tmp_path.name}: its 2 files are in the order of their names."]


@pytest.mark.parametrize("sample", [beating_cine, arcade_frames])
def test_samples_open_as_layers_with_a_cine_behind_them(sample):
    layers = sample()
    assert layers and all(isinstance(s["metadata"]["lightvessel_cine"], Cine) for _, s, _ in layers)


OURS = {"metadata": lone_labels(np.zeros((1, 8, 8), np.uint8), "x").metadata}


@pytest.mark.parametrize("numbers", [range(9), (0, 1, 2), (0, 2), (0, 255), (3,), (0, 1, 7)])
def test_numbers_of_others_are_refused_rather_than_called_vessel(tmp_path, numbers):
    labels = np.resize(np.array(numbers), (8, 9))
    with pytest.raises(BadMask, match=r"m\.png: labels .* of a layer that LightVessel did not make"):
        write_mask(str(tmp_path / "m.png"), labels, {"metadata": {}})
    assert not (tmp_path / "m.png").exists()


@pytest.mark.parametrize("numbers", [(0, 1), (0,), (1,), (0, 1, 255)])
def test_masks_of_others_that_mean_one_thing_are_written(tmp_path, numbers):
    labels = np.resize(np.array(numbers), (8, 9))
    write_mask(str(tmp_path / "m.png"), labels, {"metadata": {}})
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), labels)


def test_the_layer_that_is_corrected_is_saved_and_one_of_others_is_not(viewer, dock, frames, tmp_path):
    viewer.add_image(frames)
    ours = dock.session.state.ensure_mask(viewer).layer
    ours.data[0, :4, :4], ours.data[0, 4:8, :4] = 3, 2
    ours.save(str(tmp_path / "ours.tif"), plugin="napari-lightvessel")
    assert set(np.unique(tifffile.imread(tmp_path / "ours.tif")[0])) == {0, 1, 255}
    foreign = viewer.add_labels(np.full((8, 8), 2, np.uint8))
    with pytest.raises(BadMask, match="did not make"):
        foreign.save(str(tmp_path / "theirs.png"), plugin="napari-lightvessel")


def test_labels_of_any_number_are_written_as_vessel(tmp_path):
    write_mask(str(tmp_path / "m.png"), np.array([[0, 3, 255], [7, 1, 2]]), OURS)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), [[0, 1, 255], [1, 1, 255]])


def test_labels_are_written_as_the_command_writes_masks(tmp_path):
    labels = np.array([[0, 1, 2], [1, 1, 0]], np.uint8)
    write_mask(str(tmp_path / "m.png"), labels, OURS)
    picture = Image.open(tmp_path / "m.png")
    assert picture.mode == "P"
    np.testing.assert_array_equal(np.asarray(picture), [[0, 1, 255], [1, 1, 0]])
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), [[0, 1, 255], [1, 1, 0]])


@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_stack_of_labels_stays_a_stack_in_a_tiff(tmp_path, count):
    labels = np.ones((count, 8, 9), np.uint8)
    write_mask(str(tmp_path / "m.tif"), labels, {})
    assert tifffile.imread(tmp_path / "m.tif").shape in ((count, 8, 9), (8, 9))
    assert tifffile.TiffFile(tmp_path / "m.tif").series[0].shape[-2:] == (8, 9)


def test_a_cine_does_not_fit_into_a_png(tmp_path):
    with pytest.raises(BadMask, match=r"m\.png: a PNG holds one frame, these are 2\. Save as \.tif"):
        write_mask(str(tmp_path / "m.png"), np.zeros((2, 8, 8), np.uint8), {})
