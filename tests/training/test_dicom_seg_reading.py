"""Promises about DICOM SEG on its way in: ours and highdicom's, each frame to its own picture by what it refers to."""

from __future__ import annotations

from pathlib import Path

import highdicom
import imagecodecs
import numpy as np
import pytest
from cine_files import write_dicom
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

from src_training import Frame, Workspace, read_cine
from src_training.cli import main
from src_training.dataset.masks import read_mask
from src_training.errors import BadMask
from src_training.exchange.classes import Classes
from src_training.exchange.dicom_seg_reading import match_segs

T, ROWS, COLUMNS = 4, 48, 63  # 3,024 bits a frame: none but the first begins with a whole byte of 16 bits
UIDS = {
    "PatientID": "p",
    "PatientName": "",
    "PatientBirthDate": "",
    "PatientSex": "",
    "StudyDate": "",
    "StudyTime": "",
    "AccessionNumber": "",
    "StudyID": "",
    "ReferringPhysicianName": "",
}


def mask_of(t: int) -> np.ndarray:
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    mask[6 + 3 * t : 9 + 3 * t, 5:40] = 1
    mask[10:40, 50 + t : 52 + t] = 2  # of another segment
    return mask


def write_source(path: Path, frames: int = T) -> Path:
    """A run in which what `mask_of` draws is dark; every file of one series."""
    rng = np.random.default_rng(len(path.name))
    pages = np.stack(
        [np.where(mask_of(t) > 0, 50, rng.integers(150, 200, (ROWS, COLUMNS))) for t in range(frames)]
    )
    return write_dicom(
        path,
        pages.astype(np.uint8),
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=SERIES,
        FrameOfReferenceUID=PLACE,
        InstanceNumber="1",
        **UIDS,
    )


STUDY, SERIES, PLACE = generate_uid(), generate_uid(), generate_uid()


def described(number: int, label: str) -> highdicom.seg.SegmentDescription:
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=codes.cid7150.AnatomicalStructure,
        segmented_property_type=codes.SCT.CoronaryArtery,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
    )


def segmentation(
    path: Path,
    sources: list[Path],
    masks: np.ndarray,
    kind: str,
    syntax: str = ExplicitVRLittleEndian,
    **more: object,
) -> Path:
    """What highdicom makes of masks (T, Y, X) for these files."""
    number = 1 if masks.dtype.kind == "f" else int(masks.max())
    made = highdicom.seg.Segmentation(
        source_images=[_placed(dcmread(source), at) for at, source in enumerate(sources)],
        pixel_array=masks,
        segmentation_type=kind,
        segment_descriptions=[described(n, LABELS[n - 1]) for n in range(1, number + 1)],
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="1",
        device_serial_number="1",
        transfer_syntax_uid=syntax,
        **more,
    )
    made.save_as(path)
    return path


def _placed(source: Dataset, at: int) -> Dataset:
    """With a place in space, which XA has not and highdicom asks of more than one frame."""
    measures, orientation = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1, 1], 1
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    frames = []
    for t in range(int(source.get("NumberOfFrames", 1))):
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, at + t]
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    if len(frames) == 1:
        source.SOPClassUID = CTImageStorage  # of XA highdicom takes one file only, as it may hold a run
        del source.NumberOfFrames
        source.update(measures)
        source.update(orientation)
        source.ImagePositionPatient = [0, 0, at]
    else:
        shared = Dataset()
        shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
        source.SharedFunctionalGroupsSequence = [shared]
        source.PerFrameFunctionalGroupsSequence = frames
    return source


LABELS = ["Coronary arteries", "guiding catheter"]
MEANING = np.array([0, 1, 255], np.uint8)
KINDS = [
    ("BINARY", ExplicitVRLittleEndian),
    ("FRACTIONAL", ExplicitVRLittleEndian),
    ("FRACTIONAL", RLELossless),
    ("LABELMAP", ExplicitVRLittleEndian),
    ("LABELMAP", RLELossless),
]


@pytest.mark.parametrize(("kind", "syntax"), KINDS)
def test_what_highdicom_made_of_a_run_lies_on_its_frames(tmp_path, kind, syntax):
    source = write_source(tmp_path / "run.dcm")
    masks = np.stack([mask_of(t) for t in range(T)])
    masks[2] = 0  # highdicom leaves empty frames out
    path = segmentation(tmp_path / "a.seg.dcm", [source], masks, kind, syntax)
    ((image, found),) = match_segs([path], [source], Classes()).pairs
    cine = (T, ROWS, COLUMNS)
    drawn = [t for t in found.frames(cine) if t != 2]
    assert image == source and drawn == [0, 1, 3]
    assert all(np.array_equal(found.read(t, cine), MEANING[masks[t]]) for t in drawn)


