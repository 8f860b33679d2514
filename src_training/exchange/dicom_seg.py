"""DICOM SEG: the masks of a stored acquisition as a segmentation object that refers to its source file.

The dataset keeps no UIDs: the source is given, and its frames are found by their pixels. Patient and study fields
stay empty but for the UIDs that a reference is made of.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset as Attributes
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage, generate_uid

from src_training import __version__
from src_training.cine import read_cine
from src_training.cine.apart import ask_file
from src_training.cine.sniff import recognise
from src_training.dataset import Dataset, Revision
from src_training.dataset.frame import IGNORE, VESSEL
from src_training.dataset.patients import Bucket
from src_training.dataset.pixels import canonical
from src_training.errors import DatasetError
from src_training.exchange.frames import reviewed
from src_training.exchange.placing import new_folder

_RESEARCH = "Research use only. Not for diagnosis."
# label, mask value, category and type as (value, scheme, meaning)
_SEGMENTS = (
    (
        "Coronary arteries",
        VESSEL,
        ("123037004", "SCT", "Anatomical Structure"),
        ("41801008", "SCT", "Coronary artery"),
    ),
    (
        "Not reviewed",
        IGNORE,
        ("309825002", "SCT", "Spatial and Relational Concept"),
        ("not-reviewed", "99LIGHTVESSEL", "Nobody looked, or nobody can tell"),
    ),
)
_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "ContentCreatorName",
)
_UID = re.compile(r"[0-9.]{1,64}")


class Identifiers(NamedTuple):
    """What a reference to a DICOM file is made of."""

    SOPClassUID: str
    SOPInstanceUID: str
    StudyInstanceUID: str
    SeriesInstanceUID: str


class Written(NamedTuple):
    """A file of an export, by its path in it: of which source, for which part of the split, of how many frames."""

    file: str
    source: Path
    split: Bucket
    frames: int


def export_segs(dataset: Dataset, sources: Sequence[Path], target: Path) -> list[Written]:
    """Write ``train/001.seg.dcm`` and so on into the new folder ``target``, numbered by the sources in turn.

    A source whose frames belong to several parts of the split has a file in each. What refers to it is inside; its
    name, which may name a patient, stays out.

    Raises DatasetError when a source is no DICOM file or none of its frames is reviewed, when ``target`` exists or
    lies in the workspace or the folder of a source, or the disk refuses; then there is no ``target``.
    """
    by_pixels = {_key(head.image()): head for head in reviewed(dataset)}
    written = []
    with new_folder(dataset, target, sources) as staged:
        for number, source in enumerate(sources, 1):
            for split, masks in _masks_by_split(source, by_pixels).items():
                file = f"{split}/{number:03}.seg.dcm"
                (staged / split).mkdir(exist_ok=True)
                segmentation(source, masks).save_as(staged / file, enforce_file_format=True)
                written.append(Written(file, source, split, len(masks)))
    return written


def segmentation(source: Path, masks: dict[int, NDArray[np.uint8]]) -> FileDataset:
    """The object for masks (Y, X) of 0, 1, 255 by frame of the multi-frame or single-frame file ``source``.

    One segment for vessels, one for what was not reviewed; a frame appears in each segment it has pixels in, and a
    frame without any in the vessels' one.
    """
    origin = _identifiers(source)
    planes = [
        (number, t, mask == value)
        for number, (_label, value, *_codes) in enumerate(_SEGMENTS, 1)
        for t, mask in sorted(masks.items())
        if (mask == value).any() or (value == VESSEL and not mask.any())
    ]
    found = _object()
    _describe(found, origin)
    _lay_out(found, origin, planes)
    rows, columns = next(iter(masks.values())).shape
    found.Rows, found.Columns, found.NumberOfFrames = rows, columns, len(planes)
    found.PixelData = pack_bits(np.stack([plane for *_, plane in planes]).astype(np.uint8), pad=True)
    return found


def _identifiers(source: Path) -> Identifiers:
    found = ask_file(source, {"ask": "uids", "keywords": list(Identifiers._fields)}).facts
    missing = [name for name in Identifiers._fields if not _UID.fullmatch(found[name])]
    if missing:
        raise DatasetError(f"{source.name}: has no {missing[0]}, so a SEG cannot refer to it. Export as png.")
    return Identifiers(**found)


def _masks_by_split(
    source: Path, by_pixels: dict[str, Revision]
) -> dict[Bucket, dict[int, NDArray[np.uint8]]]:
    """The masks (Y, X) by part of the split and frame; DatasetError when there is none."""
    masks: defaultdict[Bucket, dict[int, NDArray[np.uint8]]] = defaultdict(dict)
    for t, head in _found(source, by_pixels):
        masks[head.bucket][t] = head.mask()
    if not masks:
        raise DatasetError(f"{source.name}: no reviewed frame of it is in this dataset. Accept some first.")
    return masks


def _found(source: Path, by_pixels: dict[str, Revision]) -> Iterator[tuple[int, Revision]]:
    cine = read_cine(source)
    if recognise(source) != "dicom":
        raise DatasetError(f"{source.name}: not a DICOM file, so a SEG cannot refer to it. Export as png.")
    for t in range(len(cine)):
        head = by_pixels.get(_key(cine.stored(t)))
        if head is not None:
            yield t, head


def _key(pixels: NDArray) -> str:
    plain = canonical(pixels)
    return hashlib.sha256(f"{plain.dtype}{plain.shape}".encode() + plain.tobytes()).hexdigest()


def _object() -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SegmentationStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)  # type: ignore[arg-type]


def _describe(found: FileDataset, origin: Identifiers) -> None:
    """Everything but frames and pixels."""
    now = datetime.now(UTC)
    for name in _EMPTY:
        setattr(found, name, "")
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID
    found.StudyInstanceUID = origin.StudyInstanceUID
    found.SeriesInstanceUID = generate_uid()
    found.Modality, found.SeriesNumber, found.InstanceNumber = "SEG", 1, 1
    found.Manufacturer = found.ManufacturerModelName = "napari-lightvessel"
    found.DeviceSerialNumber, found.SoftwareVersions = "none", __version__
    found.ContentDate, found.ContentTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    found.SeriesDate, found.SeriesTime = found.ContentDate, found.ContentTime
    found.ImageType = ["DERIVED", "PRIMARY"]
    found.ContentLabel, found.ContentDescription = "VESSELS", _RESEARCH
    found.SegmentationType, found.LossyImageCompression = "BINARY", "00"
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated = found.BitsStored = 1
    found.HighBit = found.PixelRepresentation = 0
    found.ReferencedSeriesSequence = _one(
        SeriesInstanceUID=origin.SeriesInstanceUID, ReferencedInstanceSequence=_one(**_reference(origin))
    )


def _lay_out(found: FileDataset, origin: Identifiers, planes: list[tuple[int, int, NDArray]]) -> None:
    """Segments, dimensions and what every frame shows."""
    used = sorted({number for number, *_ in planes})
    found.SegmentSequence = Items([_segment(number) for number in used])
    organization = generate_uid()
    found.DimensionOrganizationSequence = _one(DimensionOrganizationUID=organization)
    found.DimensionIndexSequence = Items(
        [
            _item(
                DimensionOrganizationUID=organization,
                DimensionIndexPointer=pointer,
                FunctionalGroupPointer=group,
            )
            for pointer, group in ((0x0062000B, 0x0062000A), (0x00209128, 0x00209111))
        ]
    )
    found.SharedFunctionalGroupsSequence = Items([Attributes()])
    found.PerFrameFunctionalGroupsSequence = Items([_frame(origin, number, t) for number, t, _ in planes])


def _segment(number: int) -> Attributes:
    label, _value, category, kind = _SEGMENTS[number - 1]
    return _item(
        SegmentNumber=number,
        SegmentLabel=label,
        SegmentAlgorithmType="SEMIAUTOMATIC",
        SegmentAlgorithmName="napari-lightvessel",
        SegmentedPropertyCategoryCodeSequence=_code(*category),
        SegmentedPropertyTypeCodeSequence=_code(*kind),
    )


def _frame(origin: Identifiers, number: int, t: int) -> Attributes:
    source = _item(
        **_reference(origin),
        ReferencedFrameNumber=t + 1,
        SpatialLocationsPreserved="YES",
        PurposeOfReferenceCodeSequence=_code("121322", "DCM", "Source image for image processing operation"),
    )
    return _item(
        FrameContentSequence=_one(DimensionIndexValues=[number, t + 1], TemporalPositionIndex=t + 1),
        SegmentIdentificationSequence=_one(ReferencedSegmentNumber=number),
        DerivationImageSequence=_one(
            DerivationCodeSequence=_code("113076", "DCM", "Segmentation"), SourceImageSequence=Items([source])
        ),
    )


def _reference(origin: Identifiers) -> dict[str, Any]:
    return {
        "ReferencedSOPClassUID": origin.SOPClassUID,
        "ReferencedSOPInstanceUID": origin.SOPInstanceUID,
    }


def _code(value: str, scheme: str, meaning: str) -> Items:
    return _one(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _one(**attributes: Any) -> Items:
    return Items([_item(**attributes)])


def _item(**attributes: Any) -> Attributes:
    made = Attributes()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made
