"""What the tags mean, rule by rule, as the conventions say."""

from __future__ import annotations

import cine_files as files
import numpy as np
import pytest
from pydicom.dataset import Dataset

from src_training.cine import Calibration, Projection, read_cine

FRAME_TIME, VECTOR = 0x00181063, 0x00181065


def opened(tmp_path, **tags):
    bits = tags.pop("bits", 8)
    return read_cine(files.write_dicom(tmp_path / "x.dcm", files.grey(bits=bits), bits=bits, **tags))


TIMES = [
    ({"FrameIncrementPointer": FRAME_TIME, "FrameTime": 66.7, "CineRate": 30}, 66.7, "FrameTime"),
    (
        {"FrameIncrementPointer": VECTOR, "FrameTimeVector": [0, 80, 80], "CineRate": 30},
        80,
        "FrameTimeVector",
    ),
    (
        {"FrameIncrementPointer": VECTOR, "FrameTimeVector": [0, 40, 90], "FrameTime": 5},
        90,
        "FrameTimeVector",
    ),
    ({"FrameTime": 66.7, "CineRate": 25}, 40, "CineRate"),
    ({"FrameIncrementPointer": FRAME_TIME, "FrameTime": 0, "CineRate": 25}, 40, "CineRate"),
    ({"FrameIncrementPointer": FRAME_TIME, "CineRate": 25}, 40, "CineRate"),
    ({"FrameIncrementPointer": VECTOR, "FrameTimeVector": [0], "CineRate": 25}, 40, "CineRate"),
    ({"CineRate": 15, "RecommendedDisplayFrameRate": 30}, 1000 / 15, "CineRate"),
    ({"FrameTime": 50}, 50, "FrameTime"),
    ({"RecommendedDisplayFrameRate": 10}, 100, "assumed"),
    ({"FrameTime": "1e-309", "FrameTimeVector": [0, "1e308", "1e308"]}, None, "none"),
    ({"CineRate": 0, "RecommendedDisplayFrameRate": 0}, None, "none"),
    ({}, None, "none"),
]


@pytest.mark.parametrize(("tags", "milliseconds", "source"), TIMES)
def test_frame_time_remembers_where_it_came_from(tmp_path, tags, milliseconds, source):
    cine = opened(tmp_path, **tags)
    assert cine.frame_time_source == source
    assert cine.frame_time_ms == (None if milliseconds is None else pytest.approx(milliseconds))


