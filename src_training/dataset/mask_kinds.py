"""Which kinds of file a mask comes in, by the ends of names: those that are read, and those that can only be named."""

from __future__ import annotations

import re
from pathlib import Path

from src_training.regular import open_regular

PLAIN = (".png", ".tif", ".tiff", ".npy", ".bmp", ".webp", ".gif", ".jpg", ".jpeg")
VOLUMES = {
    ".nii.gz": "NIfTI",
    ".nii": "NIfTI",
    ".seg.nrrd": "NRRD",
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
}
DRAWN = {".json": "labelme JSON", ".txt": "YOLO polygons"}
_UNREAD = {
    ".mat": "a MATLAB file",
    ".npz": "an archive of NumPy arrays",
    ".h5": "HDF5",
    ".hdf5": "HDF5",
    ".hdr": "Analyze",
    ".img": "Analyze",
    ".mgz": "FreeSurfer's MGH",
    ".mgh": "FreeSurfer's MGH",
    ".gipl": "GIPL",
    ".vtk": "VTK",
    ".vti": "VTK",
    ".stl": "a surface",
    ".svg": "SVG",
    ".psd": "a Photoshop file",
    ".xcf": "a GIMP file",
    ".roi": "an outline of ImageJ",
    ".zip": "a ZIP archive",
    ".geojson": "GeoJSON",
    ".jp2": "JPEG 2000",
    ".mp4": "a video",
    ".avi": "a video",
    ".pdf": "a PDF",
}
_LABELME_KEYS = (b'"shapes"', b'"imagePath"', b'"imageData"')
_JSON_OF = {
    b'"_via_': "VIA",
    b'"shape_attributes"': "VIA or makesense.ai",
    b'"geometryType"': "Supervisely",
    b'"brushlabels"': "Label Studio",
    b'"polygonlabels"': "Label Studio",
}
_HEAD = 1 << 16  # bytes
# What lies beside masks by custom: names of classes and the like.
_COMPANIONS = (
    "classes.txt",
    "labels.txt",
    "labelmap.txt",
    "readme.txt",
    "train.txt",
    "val.txt",
    "test.txt",
    "notes.json",
    "labels.json",
)
_READ = (*PLAIN, *sorted(VOLUMES, key=len, reverse=True), *DRAWN)


def is_mask_file(path: Path) -> bool:
    """Whether its name says that it is a mask of a kind that is read."""
    return path.name.lower() not in _COMPANIONS and _ending(path) is not None


def is_volume(path: Path) -> bool:
    """Whether its name is that of a NIfTI, NRRD or MetaImage file."""
    return path.name.lower().endswith(tuple(VOLUMES))


def is_outlined(path: Path) -> bool:
    """Whether it is outlines, not pixels."""
    return path.suffix.lower() in DRAWN


def looks_outlined(path: Path) -> bool:
    """Whether a text or JSON begins like outlines: others may lie beside masks and be no mask at all."""
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD)
    except OSError:
        return True
    if path.suffix.lower() == ".json":
        return any(key in head for key in _LABELME_KEYS)
    return re.match(rb"\s*(\d+(\s+[-+.\deE]+){4,}\s|$)", head + b"\n") is not None


def is_drawn(path: Path) -> bool:
    """Whether it can only be outlines or a volume: no picture has such a name."""
    ending = _ending(path)
    return ending is not None and ending not in PLAIN


def unread_kind(path: Path) -> str | None:
    """What a file is that is no mask of a kind that is read, where its name, or a JSON's beginning, says so."""
    return _unread_json(path) if path.suffix.lower() == ".json" else _UNREAD.get(path.suffix.lower())


def _unread_json(path: Path) -> str | None:
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    if any(key in head for key in _LABELME_KEYS):
        return None
    return next((f"the JSON of {program}" for key, program in _JSON_OF.items() if key in head), None)


def kind_of_volume(path: Path) -> str:
    """``NIfTI`` and so on."""
    return next(kind for ending, kind in VOLUMES.items() if path.name.lower().endswith(ending))


def _ending(path: Path) -> str | None:
    name = path.name.lower()
    return next((ending for ending in _READ if name.endswith(ending) and len(name) > len(ending)), None)
