"""NIfTI: ``images/`` as PNG with ``masks/`` as ``.nii.gz`` of 0, 1 and 255, and ``split.csv``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from src_training.errors import DatasetError
from src_training.exchange.files import write_png
from src_training.exchange.frames import ExportFrame
from src_training.exchange.numbered import write_labels
from src_training.exchange.pictures import write_split


def write_nifti(folder: Path, frames: Iterable[ExportFrame]) -> None:
    """Each mask has the axes and place that ITK gives to its picture, so that ITK-SNAP and Slicer lay both together.

    Raises DatasetError without the library.
    """
    try:
        import SimpleITK
    except ImportError as error:
        raise DatasetError(
            "nifti: needs napari-lightvessel[formats]. Install it: pip install 'napari-lightvessel[formats]'."
        ) from error
    (folder / "masks").mkdir()
    rows = []
    for frame in frames:
        write_png(folder / "images" / f"{frame.name}.png", frame.picture)
        volume = SimpleITK.GetImageFromArray(frame.mask[None])  # one slice, as these programs open a picture
        SimpleITK.WriteImage(volume, str(folder / "masks" / f"{frame.name}.nii.gz"))
        rows.append((f"{frame.name}.png", frame.patient, frame.split))
    write_split(folder, rows)
    write_labels(folder)
