"""Files in and out of napari."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_lightvessel._reader import get_reader, read
from napari_lightvessel._samples import arcade_frames, beating_cine
from napari_lightvessel._writer import write_mask
from src_training import Cine, read_mask
from src_training.errors import BadMask


def test_a_tiff_stack_becomes_one_lazy_image_layer(tmp_path, frames):
    tifffile.imwrite(tmp_path / "run.tif", frames, photometric="minisblack")
    ((data, settings, kind),) = get_reader(str(tmp_path / "run.tif"))(str(tmp_path / "run.tif"))
    assert kind == "image" and data.shape == frames.shape and data.chunksize == (1, *frames.shape[1:])
    assert isinstance(settings["metadata"]["lightvessel_cine"], Cine)
    np.testing.assert_array_equal(np.asarray(data[2]), frames[2])


def test_a_folder_of_frames_is_one_cine_in_natural_order(tmp_path, frames):
    for t in (10, 2, 1):
        Image.fromarray(frames[t % 6]).save(tmp_path / f"frame{t}.png")
    ((data, _, _),) = read(str(tmp_path))
    np.testing.assert_array_equal(np.asarray(data), frames[[1, 2, 4]])


def test_one_frame_becomes_a_plain_image(tmp_path, frames):
    Image.fromarray(frames[0]).save(tmp_path / "one.png")
    ((data, _, _),) = read(str(tmp_path / "one.png"))
    assert data.shape == frames.shape[1:]


def test_a_file_without_suffix_is_ours_only_when_it_is_dicom(tmp_path):
    (tmp_path / "README").write_text("nothing to see")
    (tmp_path / "IM5").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 64)
    assert get_reader(str(tmp_path / "README")) is None
    assert get_reader(str(tmp_path / "IM5")) is not None


def test_an_unreadable_file_is_one_line_and_no_layer(tmp_path, viewer, monkeypatch):
    said = []
    monkeypatch.setattr("napari.utils.notifications.show_error", said.append)
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    assert read(str(tmp_path / "broken.dcm")) == [(None,)]
    assert len(said) == 1 and "broken.dcm" in said[0] and "\n" not in said[0]


@pytest.mark.parametrize("sample", [beating_cine, arcade_frames])
def test_samples_open_as_layers_with_a_cine_behind_them(sample):
    layers = sample()
    assert layers and all(isinstance(s["metadata"]["lightvessel_cine"], Cine) for _, s, _ in layers)


def test_labels_are_written_as_the_command_writes_masks(tmp_path):
    labels = np.array([[0, 1, 2], [1, 1, 0]], np.uint8)
    write_mask(str(tmp_path / "m.png"), labels, {})
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
