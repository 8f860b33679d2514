"""Promises of the DICOM SEG export: highdicom, which we did not write, reads the masks back to the pixel."""

from __future__ import annotations

import highdicom
import numpy as np
import pytest
from cine_files import grey, write_dicom
from pydicom import dcmread
from pydicom.uid import generate_uid

from src_training import Frame, Origin, Workspace, read_cine
from src_training.cli import main

T, ROWS, COLUMNS = 5, 48, 64


def write(path, words, **tags):
    """A file as a hospital's, with the UIDs that make a reference."""
    return write_dicom(path, words, StudyInstanceUID=generate_uid(), SeriesInstanceUID=generate_uid(), **tags)


@pytest.fixture
def source(tmp_path):
    return write(
        tmp_path / "run7.dcm", grey(T, ROWS, COLUMNS, bits=12), bits=12, PatientID="Doe-77", PatientName="Doe"
    )


def mask_of(t: int) -> np.ndarray:
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    mask[5 + t : 9 + t, 3:40] = 1
    if t == 3:
        mask[30:, :] = 255
    return mask


@pytest.fixture
def workspace(tmp_path, source):
    """Frames 1 and 3 accepted under a pseudonym, frame 4 without a vessel, frame 0 rejected."""
    made = Workspace.create(tmp_path / "ws")
    cine = read_cine(source)
    for t in (1, 3):
        made.dataset.append(Frame.from_cine(cine, t, "p-1"), mask_of(t))
    made.dataset.append(Frame.from_cine(cine, 4), np.zeros((ROWS, COLUMNS), np.uint8), Origin("no_vessel"))
    made.dataset.append(Frame.from_cine(cine, 0), mask_of(0), Origin("rejected"))
    return made


def exported(workspace, source, tmp_path):
    arguments = [
        "dataset",
        "export",
        str(workspace.path),
        "-o",
        str(tmp_path / "out"),
        "--format",
        "dicom-seg",
    ]
    assert main([*arguments, "--source", str(source)]) == 0
    return tmp_path / "out" / "001.seg.dcm"


def test_highdicom_reads_the_masks_back_to_the_pixel(workspace, source, tmp_path):
    path = exported(workspace, source, tmp_path)
    seg = highdicom.seg.segread(path)
    assert list(seg.segment_numbers) == [1, 2]
    uid = dcmread(source, stop_before_pixels=True).SOPInstanceUID
    pixels = seg.get_pixels_by_source_frame(uid, [2, 4, 5], assert_missing_frames_are_empty=True)
    assert pixels.shape == (3, ROWS, COLUMNS, 2)
    for index, mask in enumerate((mask_of(1), mask_of(3), np.zeros((ROWS, COLUMNS)))):
        assert np.array_equal(pixels[index, ..., 0] == 1, mask == 1)
        assert np.array_equal(pixels[index, ..., 1] == 1, mask == 255)
    assert seg.NumberOfFrames == 4  # 1, 3 and the empty 4 as vessels; 3 as not reviewed


def test_it_refers_to_the_source_and_names_nobody(workspace, source, tmp_path):
    path = exported(workspace, source, tmp_path)
    seg, origin = dcmread(path), dcmread(source, stop_before_pixels=True)
    assert (seg.StudyInstanceUID, seg.Modality) == (origin.StudyInstanceUID, "SEG")
    assert seg.SeriesInstanceUID != origin.SeriesInstanceUID
    assert "Research use only" in seg.ContentDescription
    assert "run7" not in "".join(map(str, path.parent.rglob("*")))
    assert b"Doe" not in path.read_bytes() and b"p-1" not in path.read_bytes()


def test_what_cannot_be_exported_is_a_line(workspace, source, tmp_path, capsys):
    out = ["-o", str(tmp_path / "out"), "--format", "dicom-seg"]
    other = write(tmp_path / "other.dcm", grey(2, ROWS, COLUMNS, seed=9))
    without = write_dicom(
        tmp_path / "without.dcm", grey(T, ROWS, COLUMNS, bits=12), bits=12, PatientID="Doe-77"
    )
    for more, line in (
        ([], "--source FILE"),
        (["--source", str(other)], "other.dcm: no reviewed frame"),
        (["--source", str(tmp_path / "none.dcm")], "there is no such file"),
        (["--source", str(without)], "without.dcm: has no StudyInstanceUID"),
    ):
        assert main(["dataset", "export", str(workspace.path), *out, *more]) == 2
        said = capsys.readouterr().err
        assert line in said and "Traceback" not in said
    assert not (tmp_path / "out").exists()
    exported(workspace, source, tmp_path)
    assert main(["dataset", "export", str(workspace.path), *out, "--source", str(source)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_single_frame_is_exported_too(tmp_path):
    source = write(tmp_path / "one.dcm", grey(1, ROWS, COLUMNS))
    made = Workspace.create(tmp_path / "ws")
    made.dataset.append(Frame.from_cine(read_cine(source), 0), mask_of(1))
    arguments = ["dataset", "export", str(made.path), "-o", str(tmp_path / "out"), "--format", "dicom-seg"]
    assert main([*arguments, "--source", str(source)]) == 0
    assert highdicom.seg.segread(tmp_path / "out" / "001.seg.dcm").NumberOfFrames == 1
