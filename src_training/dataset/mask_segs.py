"""DICOM segmentations: for the processes that decode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training.errors import BadMask

_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_SIDE = 8192
_MOST = 1 << 30  # bytes of all frames, one byte a pixel
_FLOATS = ("FloatPixelData", "DoubleFloatPixelData")


def seg_facts(path: Path) -> dict[str, Any]:
    """What a segmentation is: ``is_seg``, and if so ``kind``, ``most``, ``shape`` (N, Y, X), ``segments``, ``frames``.

    ``segments`` are [number, label]; ``frames`` [number or None, SOPInstanceUID, frame of it from 1 or None] in order.
    """
    from pydicom import dcmread

    try:
        found = dcmread(path, stop_before_pixels=True)
        if found.get("SOPClassUID") not in _SEGMENTATIONS:
            return {"is_seg": False}
        count = int(found.get("NumberOfFrames", 1))
        shape = (count, int(found.Rows), int(found.Columns))
        if min(shape) < 1 or max(shape[1:]) > _SIDE or np.prod(shape, dtype=float) > _MOST:
            raise BadMask(f"{path.name}: {shape} is larger than any angiogram. Export one run a file.")
        segments = [
            [int(one.SegmentNumber), str(one.get("SegmentLabel", ""))] for one in found.SegmentSequence
        ]
        return {
            "is_seg": True,
            "kind": str(found.SegmentationType),
            "most": int(found.get("MaximumFractionalValue", 1)),
            "shape": shape,
            "segments": segments,
            "frames": _frames(found, count),
        }
    except BadMask:
        raise
    # pydicom raises what it likes; whatever it is, this is no readable segmentation.
    except Exception as error:
        raise _unreadable(path, error) from error


def seg_plane(path: Path, index: int) -> NDArray:
    """(Y, X) of one frame of a segmentation, as its numbers. Raises BadMask."""
    from pydicom import dcmread
    from pydicom.pixels import pixel_array

    shape = seg_facts(path)["shape"]
    try:
        found = dcmread(path)
        if any(name in found for name in _FLOATS):
            raise ValueError("values of floating point")
        # Of native frames of one bit none begins with a byte, so that all are unpacked.
        plane = pixel_array(found, index=index)
        if plane.shape != tuple(shape[1:]):
            raise ValueError(f"a frame of {plane.shape}")
        return np.asarray(plane)
    except BadMask:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error


def _frames(found: Any, count: int) -> list[tuple[int | None, str, int | None]]:
    shared = found.get("SharedFunctionalGroupsSequence") or [{}]
    groups = found.get("PerFrameFunctionalGroupsSequence") or []
    if len(groups) != count:
        raise ValueError("its frames are not described one by one")
    only = _only_reference(found)
    return [_frame(group, shared[0], only) for group in groups]


def _frame(group: Any, shared: Any, only: str) -> tuple[int | None, str, int | None]:
    segment = _first(group, shared, "SegmentIdentificationSequence")
    derived = _first(group, shared, "DerivationImageSequence")
    source = (derived.get("SourceImageSequence") or [None])[0] if derived is not None else None
    number = None if segment is None else int(segment.ReferencedSegmentNumber)
    if source is None:
        return number, only, None
    frames = source.get("ReferencedFrameNumber")
    if frames is not None and not isinstance(frames, (int, str)):
        if len(frames) != 1:
            raise ValueError("one of its frames is of several frames")
        frames = frames[0]
    return number, str(source.ReferencedSOPInstanceUID), None if frames is None else int(frames)


def _first(group: Any, shared: Any, name: str) -> Any:
    items = group.get(name) or shared.get(name)
    return items[0] if items else None


def _only_reference(found: Any) -> str:
    """The one picture that a segmentation as a whole refers to; empty where there are several or none."""
    uids = {
        str(instance.ReferencedSOPInstanceUID)
        for series in found.get("ReferencedSeriesSequence") or []
        for instance in series.get("ReferencedInstanceSequence") or []
    }
    return uids.pop() if len(uids) == 1 else ""


def _unreadable(path: Path, error: Exception) -> BadMask:
    text = " ".join(str(error).replace(str(path), path.name).split())
    reason = text[:120] or type(error).__name__
    return BadMask(f"{path.name}: cannot be read as a DICOM segmentation ({reason}). Export it again.")
