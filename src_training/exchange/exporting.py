"""One way out for every format of pictures: all reviewed frames, into a new folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from src_training.dataset import Dataset
from src_training.exchange.coco import write_coco
from src_training.exchange.frames import ExportFrame, frames_of
from src_training.exchange.labelme import write_labelme
from src_training.exchange.monai_list import write_monai
from src_training.exchange.nifti import write_nifti
from src_training.exchange.nnunet import write_nnunet
from src_training.exchange.pictures import write_pictures
from src_training.exchange.placing import new_folder
from src_training.exchange.yolo import write_yolo

Writer = Callable[[Path, Iterable[ExportFrame]], None]

FORMATS: dict[str, Writer] = {
    "nnunet": write_nnunet,
    "monai": write_monai,
    "coco": write_coco,
    "nifti": write_nifti,
    "labelme": write_labelme,
    "yolo": write_yolo,
    "png": write_pictures,
}


def export(dataset: Dataset, kind: str, target: Path) -> list[ExportFrame]:
    """Write the reviewed frames of ``dataset`` in the format ``kind`` of `FORMATS` into the new folder ``target``.

    Returns the frames without their pixels. Raises DatasetError when nothing is accepted yet, ``target`` exists
    or lies in the workspace, or the disk refuses; then there is no ``target``.
    """
    told: list[ExportFrame] = []

    def frames() -> Iterable[ExportFrame]:
        for frame in frames_of(dataset):
            told.append(_without_pixels(frame))
            yield frame

    with new_folder(dataset, target) as staged:
        FORMATS[kind](staged, frames())
    return told


def _without_pixels(frame: ExportFrame) -> ExportFrame:
    none = np.empty((0, 0), np.uint8)
    return ExportFrame(frame.name, frame.split, frame.patient, none, none, frame.exact)
