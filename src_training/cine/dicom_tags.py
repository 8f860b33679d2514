"""What the tags of an XA object mean: grey values, window, time, projection, calibration.

Values are converted here from the raw bytes, so that a malformed tag counts as missing and never raises.
What is missing has a default: as many frames as the pixels are, one sample, MONOCHROME2, 8 bits allocated (16
when more are stored), all of them stored, unsigned, rescale 1 and 0, no padding, no frame time, unknown projection,
uncalibrated; without a window 8-bit pixels show 0 to 255 and deeper ones the 0.1 to 99.9 percentiles of the middle
frame.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from src_training.cine.cine import LARGEST, Calibration, CalibrationStatus, Grey, Header, Projection

TAGS = {
    "SpecificCharacterSet": 0x00080005,
    "ImageType": 0x00080008,
    "SOPClassUID": 0x00080016,
    "SOPInstanceUID": 0x00080018,
    "AcquisitionDate": 0x00080022,
    "ContentDate": 0x00080023,
    "AcquisitionDateTime": 0x0008002A,
    "AcquisitionTime": 0x00080032,
    "ContentTime": 0x00080033,
    "PatientName": 0x00100010,
    "PatientID": 0x00100020,
    "PatientBirthDate": 0x00100030,
    "CineRate": 0x00180040,
    "FrameTime": 0x00181063,
    "FrameTimeVector": 0x00181065,
    "RecommendedDisplayFrameRate": 0x00082144,
    "ImagerPixelSpacing": 0x00181164,
    "PositionerPrimaryAngle": 0x00181510,
    "PositionerSecondaryAngle": 0x00181511,
    "PositionerPrimaryAngleIncrement": 0x00181520,
    "PositionerSecondaryAngleIncrement": 0x00181521,
    "StudyInstanceUID": 0x0020000D,
    "SeriesInstanceUID": 0x0020000E,
    "SeriesNumber": 0x00200011,
    "AcquisitionNumber": 0x00200012,
    "InstanceNumber": 0x00200013,
    "SamplesPerPixel": 0x00280002,
    "PlanarConfiguration": 0x00280006,
    "PhotometricInterpretation": 0x00280004,
    "NumberOfFrames": 0x00280008,
    "FrameIncrementPointer": 0x00280009,
    "Rows": 0x00280010,
    "Columns": 0x00280011,
    "PixelSpacing": 0x00280030,
    "PixelAspectRatio": 0x00280034,
    "BitsAllocated": 0x00280100,
    "BitsStored": 0x00280101,
    "HighBit": 0x00280102,
    "PixelRepresentation": 0x00280103,
    "PixelPaddingValue": 0x00280120,
    "PixelPaddingRangeLimit": 0x00280121,
    "BurnedInAnnotation": 0x00280301,
    "PixelSpacingCalibrationType": 0x00280A02,
    "WindowCenter": 0x00281050,
    "WindowWidth": 0x00281051,
    "RescaleIntercept": 0x00281052,
    "RescaleSlope": 0x00281053,
    "VOILUTFunction": 0x00281056,
    "LUTDescriptor": 0x00283002,
    "LUTData": 0x00283006,
    "VOILUTSequence": 0x00283010,
    "PixelDataProviderURL": 0x00287FE0,
    "IconImageSequence": 0x00880200,
    "PresentationLUTShape": 0x20500020,
    "DirectoryRecordSequence": 0x00041220,
    "SharedFunctionalGroupsSequence": 0x52009229,
    "PerFrameFunctionalGroupsSequence": 0x52009230,
    "ExtendedOffsetTable": 0x7FE00001,
}
# What an Enhanced XA object may keep in the functional groups of its frames.
OF_FRAMES = (
    "PositionerPrimaryAngle",
    "PositionerSecondaryAngle",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "RescaleIntercept",
    "RescaleSlope",
)
LUT = ("LUTDescriptor", "LUTData")


@dataclass(frozen=True)
class Tags:
    """Raw tag values by keyword; every accessor answers None for what is missing or malformed."""

    raw: dict[str, bytes]
    little_endian: bool = True

    def text(self, keyword: str) -> str | None:
        """The value as text without padding."""
        value = self.raw.get(keyword, b"")
        try:
            decoded = value.decode("utf-8")
        except UnicodeDecodeError:
            decoded = value.decode("latin-1")
        return decoded.strip(" \0") or None

    def numbers(self, keyword: str) -> list[float]:
        """The finite values of a DS or IS tag; empty when any of them is malformed."""
        try:
            values = [float(part) for part in (self.text(keyword) or "").split("\\")]
        except ValueError:
            return []
        return values if all(map(math.isfinite, values)) else []

    def number(self, keyword: str) -> float | None:
        """The first value of a DS or IS tag."""
        return next(iter(self.numbers(keyword)), None)

    def positive(self, keyword: str) -> float | None:
        """The first value, if it is above zero, and its reciprocal, too, is a number one can reckon with."""
        value = self.number(keyword)
        return value if value is not None and 1 / LARGEST <= value <= LARGEST else None

    def shorts(self, keyword: str) -> list[int]:
        """The 16-bit words of a US, SS or AT tag, unsigned."""
        value = self.raw.get(keyword, b"")
        count = len(value) // 2
        return list(struct.unpack(f"{'<' if self.little_endian else '>'}{count}H", value[: 2 * count]))

    def short(self, keyword: str) -> int | None:
        """The first 16-bit word, unsigned."""
        return next(iter(self.shorts(keyword)), None)


@dataclass(frozen=True)
class PixelLayout:
    """How one frame lies in the file."""

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    little_endian: bool = True
    samples: int = 1
    planes_apart: bool = False
    is_rgb: bool = False

    @property
    def word(self) -> np.dtype:
        """The unsigned word a pixel is stored in."""
        return np.dtype(f"u{self.bits_allocated // 8}")

    @property
    def dtype(self) -> np.dtype:
        """The type of stored values in memory."""
        return np.dtype(f"{'i' if self.signed else 'u'}{self.bits_allocated // 8}")

    @property
    def frame_bytes(self) -> int:
        """The bytes of one uncompressed frame."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8

    @property
    def span(self) -> tuple[int, int]:
        """The lowest and highest value that BitsStored can hold."""
        if self.signed:
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1


