"""Grey values, windows, lookup tables and angles are those of each frame, shown as the hospital shows them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import cine_files as files
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from src_training.cine import Projection, read_cine
from src_training.cli import main
from src_training.dataset import Frame
from src_training.errors import UnreadableCine

FIELD = Path(__file__).parents[1] / "fixtures" / "field"
FALLING = np.arange(255, -1, -1, dtype=np.uint16)


def lut(entries, first=0, bits=16):
    item = Dataset()
    item.add_new(0x00283002, "US", [len(entries) % 65536, first, bits])
    item.add_new(0x00283006, "OW", np.asarray(entries, "<u2").tobytes())
    return [item]


def item(**tags):
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def opened(tmp_path, words=None, **tags):
    words = files.grey() if words is None else words
    return read_cine(files.write_dicom(tmp_path / "x.dcm", words, **tags))


# -- lookup tables -----------------------------------------------------------------------------------------------


def test_a_table_that_turns_grey_over_is_shown_as_the_hospital_shows_it():
    path = FIELD / "voi-lut-turned-over" / "vlut_desc.dcm"
    ds = pydicom.dcmread(path)
    table = np.frombuffer(ds.VOILUTSequence[0].LUTData, np.uint8)
    hospital = table[ds.pixel_array]
    cine = read_cine(path)
    for t in range(5):
        np.testing.assert_array_equal(cine.frame(t), hospital[t])
    assert cine.inverted and cine.window == (0, 255)
    assert cine.remarks == ("vlut_desc.dcm: its VOI lookup table turns grey over, and so it is shown.",)


RISING = np.arange(256)
TURNED = [
    ({"VOILUTSequence": lut(RISING)}, False),
    ({"VOILUTSequence": lut(FALLING)}, True),
    ({"VOILUTSequence": lut(FALLING), "PhotometricInterpretation": "MONOCHROME1"}, False),
    ({"VOILUTSequence": lut(RISING), "PhotometricInterpretation": "MONOCHROME1"}, True),
    ({"VOILUTSequence": lut(FALLING), "WindowCenter": 128, "WindowWidth": 256}, False),
    ({"PresentationLUTShape": "INVERSE"}, True),
    ({"PresentationLUTShape": "INVERSE", "PhotometricInterpretation": "MONOCHROME1"}, True),
    ({"PresentationLUTShape": "IDENTITY"}, False),
    ({"VOILUTSequence": lut(np.abs(RISING - 128))}, False),
    ({"VOILUTSequence": lut([7] * 256)}, False),
    ({"VOILUTSequence": lut(FALLING)[:0]}, False),
    ({"VOILUTSequence": [item(LUTExplanation="no table")]}, False),
]


@pytest.mark.parametrize(("tags", "turned"), TURNED)
def test_grey_is_turned_over_as_often_as_the_file_says(tmp_path, tags, turned):
    cine = opened(tmp_path, **tags)
    np.testing.assert_array_equal(cine.frame(1), 255 - files.grey()[1] if turned else files.grey()[1])
    assert cine.inverted == turned


@settings(max_examples=30, deadline=None)
@given(
    first=st.integers(0, 100),
    steps=st.lists(st.integers(0, 90), min_size=255, max_size=255).filter(any),
    falls=st.booleans(),
    big=st.booleans(),
    slope=st.sampled_from([None, 2]),
)
def test_any_table_keeps_its_direction_and_its_range(first, steps, falls, big, slope):
    entries = np.concatenate([[0], np.cumsum(steps)])
    words = files.grey(frames=1)
    with tempfile.TemporaryDirectory() as place:
        tags = {"VOILUTSequence": lut(entries[::-1] if falls else entries, first), "RescaleSlope": slope}
        if big:
            tags["VOILUTSequence"][0]["LUTData"].value = (
                np.frombuffer(tags["VOILUTSequence"][0].LUTData, "<u2").astype(">u2").tobytes()
            )
        cine = opened(Path(place), words, syntax=files.BIG if big else files.EXPLICIT, **tags)
        order = entries[::-1] if falls else entries
        (changes,) = np.nonzero(np.diff(order))
        low, high = first + changes[0], first + changes[-1] + 1
        largest = 255 * (slope or 1)
        assert cine.window == ((largest - high, largest - low) if falls else (low, high))
        assert cine.inverted == falls
        shown, wanted = cine.frame(0).ravel().astype(int), (words[0].ravel().astype(int)) * (slope or 1)
        np.testing.assert_array_equal(shown, largest - wanted if falls else wanted)


def test_a_record_says_in_one_word_that_grey_was_turned_over(tmp_path):
    cine = opened(tmp_path, VOILUTSequence=lut(FALLING))
    facts = Frame.from_cine(cine, 0).facts()
    assert facts["grey"]["inverted"] is True and len(json.dumps(facts)) < 600


# -- frames that have their own ----------------------------------------------------------------------------------

FRAMES = st.lists(
    st.tuples(
        st.sampled_from([1.0, 0.5, 2.0, -1.0]),
        st.integers(-20, 20),
        st.integers(-90, 90),
        st.none() | st.tuples(st.integers(50, 200), st.integers(10, 99)),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(frames=FRAMES, shared=st.booleans(), syntax=st.sampled_from([files.EXPLICIT, files.IMPLICIT]))
def test_each_frame_has_its_own_greys_angles_and_windows(frames, shared, syntax):
    words = files.grey(frames=len(frames))
    each = [_groups(*frame) for frame in frames]
    tags = {"PerFrameFunctionalGroupsSequence": each}
    if shared:  # what is said of all gives way to what is said of one
        tags["SharedFunctionalGroupsSequence"] = [_groups(7, 7, 7, (77, 7), False)]
        frames = [(*frame[:3], frame[3] or (77, 7), frame[4]) for frame in frames]
    with tempfile.TemporaryDirectory() as place:
        cine = read_cine(files.write_dicom(Path(place) / "x.dcm", words, syntax, bits=8, **tags))
        limits = []
        # All that are turned over are so about one value: what is equal is shown as equal.
        mirror = max((255 * f[0] + 2 * f[1] for f in frames if f[4] and f[3] is None), default=0)
        for t, (slope, intercept, angle, window, falls) in enumerate(frames):
            values = words[t].astype(np.float64) * slope + intercept
            is_turned = falls and window is None
            shown = mirror - values if is_turned else values
            np.testing.assert_allclose(cine.frame(t), shown)
            np.testing.assert_allclose(np.asarray(cine.stack()[t]), shown)
            saved = Frame.from_cine(cine, t)
            assert saved.projection == cine.projection_of(t) == Projection(angle, 0)
            np.testing.assert_allclose(saved.grey.shown(saved.pixels), shown)
            if window is not None:
                limits.append((window[0] - window[1] / 2, window[0] + window[1] / 2))
            elif falls:
                limits.append((mirror - 255, mirror))
        assert len({cine.frame(t).dtype for t in range(len(cine))} | {cine.stack().dtype}) == 1
        if limits:
            assert cine.window == (min(low for low, _ in limits), max(high for _, high in limits))


def _groups(slope, intercept, angle, window, falls):
    voi = {} if window is None else dict(zip(("WindowCenter", "WindowWidth"), window, strict=True))
    if window is not None:
        voi["VOILUTFunction"] = "LINEAR_EXACT"
    if falls:
        voi["VOILUTSequence"] = lut(FALLING)
    groups = {
        "PixelValueTransformationSequence": [item(RescaleSlope=slope, RescaleIntercept=intercept)],
        "PositionerPositionSequence": [item(PositionerPrimaryAngle=angle, PositionerSecondaryAngle=0)],
    }
    return item(**groups, **({"FrameVOILUTSequence": [item(**voi)]} if voi else {}))


def test_a_frame_without_a_group_has_what_is_said_of_all_and_not_what_is_said_of_the_first(tmp_path):
    cine = opened(
        tmp_path,
        bits=8,
        SharedFunctionalGroupsSequence=[_groups(2, 0, 10, None, False)],
        PerFrameFunctionalGroupsSequence=[_groups(3, 0, 30, None, False)],
    )
    assert [cine.grey_of(t).slope for t in range(3)] == [3, 2, 2]
    assert [cine.projection_of(t).primary_deg for t in range(3)] == [30, 10, 10]


@pytest.mark.parametrize("value", ["", "9"], ids=["empty", "other"])
@pytest.mark.parametrize("groups", ["PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"])
def test_what_the_object_says_beside_its_groups_hides_nothing_that_they_say(tmp_path, groups, value):
    tags = dict.fromkeys(("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"), value)
    angles = dict.fromkeys(("PositionerPrimaryAngle", "PositionerSecondaryAngle"), value)
    words = files.grey(frames=3)
    slopes = (2, 3, 4) if groups.startswith("Per") else (2, 2, 2)
    said = [_groups(slope, 1, 30, (100, 50), False) for slope in slopes]
    cine = opened(tmp_path, words, bits=8, **tags, **angles, **{groups: said})
    for t, slope in enumerate(slopes):
        np.testing.assert_array_equal(cine.frame(t), words[t].astype(np.float32) * slope + 1)
        assert cine.projection_of(t) == Projection(30, 0)
    assert cine.window == (75, 125)


def test_an_empty_tag_of_a_group_says_nothing(tmp_path):
    empty = _groups(2, 0, 10, None, False)
    empty.PixelValueTransformationSequence[0].RescaleSlope = ""
    cine = opened(tmp_path, bits=8, RescaleSlope=5, PerFrameFunctionalGroupsSequence=[empty] * 3)
    assert [cine.grey_of(t).slope for t in range(3)] == [5] * 3


@pytest.mark.parametrize(
    ("increments", "angles"),
    [
        ([0, 10, 20, 30], [-20, -10, 0, 10]),  # from the first frame
        ([0, 10, 10, 10], [-20, -10, 0, 10]),  # from frame to frame
        ([10, 10, 10, 10], [-10, 0, 10, 20]),
        ([0, 0, 0, 0], [-20] * 4),
        ([0, 10], [-20] * 4),  # not one for each frame
    ],
)
def test_an_arm_that_moves_has_the_angle_of_each_frame(tmp_path, increments, angles):
    cine = opened(
        tmp_path,
        files.grey(frames=4),
        PositionerPrimaryAngle=-20,
        PositionerSecondaryAngle=5,
        PositionerPrimaryAngleIncrement=increments,
    )
    assert [cine.projection_of(t) for t in range(4)] == [Projection(angle, 5) for angle in angles]
    assert Frame.from_cine(cine, 3).projection == Projection(angles[3], 5)


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("as_folder", [False, True])
def test_where_low_is_white_equal_rescaled_values_are_shown_as_equal(tmp_path, bits, as_folder):
    slopes, words = (1, 2, 0.5), np.zeros((3, 32, 32), "u1" if bits == 8 else "u2")
    words[:] = np.array([100, 50, 200]).reshape(3, 1, 1)
    words[:, :, 1:] = (1 << bits) - 1
    about = {"bits": bits, "PhotometricInterpretation": "MONOCHROME1"}
    if as_folder:
        for t, slope in enumerate(slopes):
            files.write_dicom(tmp_path / f"{t}", words[t : t + 1], **about, RescaleSlope=slope)
        cine = read_cine(tmp_path, as_cine=True)
    else:
        groups = [_groups(slope, 0, 0, None, False) for slope in slopes]
        cine = opened(tmp_path, words, **about, PerFrameFunctionalGroupsSequence=groups)
    assert {float(cine.frame(t)[0, 0]) for t in range(3)} == {2 * ((1 << bits) - 1) - 100.0}
    for t in range(3):
        assert cine.frame(t)[0, 0] > cine.frame(t)[0, 1] >= 0
        saved = Frame.from_cine(cine, t)
        np.testing.assert_array_equal(saved.grey.shown(saved.pixels), cine.frame(t))
    assert cine.grey == cine.grey_of(0)


def test_files_of_one_folder_keep_their_own_rescale_and_angles(tmp_path):
    words = files.grey(frames=3)
    for t in range(3):
        tags = {"RescaleSlope": t + 1, "PositionerPrimaryAngle": 30 + t / 10}
        files.write_dicom(tmp_path / f"{t}", words[t : t + 1], **tags)
    cine = read_cine(tmp_path, as_cine=True)
    for t in range(3):
        np.testing.assert_array_equal(cine.frame(t), words[t].astype(np.float32) * (t + 1))
        assert Frame.from_cine(cine, t).projection.primary_deg == 30 + t / 10


# -- objects without pixels of their own -------------------------------------------------------------------------


def test_a_file_of_which_only_the_preview_is_there_is_not_called_truncated(capsys):
    path = FIELD / "lines-that-mislead" / "icon.dcm"
    line = "it holds a preview (IconImageSequence), but no pixel data. Choose the XA object of the study."
    with pytest.raises(UnreadableCine) as refused:
        read_cine(path)
    assert str(refused.value) == f"icon.dcm: {line}"
    assert main(["info", str(path)]) == 2 and line in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tag", "vr", "value", "message"),
    [
        (0x7FE00008, "OF", b"\0" * 48 * 64 * 4, "its pixels are floating-point numbers"),
        (0x7FE00009, "OD", b"\0" * 48 * 64 * 8, "its pixels are floating-point numbers"),
        (0x00287FE0, "UR", "http://archive/1", "its pixel data lies on a server"),
    ],
)
def test_pixels_of_another_kind_are_named(tmp_path, tag, vr, value, message):
    ds = pydicom.dcmread(files.write_dicom(tmp_path / "x.dcm", files.grey(frames=1)))
    del ds.PixelData
    ds.add_new(tag, vr, value)
    ds.save_as(tmp_path / "y.dcm")
    with pytest.raises(UnreadableCine, match=rf"y\.dcm: {message}"):
        read_cine(tmp_path / "y.dcm")
