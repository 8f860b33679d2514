"""What a decoding process can be asked, and what it answers."""

from __future__ import annotations

import dataclasses
import gc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from src_training.cine.budget import readable, unreadable
from src_training.cine.cine import Cine
from src_training.cine.formats import open_file
from src_training.errors import DatasetError
from src_training.quiet import importing_quietly

_KEPT = 4  # open cines; their frames are decoded one by one
_HEAVY = 300 << 20  # of memory in use: what is open is forgotten before more is opened
Stamp = tuple[int, int]

_open: OrderedDict[tuple[str, Stamp], Cine] = OrderedDict()


def answer(question: dict[str, Any]) -> tuple[dict[str, Any], NDArray | None]:
    """The facts and the array that a question asks for; refusals are errors of ours."""
    return _ANSWERS[question["ask"]](question)


def import_decoders() -> None:
    """Load what any question may need, so that no question waits for it."""
    with importing_quietly():
        import src_training.cine.dicom
        import src_training.cine.images
        import src_training.cine.tiff
        import src_training.dataset.blobs
        import src_training.dataset.mask_files  # noqa: F401


def _cine(question: dict[str, Any]) -> tuple[dict[str, Any], None]:
    """What an acquisition is: everything but its pixels."""
    path = Path(question["path"])
    cine = _opened(path, stamp := _stamp(path))
    frames, grey, header = cine.parts
    facts = {"shape": frames.shape, "dtype": np.dtype(frames.dtype).str, "stamp": stamp}
    return {**facts, "grey": dataclasses.asdict(grey), "header": dataclasses.asdict(header)}, None


def _frame(question: dict[str, Any]) -> tuple[dict[str, Any], NDArray]:
    """The stored values of one frame of the acquisition that was opened before, here or in a process since gone."""
    path, stamp = Path(question["path"]), tuple(question["stamp"])
    if _stamp(path) != stamp:
        raise unreadable(path.name, "the file has changed since it was opened", "Open it again.")
    frames, _, _ = _opened(path, stamp).parts
    with readable(question["where"], "decoding"):
        return {}, np.ascontiguousarray(frames.decode(question["t"]))


def _mask(question: dict[str, Any]) -> tuple[dict[str, Any], NDArray]:
    """One plane of a mask file, as its numbers."""
    from src_training.dataset.mask_files import read_plane

    path, frame, of = Path(question["path"]), question["frame"], question["of"]
    return {}, np.ascontiguousarray(read_plane(path, frame, of, question.get("stacked", False)))


def _volume(question: dict[str, Any]) -> tuple[dict[str, Any], NDArray]:
    """(L, Y, X) of one frame of a NIfTI, NRRD or MetaImage file, or all of it (L, T, Y, X), with its segments."""
    from src_training.dataset.mask_volumes import read_volume

    path = Path(question["path"])
    volume = read_volume(path)
    found = (
        volume.layers
        if question.get("whole")
        else volume.planes(path.name, question["frame"], question["of"], question["stacked"])
    )
    return {"segments": volume.segments, "offset": volume.offset}, np.ascontiguousarray(found)


def _embedded(question: dict[str, Any]) -> tuple[dict[str, Any], NDArray]:
    """(Y, X) of a mask that stands as base64 in another file."""
    from src_training.dataset.mask_files import read_embedded

    return {}, np.ascontiguousarray(read_embedded(question["name"], question["data"]))


def _colours(question: dict[str, Any]) -> tuple[dict[str, Any], NDArray]:
    """(Y, X) of the colours of a mask file."""
    from src_training.dataset.mask_files import read_colours

    return {}, np.ascontiguousarray(read_colours(Path(question["path"])))


def _seg(question: dict[str, Any]) -> tuple[dict[str, Any], None]:
    """What a DICOM segmentation is, or that it is none."""
    from src_training.dataset.mask_segs import seg_facts

    return seg_facts(Path(question["path"])), None


def _seg_plane(question: dict[str, Any]) -> tuple[dict[str, Any], NDArray]:
    """One frame of a DICOM segmentation."""
    from src_training.dataset.mask_segs import seg_plane

    return {}, np.ascontiguousarray(seg_plane(Path(question["path"]), question["index"]))


def _uids(question: dict[str, Any]) -> tuple[dict[str, str], None]:
    """The unique identifiers of a DICOM file by keyword; empty where it has none."""
    from pydicom import dcmread

    path, wanted = Path(question["path"]), question["keywords"]
    with readable(path.name, "reading its identifiers"):
        found = dcmread(path, stop_before_pixels=True, force=True, specific_tags=wanted)
        return {name: str(found.get(name) or "") for name in wanted}, None


def _disc(question: dict[str, Any]) -> tuple[dict[str, Any], None]:
    """The images and the other files that the index of a disc lists, each as the parts of its path."""
    from pydicom import dcmread

    path = Path(question["path"])
    with readable(path.name, "reading the index of the disc", "Open the files beside it."):
        records = dcmread(path, force=True).get("DirectoryRecordSequence") or []
        listed: dict[str, list[list[str]]] = {"images": [], "others": []}
        for record in records:
            if name := record.get("ReferencedFileID"):
                kind = "images" if record.get("DirectoryRecordType") == "IMAGE" else "others"
                listed[kind].append([name] if isinstance(name, str) else list(map(str, name)))
    return listed, None


def _blob(question: dict[str, Any]) -> tuple[dict[str, Any], NDArray]:
    """An image or mask of a dataset that is not ours, whose record says what it must be."""
    from src_training.dataset.blobs import read_blob

    path, facts = Path(question["path"]), question["facts"]
    try:
        return {}, np.ascontiguousarray(read_blob(path.parent, facts | {"file": path.name}))
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(
            f"{path.parent.name}/{path.name}: {reason}. Pack it again where it is sound."
        ) from error


_ANSWERS = {
    "cine": _cine,
    "frame": _frame,
    "mask": _mask,
    "volume": _volume,
    "embedded": _embedded,
    "colours": _colours,
    "seg": _seg,
    "seg plane": _seg_plane,
    "blob": _blob,
    "uids": _uids,
    "disc": _disc,
}


def _opened(path: Path, stamp: Stamp) -> Cine:
    key = (str(path), stamp)
    if key not in _open:
        if psutil.Process().memory_info().rss > _HEAVY:
            _open.clear()
            gc.collect()
        _open[key] = open_file(path)
    _open.move_to_end(key)
    while len(_open) > _KEPT:
        _open.popitem(last=False)
    return _open[key]


def _stamp(path: Path) -> Stamp:
    """Size and time: another file of the same name is another acquisition."""
    with readable(path.name, "opening", "Check the file and its permissions."):
        facts = path.stat()
    return facts.st_size, facts.st_mtime_ns