@dataclass(frozen=True)
class Curve:
    """A VOI lookup table: between which rescaled values it changes, and whether it falls (None: neither way)."""

    low: int
    high: int
    falls: bool | None


def pixel_layout(tags: Tags, *, little_endian: bool) -> PixelLayout:
    """Rows, columns and bits; without BitsAllocated 8 bits, without the others the whole word."""
    stored = tags.short("BitsStored")
    allocated = tags.short("BitsAllocated") or (16 if stored and stored > 8 else 8)
    if not stored or stored > allocated:
        stored = allocated
    high = tags.short("HighBit")
    if high is None or not stored - 1 <= high < allocated:
        high = stored - 1
    return PixelLayout(
        rows=tags.short("Rows") or 0,
        columns=tags.short("Columns") or 0,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=tags.short("PixelRepresentation") == 1,
        little_endian=little_endian,
        samples=tags.short("SamplesPerPixel") or 1,
        planes_apart=tags.short("PlanarConfiguration") == 1,
        is_rgb=(tags.text("PhotometricInterpretation") or "").upper() == "RGB",
    )


def grey_values(tags: Tags, layout: PixelLayout) -> Grey:
    """Rescale (default 1, 0), whether the display turns grey over, and what counts as padding."""
    low, high = layout.span
    slope, intercept = _rescale(tags, layout)
    curve = voi_curve(tags, layout)
    return Grey(
        low=low,
        high=high,
        slope=slope,
        intercept=intercept,
        inverted=_low_is_white(tags) != (curve is not None and curve.falls is True),
        padding=_padding(tags, layout),
    )


def header(tags: Tags, layout: PixelLayout) -> Header:
    """Everything beside the pixels."""
    frame_time_ms, source = frame_time(tags)
    return Header(
        frame_time_ms=frame_time_ms,
        frame_time_source=source,
        projection=projection(tags),
        calibration=calibration(tags),
        window=shown_window(tags, layout),
        patient_id=tags.text("PatientID"),
        burned_in=tags.text("BurnedInAnnotation"),
        is_multiframe_file=True,
    )


