"""One way out for every format: into a new folder, which appears when it is whole."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from src_training import durable
from src_training.dataset import Dataset
from src_training.errors import DatasetError
from src_training.exchange.coco import write_coco
from src_training.exchange.frames import ExportFrame, frames_of
from src_training.exchange.monai_list import write_monai
from src_training.exchange.nnunet import write_nnunet
from src_training.exchange.pictures import write_pictures

Writer = Callable[[Path, Iterable[ExportFrame]], None]

FORMATS: dict[str, Writer] = {
    "nnunet": write_nnunet,
    "monai": write_monai,
    "coco": write_coco,
    "png": write_pictures,
}


def export(dataset: Dataset, kind: str, target: Path) -> list[ExportFrame]:
    """Write the reviewed frames of ``dataset`` in the format ``kind`` of `FORMATS` into the new folder ``target``.

    Returns the frames without their pixels. Raises DatasetError when nothing is accepted yet, ``target`` exists
    or lies in the workspace, or the disk refuses; then there is no ``target``.
    """
    target = target.expanduser().absolute()
    _check_free(dataset, target)
    staged = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    told: list[ExportFrame] = []

    def frames() -> Iterable[ExportFrame]:
        for frame in frames_of(dataset):
            told.append(_without_pixels(frame))
            yield frame

    try:
        staged.mkdir(parents=True)
        FORMATS[kind](staged, frames())
        staged.rename(target)
    except OSError as error:
        raise DatasetError(f"{target.name}: not exported. {durable.cure_for(error)}") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return told


def _check_free(dataset: Dataset, target: Path) -> None:
    workspace = dataset.folder.resolve().parent
    if workspace in (target.resolve(), *target.resolve().parents):
        raise DatasetError(f"{target.name}: lies in the workspace. Choose a folder outside it.")
    if target.exists():
        raise DatasetError(f"{target.name}: exists already. Choose a new folder.")


def _without_pixels(frame: ExportFrame) -> ExportFrame:
    none = np.empty((0, 0), np.uint8)
    return ExportFrame(frame.name, frame.split, frame.patient, none, none, frame.exact)
