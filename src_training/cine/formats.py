"""Opening a file by what it holds, in this very process: for the processes that decode."""

from __future__ import annotations

from pathlib import Path

from src_training.cine.budget import readable, unreadable
from src_training.cine.cine import Cine
from src_training.cine.sniff import recognise, why_not


def open_file(path: Path) -> Cine:
    """A regular file as an acquisition; UnreadableCine for everything that is none."""
    with readable(path.name, "opening", "Check the file and its permissions."):
        kind = recognise(path)
        if kind == "dicom":
            from src_training.cine.dicom import open_dicom

            return open_dicom(path)
        if kind == "tiff":
            from src_training.cine.tiff import open_tiff

            return open_tiff(path)
        if kind == "video":
            from src_training.cine.video import open_video

            return open_video(path)
        if kind == "npy":
            from src_training.cine.images import open_npy

            return open_npy(path)
        if kind is not None:
            from src_training.cine.images import open_image

            return open_image(path, kind)
        raise unreadable(path.name, *why_not(path))
