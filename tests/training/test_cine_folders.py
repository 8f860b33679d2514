"""A folder as one cine: one series of one patient, in an order that is told, or a refusal that names what differs."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
from pathlib import Path

import cine_files as files
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from src_training.cine import read_cine
from src_training.cine.read import natural_key, series_in
from src_training.cli import main
from src_training.errors import UnreadableCine

MIXED = Path(__file__).parents[1] / "fixtures" / "field" / "folder-mixes-patients" / "mixpat"
FRAME = files.grey(frames=1, rows=32, columns=40)


def write(path, value=0, frame=FRAME, **tags):
    """A file of one frame whose first pixel is ``value``, so that the frame is known again."""
    words = frame.copy()
    words[0, 0, 0] = value
    return files.write_dicom(path, words, **{"SeriesInstanceUID": "1.2.3", "PatientID": "P1", **tags})


def opened(folder):
    """The first pixels of the frames of a folder, in order, and how the order is told."""
    cine = read_cine(folder, as_cine=True)
    return [int(cine.frame(t)[0, 0]) for t in range(len(cine))], cine.remarks[0]


def test_the_folder_of_two_patients_is_refused_in_one_line_that_names_them_by_file():
    with pytest.raises(UnreadableCine) as refused:
        read_cine(MIXED, as_cine=True)
    assert str(refused.value) == (
        "mixpat: 0.dcm and 2.dcm are of different patients (PatientID); it holds 2 acquisitions: 0.dcm, 1.dcm; "
        "2.dcm, 3.dcm. Put the files of each into a folder of its own, or open them one by one."
    )
    assert [[cine.name for cine in series.members] for series in series_in(MIXED)] == [
        ["0.dcm", "1.dcm"],
        ["2.dcm", "3.dcm"],
    ]


@pytest.mark.parametrize("command", [["info", "--cine"], ["segment", "--cine", "-o", "out"]])
def test_the_shell_refuses_it_too_and_writes_nothing(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert main([*command, str(MIXED)]) == 2
    told = capsys.readouterr()
    assert "different patients" in told.err and "P-A" not in told.err + told.out
    assert list(tmp_path.glob("out/*")) == []


DIFFERENT = {
    "patient": ({"PatientID": "P2"}, r"0 and 1 are of different patients \(PatientID\)"),
    "no patient": ({"PatientID": ""}, r"PatientID is stated in one of 0 and 1 only"),
    "name": ({"PatientName": "Roe^Jane"}, r"different patients \(PatientName, PatientBirthDate\)"),
    "birth": ({"PatientBirthDate": "19500102"}, r"different patients \(PatientName, PatientBirthDate\)"),
    "study": ({"StudyInstanceUID": "1.3"}, r"different studies \(StudyInstanceUID\)"),
    "series": ({"SeriesInstanceUID": "1.2.4"}, r"different series \(SeriesInstanceUID\)"),
    "primary": ({"PositionerPrimaryAngle": -30}, r"different projections \(PositionerPrimaryAngle\)"),
    "secondary": ({"PositionerSecondaryAngle": 4}, r"different projections \(PositionerSecondaryAngle\)"),
    "plane": (
        {"ImageType": ["ORIGINAL", "PRIMARY", "BIPLANE B"]},
        r"different kinds or planes \(ImageType\)",
    ),
    "derived": (
        {"ImageType": ["DERIVED", "PRIMARY", "BIPLANE A"]},
        r"different kinds or planes \(ImageType\)",
    ),
    "copy": ({"SOPInstanceUID": "1.9"}, r"0 and 1 are one object twice \(SOPInstanceUID\).*Remove one"),
    "size": ({"frame": files.grey(frames=1, rows=40, columns=40)}, r"1: 40x40, but 0 is 32x40"),
}
STATED = {
    "PatientName": "Doe^Jane",
    "PatientBirthDate": "19500101",
    "StudyInstanceUID": "1.2",
    "PositionerPrimaryAngle": 30,
    "PositionerSecondaryAngle": 0,
    "ImageType": ["ORIGINAL", "PRIMARY", "BIPLANE A"],
}


@pytest.mark.parametrize(("other", "message"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_files_that_differ_in_one_thing_are_no_cine(tmp_path, other, message):
    write(tmp_path / "0", InstanceNumber=1, SOPInstanceUID="1.9", **STATED)
    write(tmp_path / "1", InstanceNumber=2, **{**STATED, **other})
    with pytest.raises(UnreadableCine, match=message) as refused:
        read_cine(tmp_path, as_cine=True)
    assert not any(secret in str(refused.value) for secret in ("P1", "P2", "Doe", "Roe", "1950", "\n"))
    assert len(series_in(tmp_path)) == 2


@pytest.mark.parametrize(
    ("acquisitions", "runs"),
    [((1, 1, 2, 2), 2), ((1, 2, 3, 4), 1), ((1, 1, None, 1), 1), ((1, 2, 3, 3), 1), ((7, 7, 7, 8), 2)],
)
def test_runs_of_one_series_are_told_apart_by_their_acquisition(tmp_path, acquisitions, runs):
    for t, acquisition in enumerate(acquisitions):
        write(tmp_path / f"{t}", t, InstanceNumber=t + 1, AcquisitionNumber=acquisition)
    assert len(series_in(tmp_path)) == runs
    if runs == 1:
        assert opened(tmp_path)[0] == [0, 1, 2, 3]
    else:
        with pytest.raises(UnreadableCine, match=r"different acquisitions \(AcquisitionNumber\); it holds 2"):
            read_cine(tmp_path, as_cine=True)


@pytest.mark.parametrize(
    ("numbers", "runs"), [((1, 2, 3), 1), ((1, 2, 2), 3), ((1, 2, None), 3), ((1, 2), 2)]
)
def test_one_uid_for_all_files_of_a_numbered_run_makes_no_copies(tmp_path, numbers, runs):
    for t, number in enumerate(numbers):
        write(tmp_path / f"{t}", t, InstanceNumber=number, SOPInstanceUID="1.2.3")
    assert len(series_in(tmp_path)) == runs
    if runs == 1:
        assert opened(tmp_path)[0] == [0, 1, 2]


def test_that_a_number_is_there_twice_is_told_with_the_order(tmp_path):
    for t in range(4):
        write(tmp_path / f"{t}", t, InstanceNumber=t % 2)
    frames, told = opened(tmp_path)
    assert frames == [0, 1, 2, 3] and told.endswith(
        "of their names, as InstanceNumber says the same of several."
    )


def test_a_picture_among_files_of_a_patient_may_be_of_anybody(tmp_path):
    write(tmp_path / "0.dcm")
    Image.fromarray(FRAME[0]).save(tmp_path / "1.png")
    with pytest.raises(UnreadableCine, match=r"PatientID is stated in one of 0\.dcm and 1\.png only"):
        read_cine(tmp_path, as_cine=True)


def test_a_picture_among_files_of_nobody_is_no_frame_and_changes_no_order(tmp_path):
    for t in range(3):
        write(tmp_path / f"{t}.dcm", t, PatientID=None, SeriesInstanceUID=None, InstanceNumber=3 - t)
    Image.fromarray(FRAME[0]).save(tmp_path / "3.png")
    with pytest.raises(UnreadableCine, match=r"0\.dcm and 3\.png are of different kinds"):
        read_cine(tmp_path, as_cine=True)
    assert [len(series.members) for series in series_in(tmp_path)] == [3, 1]
    (tmp_path / "3.png").unlink()
    assert opened(tmp_path)[0] == [2, 1, 0]


def test_an_arm_that_strays_and_a_name_written_otherwise_are_one_run(tmp_path):
    write(tmp_path / "0", 0, PositionerPrimaryAngle=30.4, PatientName="Doe^Jane^^^", PatientID="p 1")
    write(tmp_path / "1", 1, PositionerPrimaryAngle=30.6, PatientName="DOE^JANE", PatientID="P 1 ")
    write(tmp_path / "2", 2, PositionerPrimaryAngle="", PatientName="", PatientID="P 1", SeriesInstanceUID="")
    assert opened(tmp_path)[0] == [0, 1, 2]


@pytest.mark.parametrize(
    "kinds",
    [
        (["ORIGINAL", "PRIMARY"], ["ORIGINAL", "PRIMARY", "SINGLE PLANE"]),
        (["ORIGINAL", "PRIMARY", ""], ["original", "PRIMARY"]),
        (["ORIGINAL", "", "SINGLE PLANE"], ["", "PRIMARY", "SINGLE PLANE"]),
        ("", ["ORIGINAL", "PRIMARY", "BIPLANE A", "SUM"]),
    ],
)
def test_words_of_a_kind_that_only_some_files_state_split_no_run(tmp_path, kinds):
    for t, kind in enumerate(kinds):
        write(tmp_path / f"{t}", t, ImageType=kind)
    assert opened(tmp_path)[0] == [0, 1]


def test_what_is_not_stated_does_not_join_what_differs(tmp_path):
    write(tmp_path / "0", PositionerPrimaryAngle="")
    write(tmp_path / "1", PositionerPrimaryAngle=30)
    write(tmp_path / "2", PositionerPrimaryAngle=-30)
    with pytest.raises(UnreadableCine, match="1 and 2 are of different projections"):
        read_cine(tmp_path, as_cine=True)
    assert [[cine.name for cine in series.members] for series in series_in(tmp_path)] == [["0"], ["1"], ["2"]]


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ({"AcquisitionDateTime": "20240101235959.9"}, {"AcquisitionDateTime": "20240102000000.1"}),
        ({"AcquisitionDateTime": "20240102010000.0+0200"}, {"AcquisitionDateTime": "20240101233000.0+0000"}),
        ({"AcquisitionTime": "101530.000001"}, {"AcquisitionTime": "101530.1"}),
        ({"AcquisitionTime": "0959"}, {"AcquisitionTime": "10:15:30"}),
        (
            {"AcquisitionDate": "20240101", "AcquisitionTime": "2359"},
            {"AcquisitionDate": "2024.01.02", "AcquisitionTime": "0001"},
        ),
        (
            {"ContentDate": "20240101", "ContentTime": "101530.2"},
            {"ContentDate": "20240101", "ContentTime": "101530.30"},
        ),
    ],
)
def test_without_distinct_numbers_the_time_orders_the_files(tmp_path, early, late):
    write(tmp_path / "0", 1, InstanceNumber=1, **late)
    write(tmp_path / "1", 0, InstanceNumber=1, **early)
    assert opened(tmp_path) == (
        [0, 1],
        f"{tmp_path.name}: its 2 files are in the order of their acquisition time.",
    )


def test_a_time_of_day_that_passes_midnight_orders_nothing(tmp_path):
    write(tmp_path / "0", 0, AcquisitionTime="235959")
    write(tmp_path / "1", 1, AcquisitionTime="000001")
    assert opened(tmp_path) == ([0, 1], f"{tmp_path.name}: its 2 files are in the order of their names.")


def test_the_shell_tells_the_order(tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    for t in range(3):
        write(run / f"{t}", InstanceNumber=9 - t)
    line = "run: its 3 files are in the order of InstanceNumber."
    assert main(["segment", str(run), "--cine", "-o", str(tmp_path / "out"), "--json"]) == 0
    told = capsys.readouterr()
    assert line in told.err.splitlines() and json.loads(told.out)["remarks"] == [line]
    assert main(["info", str(run), "--cine", "--json"]) == 0
    told = capsys.readouterr()
    assert line in told.err.splitlines() and json.loads(told.out)["remarks"] == [line]


def test_text_burned_into_one_file_and_spacings_that_differ_are_not_lost(tmp_path):
    write(tmp_path / "0", InstanceNumber=1, BurnedInAnnotation="NO", ImagerPixelSpacing=[0.2, 0.2])
    write(tmp_path / "1", InstanceNumber=2, BurnedInAnnotation="YES", ImagerPixelSpacing=[0.3, 0.3])
    cine = read_cine(tmp_path, as_cine=True)
    assert cine.burned_in == "YES" and cine.calibration.status == "uncalibrated"
    assert any("different pixel spacings" in remark for remark in cine.remarks)
    write(tmp_path / "1", InstanceNumber=2)
    assert read_cine(tmp_path, as_cine=True).burned_in is None


NAMES = st.lists(
    st.from_regex(r"[a-cA-C]{0,2}[0-9]{1,3}", fullmatch=True), min_size=2, max_size=5, unique_by=str.casefold
)
TRAIT = st.sampled_from([None, "1", "2"])


@settings(max_examples=40, deadline=None)
@given(
    names=NAMES,
    numbers=st.lists(st.integers(-3, 5) | st.none(), min_size=5, max_size=5),
    times=st.lists(st.integers(0, 5) | st.none(), min_size=5, max_size=5),
    patients=st.lists(TRAIT, min_size=5, max_size=5),
    series=st.lists(TRAIT, min_size=5, max_size=5),
    angles=st.lists(st.sampled_from([None, 0.0, 0.5, 30.0]), min_size=5, max_size=5),
    alike=st.booleans(),
    seed=st.integers(0, 99),
)
@example(["01", "1", "001"], [1] * 5, [None] * 5, ["1"] * 5, ["1"] * 5, [None] * 5, True, 5)
@example(["1", "2"], [1, 2, 0, 0, 0], [None] * 5, ["1", "2", "1", "1", "1"], ["1"] * 5, [None] * 5, False, 0)
def test_any_folder_is_in_the_right_order_or_refused(
    names, numbers, times, patients, series, angles, alike, seed
):
    count = len(names)
    if alike:  # most made-up folders are mixtures: of one acquisition the order is looked at
        patients, series, angles = [patients[0]] * count, [series[0]] * count, [angles[0]] * count
    numbers, times, patients, series, angles = (
        column[:count] for column in (numbers, times, patients, series, angles)
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for n in random.Random(seed).sample(range(count), count):
            write(
                folder / names[n],
                n,
                InstanceNumber=numbers[n],
                AcquisitionTime=None if times[n] is None else f"1200{times[n]:02}",
                PatientID=patients[n],
                SeriesInstanceUID=None if series[n] is None else f"1.2.{series[n]}",
                PositionerPrimaryAngle=angles[n],
            )
        if _mixed(patients, series, angles):
            with pytest.raises(UnreadableCine, match=r"different|stated in one"):
                read_cine(folder, as_cine=True)
        else:
            assert opened(folder)[0] == _expected(names, numbers, times)
        for found in series_in(folder):
            inside = [names.index(cine.name) for cine in found.members]
            assert not _mixed(*([column[n] for n in inside] for column in (patients, series, angles)))
            assert inside == _expected(names, numbers, times, inside)


def _mixed(patients, series, angles):
    stated = [angle for angle in angles if angle is not None]
    return (
        len(set(patients)) > 1
        or len({uid for uid in series if uid is not None}) > 1
        or any(abs(a - b) > 1 for a, b in itertools.combinations(stated, 2))
    )


def _expected(names, numbers, times, of=None):
    places = sorted(
        of if of is not None else range(len(names)), key=lambda n: (natural_key(names[n]), names[n])
    )
    for column in (numbers, times):
        values = [column[n] for n in places]
        if None not in values and len(set(values)) == len(values):
            return sorted(places, key=column.__getitem__)
    return places
