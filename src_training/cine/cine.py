"""One acquisition as the rest of the program sees it: lazy frames and what is known about them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from src_training.cine.budget import readable, unreadable
from src_training.errors import printable

if TYPE_CHECKING:
    import dask.array

LARGEST = 1e30  # of a shown value: differences of larger ones would overflow float32
CalibrationStatus = Literal[
    "uncalibrated", "detector", "geometry", "fiducial", "corrected", "unknown", "catheter"
]


@dataclass(frozen=True)
class Projection:
    """Angles of the C-arm in degrees: primary + is LAO, − is RAO; secondary + is cranial, − is caudal."""

    primary_deg: float | None = None
    secondary_deg: float | None = None

    @property
    def label(self) -> str:
        """For example ``LAO 30 CAU 20``; empty when no angle is known."""
        parts = [_angle(self.primary_deg, "LAO", "RAO"), _angle(self.secondary_deg, "CRA", "CAU")]
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Calibration:
    """How far millimetres can be trusted: a status first, then the spacing of rows and columns in mm."""

    status: CalibrationStatus = "uncalibrated"
    row_mm: float | None = None
    column_mm: float | None = None

    @property
    def badge(self) -> str:
        """``px`` while nothing is known, otherwise the status."""
        return "px" if self.status == "uncalibrated" else self.status


@dataclass(frozen=True)
class Grey:
    """How stored values become shown ones: rescale, then invert, if grey is turned over, once about the full range."""

    low: float = 0.0
    high: float = 255.0
    slope: float = 1.0
    intercept: float = 0.0
    inverted: bool = False
    padding: tuple[float, float] | None = None

    def shown(self, stored: np.ndarray) -> np.ndarray:
        """(Y, X) stored values → what is shown and segmented; padding takes the darkest real value."""
        frame = stored
        if (self.slope, self.intercept) != (1.0, 0.0):
            frame = (frame * np.float32(self.slope) + np.float32(self.intercept)).astype(np.float32)
        if self.inverted:
            frame = self._mirrored(frame)
        return frame if self.padding is None else self._without_padding(frame, stored)

    def limits(self, window: tuple[float, float] | None) -> tuple[float, float] | None:
        """A display window in rescaled units → in units of the shown frame; None where that leaves no width."""
        if window is None:
            return None
        low, high = (self._mirror - window[1], self._mirror - window[0]) if self.inverted else window
        return (low, high) if low < high else None

    @property
    def _mirror(self) -> float:
        return (self.low + self.high) * self.slope + 2 * self.intercept

    def _mirrored(self, frame: np.ndarray) -> np.ndarray:
        if frame.dtype.kind != "f" and (self.high > np.iinfo(frame.dtype).max or self._mirror % 1):
            frame = frame.astype(np.float32)
        if frame.dtype.kind == "f":
            return (frame.dtype.type(self._mirror) - frame).astype(frame.dtype)
        return (int(self._mirror) - frame.astype(np.int64)).astype(frame.dtype)

    def _without_padding(self, frame: np.ndarray, stored: np.ndarray) -> np.ndarray:
        assert self.padding is not None
        padded = (stored >= self.padding[0]) & (stored <= self.padding[1])
        if not padded.any() or padded.all():
            return frame
        frame = frame.copy()
        frame[padded] = frame[~padded].min()
        return frame


def about_one_value(greys: tuple[Grey, ...]) -> tuple[Grey, ...]:
    """Frames of one cine turned over about one value: else equal rescaled values would be shown as different greys."""
    mirrors = {grey._mirror for grey in greys if grey.inverted}
    if len(mirrors) < 2:
        return greys
    highest = max(mirrors)  # above every value of all of them
    return tuple(
        replace(grey, high=(highest - 2 * grey.intercept) / grey.slope - grey.low) if grey.inverted else grey
        for grey in greys
    )


@dataclass(frozen=True)
class Instance:
    """What tells a file of one acquisition from others; None or empty where it is not stated.

    Attributes
    ----------
    series, study : str or None
        SeriesInstanceUID and StudyInstanceUID.
    person : str or None
        A hash of the patient's name and date of birth, which themselves stay with the decoder.
    number, series_number, acquisition : int or None
        InstanceNumber, SeriesNumber and AcquisitionNumber.
    object : str or None
        SOPInstanceUID: a copy has the same.
    kind : str or None
        The first three words of ImageType: original or derived, and which of two planes.
    times : tuple
        Microseconds for each way in which a time can be stated; the same place is the same way in every file.
    """

    series: str | None = None
    study: str | None = None
    person: str | None = None
    number: int | None = None
    series_number: int | None = None
    acquisition: int | None = None
    object: str | None = None
    kind: str | None = None
    times: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class Header:
    """What a file says about its acquisition beside the pixels; every default means "not stated"."""

    frame_time_ms: float | None = None
    frame_time_source: str = "none"
    projection: Projection = Projection()
    calibration: Calibration = Calibration()
    window: tuple[float, float] | None = None
    patient_id: str | None = None
    burned_in: str | None = None
    is_multiframe_file: bool = False
    # What a person should know about how the file was read: findings, without its name and without a full stop.
    remarks: tuple[str, ...] = ()
    instance: Instance = Instance()
    # Of each frame, where they differ; else empty.
    greys: tuple[Grey, ...] = ()
    projections: tuple[Projection, ...] = ()
    windows: tuple[tuple[float, float] | None, ...] = ()


class FrameSource(Protocol):
    """Where stored pixels come from; plain data, so that it can be sent to another process."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X)."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the stored values."""
        ...

    def decode(self, t: int) -> np.ndarray:
        """The stored (Y, X) values of frame ``t``."""
        ...


class Cine:
    """A recorded acquisition, decoded frame by frame on demand.

    Attributes
    ----------
    name : str
        File or folder name, for the screen only.
    source : Path or None
    shape : (T, Y, X)
    dtype : numpy.dtype
        Of the stored values.
    frame_time_ms, frame_time_source
        Time between frames and which tag it came from; ``assumed`` is a display rate, ``none`` unknown.
    projection : Projection
        Of the first frame; ``projection_of(t)`` of each.
    calibration : Calibration
    inverted : bool
        The file stores white as low or its lookup table turns grey over; ``frame(t)`` has inverted it once.
    patient_id, burned_in : str or None
        As read; nothing here writes them anywhere.
    is_multiframe_file : bool
        DICOM, or several frames, as against a single image.
    remarks : tuple of str
        Lines for a person, each naming the file: what was read otherwise than the file says. Whoever opens a
        cine for somebody shows them.
    """

    def __init__(
        self, frames: FrameSource, *, name: str, source: Path | None = None, grey: Grey, header: Header
    ) -> None:
        self.name, self.source = name, source
        self.shape, self.dtype = frames.shape, np.dtype(frames.dtype)
        self.frame_time_ms, self.frame_time_source = header.frame_time_ms, header.frame_time_source
        self.projection, self.calibration = header.projection, header.calibration
        self.patient_id, self.burned_in = header.patient_id, header.burned_in
        self.is_multiframe_file = header.is_multiframe_file
        self.remarks = tuple(printable(f"{name}: {remark}.") for remark in header.remarks)
        self.inverted = grey.inverted
        self._frames, self._grey, self._header = frames, grey, header
        self._window = self._stated_window()
        self._shown_dtype = np.result_type(
            *{one.shown(np.zeros((1, 1), self.dtype)).dtype for one in (grey, *header.greys)}
        )
        self._cache = _RecentFrames()

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Cine({self.name!r}, shape={self.shape}, dtype={self.dtype})"

    def stored(self, t: int) -> np.ndarray:
        """The (Y, X) pixel values as stored, read-only; an unreadable frame is an ``UnreadableCine``."""
        if not 0 <= t < len(self):
            raise IndexError(f"{self.name} has frames 0 to {len(self) - 1}, not {t}")
        found = self._cache.get(t)
        if found is None:
            found = self._decode(t)
            self._cache.put(t, found)
        return found

    def frame(self, t: int) -> np.ndarray:
        """The (Y, X) values after rescale and inversion of this frame: what is shown and segmented."""
        return self.grey_of(t).shown(self.stored(t)).astype(self._shown_dtype, copy=False)

    def grey_of(self, t: int) -> Grey:
        """How the stored values of frame ``t`` become shown ones; a dataset keeps it with the stored frame."""
        return self._header.greys[t] if self._header.greys else self._grey

    def projection_of(self, t: int) -> Projection:
        """The C-arm's angles at frame ``t``."""
        return self._header.projections[t] if self._header.projections else self.projection

    def stack(self) -> dask.array.Array:
        """All frames as a lazy (T, Y, X) array, one chunk a frame."""
        import dask.array

        # name=False: a random key instead of a hash over every pixel.
        return dask.array.from_array(_Shown(self), chunks=(1, *self.shape[1:]), name=False)

    @property
    def parts(self) -> tuple[FrameSource, Grey, Header]:
        """Where its pixels come from, how they are shown, and what the file says beside them."""
        return self._frames, self._grey, self._header

    @property
    def grey(self) -> Grey:
        """How the stored values of the first frame become shown ones; see `grey_of`."""
        return self._grey

    @property
    def window(self) -> tuple[float, float]:
        """Display limits in units of ``frame(t)``: the file's window, else 8-bit range, else percentiles."""
        if self._window is None:
            self._window = self._default_window()
        return self._window

    def _stated_window(self) -> tuple[float, float] | None:
        """One window for all frames, in which their values can be compared: where each has its own, one around them."""
        greys, windows = self._header.greys, self._header.windows
        if not greys and not windows:
            return self._grey.limits(self._header.window)
        pairs = zip(
            greys or [self._grey] * len(self), windows or [self._header.window] * len(self), strict=True
        )
        limits = [found for grey, window in pairs if (found := grey.limits(window)) is not None]
        return (min(low for low, _ in limits), max(high for _, high in limits)) if limits else None

    def _default_window(self) -> tuple[float, float]:
        if self._shown_dtype == np.uint8:
            return 0.0, 255.0
        return display_limits(self.frame(len(self) // 2))

    def _decode(self, t: int) -> np.ndarray:
        where = frame_name(self.name, t, len(self))
        with readable(where, "decoding"):
            frame = self._frames.decode(t)
            if frame.shape != self.shape[1:]:
                raise unreadable(
                    where, f"decoded to {frame.shape}, expected {self.shape[1:]}", "Export it again."
                )
        frame = np.ascontiguousarray(frame, dtype=self.dtype)
        # Shared by the cache: a caller that paints into a frame must copy it first.
        frame.flags.writeable = False
        return frame


def display_limits(frame: np.ndarray) -> tuple[float, float]:
    """The (low, high) values between which a frame (Y, X) is shown: all but a thousandth at either end."""
    finite = frame[np.isfinite(frame)].astype(np.float64).clip(-LARGEST, LARGEST)
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, (0.1, 99.9)))
    return (low, high) if high > low else (low, low + max(1.0, 1e-6 * abs(low)))


