"""Promises of the DICOM SEG export: highdicom, which we did not write, reads the masks back to the pixel."""

from __future__ import annotations

import errno
from unittest import mock

import highdicom
import numpy as np
import pytest
from cine_files import grey, write_dicom
from listing import outside_of_settings
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import generate_uid

from src_training import Frame, Origin, Workspace, read_cine
from src_training.cli import main
from src_training.dataset.patients import bucket_of, patient_key
from src_training.errors import DatasetError
from src_training.exchange.dicom_seg import export_segs

T, ROWS, COLUMNS = 5, 48, 64


def write(path, words, **tags):
    """A file as a hospital's, with the UIDs that make a reference."""
    return write_dicom(path, words, StudyInstanceUID=generate_uid(), SeriesInstanceUID=generate_uid(), **tags)


@pytest.fixture
def source(tmp_path):
    (tmp_path / "clinic").mkdir()
    return write(
        tmp_path / "clinic" / "run7.dcm",
        grey(T, ROWS, COLUMNS, bits=12),
        bits=12,
        PatientID="Doe-77",
        PatientName="Doe",
    )


def mask_of(t: int) -> np.ndarray:
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    mask[5 + t : 9 + t, 3:40] = 1
    if t == 3:
        mask[30:, :] = 255
    return mask


@pytest.fixture
def workspace(tmp_path, source):
    """Of one patient: frames 1 and 3 accepted, frame 4 without a vessel, frame 0 rejected."""
    made = Workspace.create(tmp_path / "ws")
    cine = read_cine(source)
    for t in (1, 3):
        made.dataset.append(Frame.from_cine(cine, t, "p-1"), mask_of(t))
    made.dataset.append(
        Frame.from_cine(cine, 4, "p-1"), np.zeros((ROWS, COLUMNS), np.uint8), Origin("no_vessel")
    )
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
    (path,) = (tmp_path / "out").rglob("*.seg.dcm")
    return path


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
    other = write(tmp_path / "clinic" / "other.dcm", grey(2, ROWS, COLUMNS, seed=9))
    without = write_dicom(
        tmp_path / "clinic" / "without.dcm", grey(T, ROWS, COLUMNS, bits=12), bits=12, PatientID="Doe-77"
    )
    for more, line in (
        ([], "--source FILE"),
        (["--source", str(other)], "other.dcm: no reviewed frame"),
        (["--source", str(tmp_path / "clinic" / "none.dcm")], "there is no such file"),
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
    (tmp_path / "clinic").mkdir()
    source = write(tmp_path / "clinic" / "one.dcm", grey(1, ROWS, COLUMNS))
    made = Workspace.create(tmp_path / "ws")
    made.dataset.append(Frame.from_cine(read_cine(source), 0), mask_of(1))
    arguments = ["dataset", "export", str(made.path), "-o", str(tmp_path / "out"), "--format", "dicom-seg"]
    assert main([*arguments, "--source", str(source)]) == 0
    (path,) = (tmp_path / "out").rglob("001.seg.dcm")  # in the part that its patient falls into
    assert highdicom.seg.segread(path).NumberOfFrames == 1


def test_every_frame_is_in_its_patients_part_of_the_split(tmp_path, capsys):
    (tmp_path / "clinic").mkdir()
    source = write(tmp_path / "clinic" / "run7.dcm", grey(T, ROWS, COLUMNS, bits=12), bits=12, PatientID="")
    salt, names = "5a" * 16, [f"q{number}" for number in range(99)]
    made, cine = Workspace.create(tmp_path / "ws", split_salt=salt), read_cine(source)
    split_of = {name: bucket_of(salt, patient_key(made.dataset.site_key(), name)) for name in names}
    for t, split in enumerate(("val", "test", "train", "val")):
        patient = next(name for name in names if split_of[name] == split)
        made.dataset.append(Frame.from_cine(cine, t, patient), mask_of(t))
    made.dataset.append(Frame.from_cine(cine, 4, "unknown"), mask_of(4))
    out = tmp_path / "out"
    words = ["dataset", "export", str(made.path), "--format", "dicom-seg", "--source", str(source)]
    assert main([*words, "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"wrote {out}: 2 train, 2 val, 1 test" in said
    uid = dcmread(source, stop_before_pixels=True).SOPInstanceUID
    for split, frames in (("train", [2, 4]), ("val", [0, 3]), ("test", [1])):
        file = out / split / "001.seg.dcm"
        assert f"wrote {file}: {len(frames)} frames of run7.dcm" in said
        seg = highdicom.seg.segread(file)
        assert {
            one.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
            for one in seg.PerFrameFunctionalGroupsSequence
        } == {t + 1 for t in frames}
        pixels = seg.get_pixels_by_source_frame(uid, [t + 1 for t in frames], segment_numbers=[1])
        assert all(
            np.array_equal(one[..., 0] == 1, mask_of(t) == 1) for one, t in zip(pixels, frames, strict=True)
        )
    assert sorted(path.name for path in out.iterdir()) == ["test", "train", "val"]


PLACES = {
    "in the workspace": ("ws/out", "out: lies in the workspace"),
    "beside the source": ("clinic/out", r"out: lies in the folder of run7\.dcm"),
    "there already": ("there", "there: exists already"),
    "under a file": ("clinic.txt/out", "out: not exported"),
}


@pytest.mark.parametrize("what", PLACES)
def test_a_target_that_cannot_be_is_refused_and_nothing_is_left(workspace, source, tmp_path, what):
    (tmp_path / "there").mkdir()
    (tmp_path / "clinic.txt").write_text("")
    before = outside_of_settings(tmp_path)
    place, line = PLACES[what]
    with pytest.raises(DatasetError, match=line):
        export_segs(workspace.dataset, [source], tmp_path / place)
    assert outside_of_settings(tmp_path) == before


def test_a_disk_that_fills_up_leaves_nothing_half_done(workspace, source, tmp_path):
    other = write(tmp_path / "clinic" / "other.dcm", grey(1, ROWS, COLUMNS))
    workspace.dataset.append(Frame.from_cine(read_cine(other), 0, "p-1"), mask_of(1))
    before, real = outside_of_settings(tmp_path), FileDataset.save_as

    def full(found, path, **how):
        if "002" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(found, path, **how)

    with (
        mock.patch.object(FileDataset, "save_as", full),
        pytest.raises(DatasetError, match=r"out: not exported\. No space left"),
    ):
        export_segs(workspace.dataset, [source, other], tmp_path / "out")
    assert outside_of_settings(tmp_path) == before
