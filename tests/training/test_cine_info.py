"""``lightvessel info``: what a file holds, with one line for each that cannot be read."""

from __future__ import annotations

import json
import subprocess
import sys

import cine_files as files
import pytest
from refused_files import NAMES

from src_training.cli import main
from src_training.processes import clean_environment


@pytest.fixture
def run(capsys):
    """``lightvessel info`` with these arguments: its exit code, and what it printed to stdout and to stderr."""

    def run(*arguments):
        code = main(["info", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def test_info_says_in_a_line_what_a_file_holds(run, tmp_path):
    tags = {"CineRate": 25, "PositionerPrimaryAngle": 30, "PositionerSecondaryAngle": -20}
    path = files.write_dicom(
        tmp_path / "run.dcm", files.grey(), files.JPEGLS, ImagerPixelSpacing=[0.2, 0.2], **tags
    )
    expected = (
        "run.dcm: 3 frames of 48x64 uint8 · 40.0 ms/frame (CineRate) · LAO 30 CAU 20 · detector 0.2x0.2 mm\n"
    )
    assert run(path) == (0, expected, "")


def test_one_bad_file_among_many_is_one_line_and_exit_2(run, tmp_path):
    for name in ("a.dcm", "c.dcm"):
        files.write_dicom(tmp_path / name, files.grey())
    files.write_dicom(tmp_path / "b.dcm", files.grey(), NumberOfFrames=0)
    code, shown, said = run(tmp_path, tmp_path / "gone.dcm", "--json")
    assert code == 2
    records = [json.loads(line) for line in shown.splitlines()]
    told = [(record.get("file") or record["input"])[-5:] for record in records]
    assert told == ["a.dcm", "b.dcm", "c.dcm", "e.dcm"]
    assert ["error" in record for record in records] == [False, True, False, True]
    assert [line.split(": ")[1] for line in said.splitlines()] == ["b.dcm", "gone.dcm"]


@pytest.mark.parametrize(
    ("encoding", "as_json"), [("utf-8", ["--json"]), ("ascii", ["--json"]), ("cp1252", [])]
)
def test_names_that_a_console_cannot_say_end_no_command(tmp_path, encoding, as_json):
    paths = [files.write_dicom(tmp_path / name, files.grey()) for name in NAMES if "\n" not in name]
    done = subprocess.run(
        [sys.executable, "-m", "src_training", "info", *as_json, "--", *paths],
        capture_output=True,
        env={**clean_environment(threads=1), "PYTHONIOENCODING": encoding},
    )
    told = done.stdout.decode(encoding).splitlines()
    assert done.returncode == 0 and done.stderr == b"" and len(told) == len(paths)
    if as_json:
        assert [json.loads(line)["file"] for line in told] == [str(path) for path in paths]


def test_a_folder_is_one_cine_when_asked(run, tmp_path):
    for t in range(3):
        files.write_dicom(tmp_path / f"{t}.dcm", files.grey(frames=1))
    record = json.loads(run(tmp_path, "--cine", "--json")[1])
    assert record["frames"] == 3 and record["calibration"] == "uncalibrated"


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["people", "machines"])
def test_info_does_not_tell_who_the_patient_is(run, more, tmp_path):
    path = files.write_dicom(tmp_path / "x.dcm", files.grey(), PatientID="SECRET-1", PatientName="Doe^Jane")
    code, *said = run(path, *more)
    assert code == 0 and said[0] and not any(name in text for name in ("SECRET", "Doe") for text in said)


def test_burned_in_text_is_pointed_out(run, tmp_path):
    path = files.write_dicom(tmp_path / "x.dcm", files.grey(), BurnedInAnnotation="YES")
    assert "may show burned-in text" in run(path)[1]