def eight_bit(frame: np.ndarray) -> np.ndarray:
    """A frame (Y, X) as uint8: one of 8 bits as it is, another between its display limits, NaN as the lower one."""
    if frame.dtype == np.uint8:
        return frame
    low, high = display_limits(frame)
    share = (np.nan_to_num(frame.astype(np.float64), nan=low) - low) / (high - low)
    return np.rint(255 * share.clip(0, 1)).astype(np.uint8)


def frame_name(name: str, t: int, count: int) -> str:
    """How a line for a person names a frame of a file."""
    return f"{name}: frame {t} of {count}" if count > 1 else name


def from_facts(kind: type, facts: dict[str, Any]) -> dict[str, Any]:
    """What JSON kept of a dataclass, as arguments for it; what this version does not know is left out."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in facts.items()
        if name in kind.__dataclass_fields__  # type: ignore[attr-defined]
    }


def array_cine(array: Any, name: str = "array", *, rgb: bool = False, **meta: Any) -> Cine:
    """A cine over an array in memory, on disk or in dask.

    Parameters
    ----------
    array : (Y, X) or (T, Y, X) array-like, with ``rgb`` a last axis of 3 or 4 more
    name : str
    rgb : bool
        The last axis is colour; frames are read as luminance.
    **meta
        Fields of ``Header``, for example ``frame_time_ms``, ``projection``, ``patient_id``.
    """
    frames = ArrayFrames(array, name, rgb=rgb)
    header = replace(Header(is_multiframe_file=array.ndim - rgb == 3), **meta)
    return Cine(frames, name=name, grey=Grey(), header=header)


class ArrayFrames:
    """Frames of anything with ``shape``, ``dtype`` and slicing (numpy, memmap, dask, zarr)."""

    def __init__(self, array: Any, name: str, *, rgb: bool = False) -> None:
        shape = tuple(array.shape)[:-1] if rgb else tuple(array.shape)
        if len(shape) not in (2, 3) or (rgb and array.shape[-1] not in (3, 4)) or 0 in shape:
            raise unreadable(
                name,
                f"an array of shape {tuple(array.shape)} is not a frame (Y, X) or a cine (T, Y, X)",
                "Choose the axes that hold the cine.",
            )
        self._array, self._rgb, self._single = array, rgb, len(shape) == 2
        self.shape: tuple[int, int, int] = (1, *shape) if self._single else shape
        self.dtype = plain_dtype(np.dtype(array.dtype))

    def decode(self, t: int) -> np.ndarray:
        """Frame ``t`` in native byte order; colour as luminance."""
        frame = np.asarray(self._array if self._single else self._array[t])
        return to_grey(frame, rgb=self._rgb)


def plain_dtype(dtype: np.dtype) -> np.dtype:
    """The type frames of ``dtype`` are handed out in: native byte order, bool as 0/255; others refused."""
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind not in "uif":
        raise unreadable("array", f"pixels of type {dtype} are not grey values", "Save integers or floats.")
    return dtype.newbyteorder("=")


def to_grey(frame: np.ndarray, *, rgb: bool) -> np.ndarray:
    """A decoded picture as (Y, X) grey values: colour as luminance, bool as 0/255."""
    frame = frame.astype(np.uint8) * np.uint8(255) if frame.dtype == bool else frame
    return luminance(frame) if rgb else frame.astype(frame.dtype.newbyteorder("="), copy=False)


def luminance(colour: np.ndarray) -> np.ndarray:
    """(…, 3 or 4) colour → Rec. 601 luminance of the same type, rounded; alpha is left out.

    Fixed point with 16 bits, so that grey stored as colour comes back exactly and everyone agrees to the bit.
    """
    if colour.dtype in (np.uint8, np.uint16):
        # Widened first: a narrow array times a wide number stays narrow where numpy promotes by value.
        red, green, blue = (colour[..., channel].astype(np.uint32) for channel in range(3))
        wide: np.ndarray = red * 19595 + green * 38470 + blue * 7471
        return ((wide + 32768) >> 16).astype(colour.dtype)
    red, green, blue = (colour[..., channel] for channel in range(3))
    grey = 0.299 * red.astype(np.float64) + 0.587 * green + 0.114 * blue
    return (np.rint(grey) if colour.dtype.kind in "ui" else grey).astype(colour.dtype)


class _RecentFrames:
    """A few decoded frames, least recently used out first; safe between threads."""

    capacity = 8

    def __init__(self) -> None:
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, t: int) -> np.ndarray | None:
        with self._lock:
            if t in self._kept:
                self._kept.move_to_end(t)
            return self._kept.get(t)

    def put(self, t: int, frame: np.ndarray) -> None:
        with self._lock:
            self._kept[t] = frame
            while len(self._kept) > self.capacity:
                self._kept.popitem(last=False)

    # A cine is sent to other processes by what it reads, not by what it has read.
    def __reduce__(self) -> tuple[type, tuple]:
        return type(self), ()


class _Shown:
    """The shown frames of a cine as an array that decodes what is sliced."""

    ndim = 3

    def __init__(self, cine: Cine) -> None:
        self._cine, self.shape = cine, cine.shape
        self.dtype = cine._shown_dtype

    def __getitem__(self, key: Any) -> np.ndarray:
        t, *plane = key if isinstance(key, tuple) else (key,)
        if isinstance(t, slice):
            shown = [self._cine.frame(one)[tuple(plane)] for one in range(*t.indices(self.shape[0]))]
            return np.stack(shown) if shown else np.empty((0, *self.shape[1:]), self.dtype)
        return self._cine.frame(int(t))[tuple(plane)]


def _angle(degrees: float | None, positive: str, negative: str) -> str:
    if degrees is None:
        return ""
    whole = round(degrees)
    return f"{positive if whole >= 0 else negative} {abs(whole)}"
