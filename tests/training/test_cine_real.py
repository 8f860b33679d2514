"""Every real file that is present opens, and says what is known of it."""

from __future__ import annotations

import numpy as np
import pytest

from src_training.cine import read_cine


def test_every_real_dicom_file_opens(shared_data):
    opened = [read_cine(path) for path in sorted((shared_data / "dicom").glob("*/*.dcm"))]
    assert len(opened) >= 9
    for cine in opened:
        for t in range(len(cine)):
            assert cine.frame(t).std() > 1


def test_one_image_in_four_syntaxes_is_one_image(shared_data):
    frames = {
        p.stem: read_cine(p).frame(0).astype(int) for p in (shared_data / "dicom" / "codecs").glob("*.dcm")
    }
    for name in ("XA1_RLE", "XA1_JLSL"):
        np.testing.assert_array_equal(frames[name], frames["XA1_JPLL"])
    assert np.abs(frames["XA1_J2KI"] - frames["XA1_JPLL"]).mean() < 4


PHANTOM = [
    ("IM1", 14, "LAO 31 CRA 0", "uncalibrated"),
    ("IM3", 12, "RAO 1 CAU 23", "uncalibrated"),
    ("IM5", 16, "RAO 26 CAU 33", "detector"),
    ("IM6", 9, "LAO 24 CAU 19", "detector"),
]


@pytest.mark.parametrize(("name", "frames", "label", "status"), PHANTOM)
def test_phantom_runs_know_their_projection_and_calibration(shared_data, name, frames, label, status):
    cine = read_cine(shared_data / "dicom" / "phantom" / f"{name}.dcm")
    assert (len(cine), cine.projection.label, cine.calibration.status) == (frames, label, status)
    assert (cine.frame_time_ms, cine.frame_time_source) == (pytest.approx(66.67, abs=0.01), "FrameTime")


def test_every_folder_of_frames_opens_as_one_cine(shared_data):
    folders = sorted(path for path in (shared_data / "cine").iterdir() if path.is_dir())
    for folder in folders:
        cine = read_cine(folder, as_cine=True)
        assert len(cine) == len(list(folder.glob("*.jpg"))) and cine.shape[1:] == (512, 512)
        assert cine.frame(len(cine) - 1).std() > 1