def test_a_segmentation_that_does_not_say_of_which_frame_it_is_is_refused(tmp_path, capsys):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    source = write_source(tmp_path / "images" / "run.dcm")
    path = segmentation(tmp_path / "masks" / "a.seg.dcm", [source], np.stack([mask_of(0)] * T), "BINARY")
    seg = dcmread(path)
    for group in seg.PerFrameFunctionalGroupsSequence:
        for derivation in group.DerivationImageSequence:
            del derivation.SourceImageSequence[0].ReferencedFrameNumber
    seg.save_as(path)
    folders = ("--images", str(tmp_path / "images"), "--masks", str(tmp_path / "masks"))
    assert main(["dataset", "init", str(tmp_path / "w")]) == 0
    assert main(["dataset", "import", str(tmp_path / "w"), *folders]) == 2
    assert f"does not say which of {T} frames it is of" in capsys.readouterr().err


def test_single_frames_of_a_series_are_told_apart_by_their_uids(tmp_path):
    sources = [write_source(tmp_path / f"{'x' * t}.dcm", frames=1) for t in (1, 2, 3)]
    masks = np.stack([mask_of(t) for t in range(3)])
    path = segmentation(tmp_path / "a.seg.dcm", sources, masks, "BINARY", omit_empty_frames=False)
    matched = match_segs([path], sources[::-1], Classes())
    found = {image: source.read(0, (1, ROWS, COLUMNS)) for image, source in matched.pairs}
    assert all(np.array_equal(found[source], MEANING[masks[t]]) for t, source in enumerate(sources))


def test_parts_of_a_segment_need_a_threshold(tmp_path):
    source = write_source(tmp_path / "run.dcm")
    masks = np.stack([mask_of(t) == 1 for t in range(T)]) * 0.6
    path = segmentation(tmp_path / "a.seg.dcm", [source], masks, "FRACTIONAL", max_fractional_value=100)
    ((_, found),) = match_segs([path], [source], Classes()).pairs
    with pytest.raises(BadMask, match=r"parts of 100\. Say from which on it is vessel"):
        found.read(1, (T, ROWS, COLUMNS))
    ((_, found),) = match_segs([path], [source], Classes(), threshold=50).pairs
    assert np.array_equal(found.read(1, (T, ROWS, COLUMNS)), mask_of(1) == 1)


def test_a_frame_without_a_segment_is_not_taken_for_one_without_vessels(tmp_path):
    source = write_source(tmp_path / "run.dcm")
    masks = np.stack([mask_of(t) if t == 1 else np.zeros((ROWS, COLUMNS), np.uint8) for t in range(T)])
    path = segmentation(tmp_path / "a.seg.dcm", [source], masks, "BINARY")
    ((_, found),) = match_segs([path], [source], Classes()).pairs
    assert list(found.frames((T, ROWS, COLUMNS))) == [1]
    with pytest.raises(BadMask, match="no segment on frame 0: no vessel, or nobody looked"):
        found.read(0, (T, ROWS, COLUMNS))


def test_an_import_takes_a_segmentation_and_says_what_is_not_judged(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "segs").mkdir()
    source = write_source(tmp_path / "images" / "run.dcm")
    segmentation(tmp_path / "segs" / "a.dcm", [source], np.stack([mask_of(t) for t in range(T)]), "BINARY")
    made = Workspace.create(tmp_path / "ws")
    arguments = ["--images", str(tmp_path / "images"), "--masks", str(tmp_path / "segs")]
    assert main(["dataset", "import", str(made.path), *arguments]) == 0
    assert "a.dcm: guiding catheter: no vessel; not judged (255)" in capsys.readouterr().err
    found = {head.image().tobytes(): head.mask() for head in made.dataset.heads()}
    cine = read_cine(source)
    assert all(np.array_equal(found[cine.stored(t).tobytes()], MEANING[mask_of(t)]) for t in range(T))