CALIBRATIONS = [
    ({}, Calibration(), "px"),
    ({"ImagerPixelSpacing": [0.2, 0.3]}, Calibration("detector", 0.2, 0.3), "detector"),
    (
        {"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.2, 0.2]},
        Calibration("detector", 0.2, 0.2),
        "detector",
    ),
    (
        {"ImagerPixelSpacing": [0.390625, 0.390625], "PixelSpacing": [0.39062, 0.39062]},
        Calibration("detector", 0.390625, 0.390625),
        "detector",
    ),
    (
        {
            "ImagerPixelSpacing": [0.2, 0.2],
            "PixelSpacing": [0.15, 0.16],
            "PixelSpacingCalibrationType": "GEOMETRY",
        },
        Calibration("geometry", 0.15, 0.16),
        "geometry",
    ),
    (
        {
            "ImagerPixelSpacing": [0.2, 0.2],
            "PixelSpacing": [0.15, 0.15],
            "PixelSpacingCalibrationType": "FIDUCIAL",
        },
        Calibration("fiducial", 0.15, 0.15),
        "fiducial",
    ),
    (
        {"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.15, 0.15]},
        Calibration("corrected", 0.15, 0.15),
        "corrected",
    ),
    ({"PixelSpacing": [0.15, 0.15]}, Calibration("unknown", 0.15, 0.15), "unknown"),
    ({"PixelSpacing": [0, 0]}, Calibration(), "px"),
    ({"ImagerPixelSpacing": [-1, 0.2]}, Calibration(), "px"),
]


@pytest.mark.parametrize(("tags", "calibration", "badge"), CALIBRATIONS)
def test_calibration_is_a_status(tmp_path, tags, calibration, badge):
    cine = opened(tmp_path, **tags)
    assert cine.calibration == calibration
    assert cine.calibration.badge == badge


PROJECTIONS = [
    (30, -20, "LAO 30 CAU 20"),
    (-26.4, 33, "RAO 26 CRA 33"),
    (0.1, -0.1, "LAO 0 CRA 0"),
    (None, -15, "CAU 15"),
    (45, None, "LAO 45"),
    (None, None, ""),
    (999, 20, "CRA 20"),
]


@pytest.mark.parametrize(("primary", "secondary", "label"), PROJECTIONS)
def test_projection_is_labelled_as_clinicians_say_it(tmp_path, primary, secondary, label):
    cine = opened(tmp_path, PositionerPrimaryAngle=primary, PositionerSecondaryAngle=secondary)
    assert cine.projection.label == label


WINDOWS = [
    ({"WindowCenter": 128, "WindowWidth": 256}, (0, 255)),
    ({"WindowCenter": [100, 500], "WindowWidth": [51, 9]}, (74.5, 124.5)),
    ({"WindowCenter": 100, "WindowWidth": 50, "VOILUTFunction": "LINEAR"}, (75, 124)),
    ({"WindowCenter": 100, "WindowWidth": 50, "VOILUTFunction": "LINEAR_EXACT"}, (75, 125)),
    ({"WindowCenter": 100, "WindowWidth": 50, "VOILUTFunction": "SIGMOID"}, (75, 125)),
    ({"WindowCenter": 100, "WindowWidth": 51, "PhotometricInterpretation": "MONOCHROME1"}, (130.5, 180.5)),
    (
        {
            "WindowCenter": 100,
            "WindowWidth": 51,
            "PhotometricInterpretation": "MONOCHROME1",
            "RescaleSlope": 2,
            "RescaleIntercept": -10,
        },
        (490 - 124.5, 490 - 74.5),
    ),
    ({"WindowCenter": 100, "WindowWidth": 0}, (0, 255)),
    ({"WindowCenter": 100, "WindowWidth": -5}, (0, 255)),
    ({"WindowCenter": 100}, (0, 255)),
    ({"WindowCenter": "1e300", "WindowWidth": 1}, (0, 255)),
    ({"WindowCenter": "1e20", "WindowWidth": 1}, (0, 255)),
    ({}, (0, 255)),
]


@pytest.mark.parametrize(("tags", "limits"), WINDOWS)
def test_window_in_units_of_the_shown_frame(tmp_path, tags, limits):
    assert opened(tmp_path, **tags).window == pytest.approx(limits)


def test_without_a_window_deeper_pixels_get_their_percentiles(tmp_path):
    cine = opened(tmp_path, bits=12)
    middle = files.grey(bits=12)[1]
    assert cine.window == pytest.approx(tuple(np.percentile(middle, (0.1, 99.9))))


@pytest.mark.parametrize("slope", [0, None])
def test_a_rescale_that_says_nothing_changes_nothing(tmp_path, slope):
    cine = opened(tmp_path, RescaleSlope=slope)
    assert cine.frame(0).dtype == np.uint8


@pytest.mark.parametrize(
    "tags", [{"RescaleSlope": "1e308"}, {"RescaleSlope": "-1e-309"}, {"RescaleIntercept": "9e307"}]
)
def test_a_rescale_to_what_no_frame_can_hold_changes_nothing(tmp_path, tags):
    path = files.write_dicom(
        tmp_path / "x.dcm", files.grey(), PhotometricInterpretation="MONOCHROME1", **tags
    )
    cine = read_cine(path)
    np.testing.assert_array_equal(cine.frame(0), 255 - files.grey()[0])
    assert cine.window == (0, 255)


def test_identity_is_read_but_not_shown(tmp_path):
    cine = opened(tmp_path, PatientID="  P-77 ", BurnedInAnnotation="YES")
    assert cine.patient_id == "P-77" and cine.burned_in == "YES"
    assert "P-77" not in repr(cine)


@pytest.mark.parametrize("raw", [b"12a", b"nan\0", b"1\\x", b"\xff\xfe", b"inf\0"])
def test_malformed_numbers_count_as_missing(tmp_path, raw):
    path = files.write_dicom(tmp_path / "x.dcm", files.grey(), WindowCenter="77", PositionerPrimaryAngle="77")
    path.write_bytes(path.read_bytes().replace(b"DS\x02\x0077", b"DS" + len(raw).to_bytes(2, "little") + raw))
    cine = read_cine(path)
    assert cine.projection == Projection() and cine.window == (0, 255)


def test_a_pixel_intensity_relationship_is_not_applied(tmp_path):
    cine = opened(tmp_path, PixelIntensityRelationship="LOG", PixelIntensityRelationshipSign=1)
    np.testing.assert_array_equal(cine.frame(0), files.grey()[0])


def group(**tags):
    inner = Dataset()
    for keyword, value in tags.items():
        setattr(inner, keyword, value)
    return [inner]


def frame_of(**groups):
    return group(**{keyword: group(**tags) for keyword, tags in groups.items()})[0]


ANGLES = {"PositionerPrimaryAngle": "30", "PositionerSecondaryAngle": "-20"}
WINDOW = {"WindowCenter": "100", "WindowWidth": "50", "VOILUTFunction": "LINEAR_EXACT"}
SLOPE = {"RescaleSlope": "2", "RescaleIntercept": "-10"}


@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.IMPLICIT, files.LOSSLESS_SV1])
def test_an_enhanced_object_keeps_them_in_the_groups_of_its_frames(tmp_path, syntax):
    shared = frame_of(PixelValueTransformationSequence=SLOPE, FrameVOILUTSequence={"WindowCenter": "1"})
    per_frame = [frame_of(FrameVOILUTSequence=WINDOW, PositionerPositionSequence=ANGLES)] * 3
    tags = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": per_frame}
    cine = read_cine(files.write_dicom(tmp_path / "x.dcm", files.grey(), syntax, bits=8, **tags))
    assert (cine.projection, cine.window) == (Projection(30, -20), (75, 125))
    assert (cine.grey.slope, cine.grey.intercept) == (2, -10)


def test_what_the_object_itself_says_fills_what_its_frames_groups_leave_open(tmp_path):
    shared = [frame_of(FrameVOILUTSequence=WINDOW)]
    cine = opened(tmp_path, PositionerPrimaryAngle="5", SharedFunctionalGroupsSequence=shared)
    assert cine.projection == Projection(5, None)


def test_what_its_frames_groups_say_goes_before_what_the_object_says(tmp_path):
    per_frame = [frame_of(PositionerPositionSequence=ANGLES)]
    cine = opened(tmp_path, PositionerPrimaryAngle="5", PerFrameFunctionalGroupsSequence=per_frame)
    assert cine.projection == Projection(30, -20)


def test_groups_that_are_no_sequences_are_missing(tmp_path):
    path = files.write_dicom(
        tmp_path / "x.dcm", files.grey(), bits=8, PerFrameFunctionalGroupsSequence=[Dataset()]
    )
    data = path.read_bytes()
    at = data.index(b"\x00\x52\x30\x92SQ")
    path.write_bytes(data[: at + 4] + b"UN" + data[at + 6 :])
    assert read_cine(path).projection == Projection()