def shown_window(tags: Tags, layout: PixelLayout) -> tuple[float, float] | None:
    """The window, else the values between which the VOI lookup table rises or falls, in rescaled units."""
    if layout.samples > 1:  # a window is one of grey values
        return None
    curve = voi_curve(tags, layout)
    return window(tags) if curve is None or curve.falls is None else (curve.low, curve.high)


def voi_curve(tags: Tags, layout: PixelLayout) -> Curve | None:
    """The VOI lookup table where it decides how frames are shown: of window and table a viewer may choose one.

    Of the table only its direction and its range are kept. The network and our display both spread a range of grey
    evenly, so that a bent curve would change nothing but the number of steps; a record stays a few numbers long.
    """
    descriptor, data = tags.shorts("LUTDescriptor"), tags.raw.get("LUTData", b"")
    if window(tags) is not None or len(descriptor) != 3:
        return None
    count, first = descriptor[0] or 65536, descriptor[1]
    if len(data) < count or count < 2:
        return None
    order = "<" if tags.little_endian else ">"
    entries = np.frombuffer(data, f"{order}u2" if len(data) >= 2 * count else "u1", count).astype(np.int64)
    slope, intercept = _rescale(tags, layout)
    if first >= 0x8000 and (layout.signed or intercept < 0 or slope < 0):
        first -= 0x10000
    steps = np.diff(entries)
    up, down = int(steps[steps > 0].sum()), -int(steps[steps < 0].sum())
    if max(up, down) == 0 or 10 * min(up, down) > max(up, down):
        return Curve(first, first + count - 1, None)
    (changes,) = np.nonzero(steps)
    return Curve(first + int(changes[0]), first + int(changes[-1]) + 1, down > up)


def window(tags: Tags) -> tuple[float, float] | None:
    """The first VOI window as limits, in rescaled units (PS3.3 C.11.2.1.2)."""
    centre, width = tags.number("WindowCenter"), tags.positive("WindowWidth")
    if centre is None or width is None or abs(centre) + width > LARGEST:
        return None
    # A sigmoid has slope 1/width at its centre, as the exact line has: its tangent is shown.
    if (tags.text("VOILUTFunction") or "").upper() in ("LINEAR_EXACT", "SIGMOID"):
        return centre - width / 2, centre + width / 2
    if width < 1:
        return None
    low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    return low, max(high, low + 1)


def frame_time(tags: Tags) -> tuple[float | None, str]:
    """Milliseconds between frames, and the tag that said so.

    First what FrameIncrementPointer names, then CineRate, then a FrameTime nobody points to; a recommended
    display rate is only ``assumed``.
    """
    words = tags.shorts("FrameIncrementPointer")
    for tag in (group << 16 | element for group, element in zip(words[::2], words[1::2], strict=False)):
        if tag == TAGS["FrameTime"] and tags.positive("FrameTime"):
            return tags.positive("FrameTime"), "FrameTime"
        if tag == TAGS["FrameTimeVector"] and _median_step(tags):
            return _median_step(tags), "FrameTimeVector"
    if rate := tags.positive("CineRate"):
        return 1000 / rate, "CineRate"
    if time := tags.positive("FrameTime"):
        return time, "FrameTime"
    if rate := tags.positive("RecommendedDisplayFrameRate"):
        return 1000 / rate, "assumed"
    return None, "none"


def projections(tags: Tags, n_frames: int) -> tuple[Projection, ...]:
    """The angles of every frame of an arm that moved, by the increments that the object states; else nothing."""
    start = projection(tags)
    primary, secondary = (
        _moved(angle, tags.numbers(f"Positioner{which}AngleIncrement"), n_frames)
        for which, angle in (("Primary", start.primary_deg), ("Secondary", start.secondary_deg))
    )
    return tuple(map(Projection, primary, secondary))


