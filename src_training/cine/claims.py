"""Whether a path is worth opening as an angiogram, from a look at first bytes: for who must answer at once."""

from __future__ import annotations

from pathlib import Path

from src_training.cine.sniff import DICOM_SUFFIXES, recognise

_STORES = (".zarray", ".zgroup", ".zattrs", "zarr.json")  # a folder with one of these is an array store


def is_claimed(path: Path) -> bool:
    """Whether a file is of a kind that is read, or a folder holds such files directly; what is not there is not."""
    try:
        if path.is_dir():
            return _has_images(path)
        # Of a file that calls itself DICOM we know the reason why it is none; to open a pipe would wait for ever.
        return path.is_file() and (path.suffix.lower() in DICOM_SUFFIXES or recognise(path) is not None)
    except OSError:
        return False


def _has_images(folder: Path) -> bool:
    if any((folder / name).exists() for name in _STORES):
        return False
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_file())
    return any(entry.suffix.lower() in DICOM_SUFFIXES or recognise(entry) is not None for entry in entries)
