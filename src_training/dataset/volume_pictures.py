"""Pictures in NIfTI, NRRD and MetaImage files, as data sets of nnU-Net hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from src_training.cine.apart import ask_file
from src_training.cine.cine import ArrayFrames, Cine, Grey, Header
from src_training.cine.read import read_cine
from src_training.dataset.mask_kinds import is_volume
from src_training.errors import BadMask, UnreadableCine


def open_picture(path: Path) -> Cine:
    """One acquisition of any kind that a data set has its pictures in; raises UnreadableCine."""
    return open_volume(path) if is_volume(path) else read_cine(path)


def open_volume(path: Path) -> Cine:
    """One acquisition (T, Y, X) as its pixels lie in the file; UnreadableCine for what is none."""
    try:
        layers = ask_file(path, {"ask": "volume", "whole": True}).array
    except BadMask as error:
        raise UnreadableCine(str(error)) from error
    assert layers is not None
    if len(layers) > 1:
        raise UnreadableCine(
            f"{path.name}: {len(layers)} values a pixel, not a grey picture. Export it as PNG."
        )
    values = layers[0]
    limits = np.iinfo(values.dtype) if values.dtype.kind in "ui" else None
    grey = (
        Grey(float(limits.min), float(limits.max))
        if limits
        else Grey(float(values.min()), float(values.max()))
    )
    header = Header(is_multiframe_file=len(values) > 1)
    return Cine(
        ArrayFrames(values, path.name, rgb=False), name=path.name, source=path, grey=grey, header=header
    )