def test_ours_come_back_to_the_pixel(tmp_path):
    (tmp_path / "images").mkdir()
    source = write_source(tmp_path / "images" / "run.dcm")
    made = Workspace.create(tmp_path / "ws")
    for t in (0, 3):
        made.dataset.append(Frame.from_cine(read_cine(source), t), MEANING[mask_of(t)])
    out = ["-o", str(tmp_path / "out"), "--format", "dicom-seg", "--source", str(source)]
    assert main(["dataset", "export", str(made.path), *out]) == 0
    back = Workspace.create(tmp_path / "back")
    arguments = ["--images", str(tmp_path / "images"), "--masks", str(tmp_path / "out")]
    assert main(["dataset", "import", str(back.path), *arguments]) == 0
    before, after = (
        {head.image().tobytes(): head.mask() for head in one.dataset.heads()} for one in (made, back)
    )
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("in_one", [True, False])
def test_masks_of_other_kinds_beside_segmentations_are_told(tmp_path, capsys, in_one):
    images = tmp_path / "images"
    masks = images if in_one else tmp_path / "masks"
    for folder in {images, masks}:
        folder.mkdir()
    for name in ("a", "b"):
        write_source(images / f"{name}.dcm", 1)
    first = (mask_of(0) == 1).astype(np.uint8)
    before = Workspace.create(tmp_path / "before")
    before.dataset.append(Frame.from_cine(read_cine(images / "a.dcm"), 0), first)
    out = ["-o", str(tmp_path / "out"), "--format", "dicom-seg", "--source", str(images / "a.dcm")]
    assert main(["dataset", "export", str(before.path), *out]) == 0
    (written,) = (tmp_path / "out").rglob("*.dcm")
    written.rename(masks / "s.dcm")
    (masks / "b_mask.png").write_bytes(imagecodecs.png_encode(first))
    made = Workspace.create(tmp_path / "ws")
    code = main(["dataset", "import", str(made.path), "--images", str(images), "--masks", str(masks)])
    assert code == 2 and len(list(made.dataset.heads())) == 1
    assert "b_mask.png: 1 masks of other kinds lie beside" in capsys.readouterr().err


def test_a_segmentation_of_another_picture_is_told(tmp_path):
    source, other = write_source(tmp_path / "run.dcm"), write_source(tmp_path / "other.dcm")
    path = segmentation(tmp_path / "a.seg.dcm", [other], np.stack([mask_of(t) for t in range(T)]), "BINARY")
    matched = match_segs([path], [source], Classes())
    assert not matched.pairs
    assert matched.failures == ["a.seg.dcm: the picture that it refers to is not among the images."]
    (tmp_path / "copy.dcm").write_bytes(other.read_bytes())
    matched = match_segs([path], [other, tmp_path / "copy.dcm"], Classes())
    assert not matched.pairs and "there several times (other.dcm, copy.dcm)" in matched.failures[0]


def test_a_segmentation_given_as_the_mask_of_one_frame_is_named_as_dicom(tmp_path):
    source = write_source(tmp_path / "run.dcm")
    with pytest.raises(
        BadMask, match=r"^run\.dcm: a DICOM file\. Give a segmentation to lightvessel dataset import"
    ):
        read_mask(source)


def damaged(ds, how: str):
    if how == "huge":
        ds.Rows = ds.Columns = 60_000
    elif how == "many":
        ds.NumberOfFrames = 2_000_000
    elif how == "no groups":
        del ds.PerFrameFunctionalGroupsSequence
    elif how == "too few pixels":
        ds.PixelData = ds.PixelData[:100]
    elif how == "no segments":
        del ds.SegmentSequence
    return ds


@pytest.mark.parametrize("how", ["huge", "many", "no groups", "too few pixels", "no segments", "cut"])
def test_a_hostile_segmentation_is_one_line(tmp_path, how):
    source = write_source(tmp_path / "run.dcm")
    path = segmentation(tmp_path / "a.seg.dcm", [source], np.stack([mask_of(t) for t in range(T)]), "BINARY")
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-400])
    else:
        damaged(dcmread(path), how).save_as(path)
    matched = match_segs([path], [source], Classes())
    lines = list(matched.failures)
    for _, found in matched.pairs:
        with pytest.raises(BadMask) as refused:
            found.read(3, (T, ROWS, COLUMNS))
        lines.append(str(refused.value))
    assert len(lines) == 1 and lines[0].startswith("a.seg.dcm: ") and "\n" not in lines[0]