def _moved(start: float | None, increments: list[float], n_frames: int) -> list[float | None]:
    """An angle for each frame. Makers state increments from the first frame, others from frame to frame.

    An arm moves smoothly: the reading with the smaller jumps of its speed is the right one.
    """
    if start is None or len(increments) != n_frames or n_frames < 2:
        return [start] * n_frames
    readings = [np.cumsum(increments), np.asarray(increments)]
    moves = min(readings, key=lambda angles: float(np.abs(np.diff(angles, 2)).max(initial=0)))
    return [angle if abs(angle) <= 180 else None for angle in (start + moves).tolist()]


def projection(tags: Tags) -> Projection:
    """The C-arm's angles; impossible ones count as unknown."""
    primary, secondary = tags.number("PositionerPrimaryAngle"), tags.number("PositionerSecondaryAngle")
    return Projection(
        primary_deg=primary if primary is not None and abs(primary) <= 180 else None,
        secondary_deg=secondary if secondary is not None and abs(secondary) <= 180 else None,
    )


def calibration(tags: Tags) -> Calibration:
    """What ImagerPixelSpacing and PixelSpacing together tell about millimetres."""
    detector, corrected = _spacing(tags, "ImagerPixelSpacing"), _spacing(tags, "PixelSpacing")
    if detector is None:
        return Calibration() if corrected is None else Calibration("unknown", *corrected)
    if corrected is None or _equal(detector, corrected):
        return Calibration("detector", *detector)
    kinds: dict[str | None, CalibrationStatus] = {"GEOMETRY": "geometry", "FIDUCIAL": "fiducial"}
    kind = (tags.text("PixelSpacingCalibrationType") or "").upper()
    return Calibration(kinds.get(kind, "corrected"), *corrected)


def pixel_shape(tags: Tags) -> tuple[float, float]:
    """How high and how wide a pixel is, in any one unit: by its spacing, else by its aspect ratio; 1, 1 unknown."""
    spacing = calibration(tags)
    if spacing.row_mm and spacing.column_mm:
        return spacing.row_mm, spacing.column_mm
    return _spacing(tags, "PixelAspectRatio") or (1.0, 1.0)


def _spacing(tags: Tags, keyword: str) -> tuple[float, float] | None:
    values = tags.numbers(keyword)
    return (values[0], values[1]) if len(values) == 2 and min(values) > 0 else None


def _equal(one: tuple[float, float], other: tuple[float, float]) -> bool:
    # Decimal strings are cut at different lengths by different makers.
    return all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(one, other, strict=True))


def _median_step(tags: Tags) -> float | None:
    """The median increment; the first entry of the vector is the first frame's own offset."""
    steps = sorted(step for step in tags.numbers("FrameTimeVector")[1:] if step > 0)
    return steps[len(steps) // 2] if steps else None


def _low_is_white(tags: Tags) -> bool:
    # With MONOCHROME1 the shape INVERSE says the same once more.
    return (tags.text("PhotometricInterpretation") or "").upper() == "MONOCHROME1" or (
        tags.text("PresentationLUTShape") or ""
    ).upper() == "INVERSE"


def _rescale(tags: Tags, layout: PixelLayout) -> tuple[float, float]:
    """Slope and intercept; 1 and 0 when they lead to values that no shown frame can hold."""
    slope, intercept = tags.number("RescaleSlope") or 1.0, tags.number("RescaleIntercept") or 0.0
    largest = max(map(abs, layout.span)) * abs(slope) + abs(intercept)
    return (slope, intercept) if largest <= LARGEST and abs(slope) >= 1 / LARGEST else (1.0, 0.0)


def _padding(tags: Tags, layout: PixelLayout) -> tuple[float, float] | None:
    value, limit = tags.short("PixelPaddingValue"), tags.short("PixelPaddingRangeLimit")
    if value is None:
        return None
    ends = [_as_stored(end, layout) for end in (value, value if limit is None else limit)]
    return min(ends), max(ends)


def _as_stored(word: int, layout: PixelLayout) -> int:
    """A 16-bit word as a stored value: makers write negative padding unsigned."""
    return word - 0x10000 if layout.signed and word >= 0x8000 else word
