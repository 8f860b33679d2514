"""The ARCADE frames as training samples: hold-out, near-duplicates, label protocol; prepared once, cached."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from src_training.cine.cine import eight_bit
from src_training.errors import DatasetError
from src_training.inference.preprocess import resample
from src_training.training.progress import Watcher

NEAR_DUPLICATE = 0.4  # of 200 val frames one lies above, the next at 0.37; unrelated pairs stay below 0.35
_SIDE = 96
_REACH = 8  # shifts tried, in pixels of the 128 px thumbnail: ±32 px of a 512 px frame


@dataclass(frozen=True)
class LabelledFrame:
    """One frame of ARCADE: its name, grey image (Y, X) uint8 and mask (Y, X) of 0/1."""

    name: str
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def read_split(folder: Path, split: str, watcher: Watcher = Watcher()) -> list[LabelledFrame]:
    """Frames of one split (``train`` or ``val``) of the folder that holds ``index.csv``.

    Raises DatasetError when the folder is not laid out so, UnreadableCine and BadMask for its files.
    """
    index = _index_of(folder)
    from src_training.cine import read_cine
    from src_training.dataset import read_mask

    return [
        LabelledFrame(
            Path(image).stem,
            eight_bit(read_cine(folder / image).frame(0)),
            read_mask(folder / mask),
        )
        for image, mask in watcher.through(_listed_frames(index, split), f"reading frames of {split}")
    ]


def index_hash(folder: Path) -> str:
    """SHA-256 of ``index.csv``, which names the frames; DatasetError when the folder has none."""
    return hashlib.sha256(_index_of(folder).read_bytes()).hexdigest()


def _index_of(folder: Path) -> Path:
    index = folder / "index.csv"
    if not index.is_file():
        raise DatasetError(
            f"{folder}: no index.csv here. Give the ARCADE folder with index.csv, train/ and val/."
        )
    return index


def _listed_frames(index: Path, split: str) -> list[tuple[str, str]]:
    """(image, mask) of every line of ``index.csv`` that belongs to the split."""
    cure = "Give the ARCADE folder as it was unpacked; its index.csv has the columns split, image and mask."
    try:
        with index.open(newline="", encoding="utf-8-sig") as file:
            rows = [(row["split"], row["image"], row["mask"]) for row in csv.DictReader(file)]
    except KeyError as error:
        raise DatasetError(f"{index}: has no column {error}. {cure}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{index}: cannot be read as a table ({error}). {cure}") from error
    found = [(image, mask) for part, image, mask in rows if part == split]
    if not found or not all(image and mask for image, mask in found):
        raise DatasetError(
            f"{index}: names no image and mask for some frame of {split}, or none at all. {cure}"
        )
    return found


def read_unlabelled(folder: Path, watcher: Watcher = Watcher()) -> list[LabelledFrame]:
    """Frames of ``unlabelled/`` in natural order, each with an empty mask that says nothing.

    Raises DatasetError when there are none.
    """
    from src_training.cine import find_inputs, read_cine

    place = folder / "unlabelled"
    if not place.is_dir():
        raise DatasetError(f"{folder}: no unlabelled/ here. Set unlabelled_share to 0, or add the frames.")
    images = [
        (path.stem, eight_bit(read_cine(path).frame(0)))
        for path in watcher.through(find_inputs([place]), "reading unlabelled frames")
    ]
    return [LabelledFrame(name, image, np.zeros_like(image)) for name, image in images]


def split_holdout(
    frames: list[LabelledFrame], count: int, seed: int = 0
) -> tuple[list[LabelledFrame], list[LabelledFrame]]:
    """(training frames, fixed held-out frames); what nearly equals a held-out frame is in neither.

    Raises DatasetError when nothing would be left to train on.
    """
    if len(frames) <= count:
        raise DatasetError(
            f"{len(frames)} frames, of which {count} are held out: none to train on. Lower holdout."
        )
    chosen = set(np.random.default_rng(seed).permutation(len(frames))[:count].tolist())
    held_out = [frame for index, frame in enumerate(frames) if index in chosen]
    others = [frame for index, frame in enumerate(frames) if index not in chosen]
    likeness = likeness_matrix([f.image for f in others], [f.image for f in held_out]).max(axis=1)
    return [f for f, like in zip(others, likeness, strict=True) if like < NEAR_DUPLICATE], held_out


def likeness_matrix(images: list[NDArray], others: list[NDArray]) -> NDArray[np.float32]:
    """(len(images), len(others)) largest correlation over small shifts of high-passed central thumbnails."""
    spectra = fft.rfft2(np.stack([_thumbnail(image) for image in others])).astype(np.complex64)
    return np.stack([_best_correlation(_thumbnail(image), spectra) for image in images])


def _thumbnail(image: NDArray) -> NDArray[np.float32]:
    small = resample(np.asarray(image, dtype=np.float32), (128, 128))
    detail = small - ndimage.gaussian_filter(small, 4)
    margin = (128 - _SIDE) // 2
    detail = detail[margin:-margin, margin:-margin]
    limit = 3 * detail.std()
    window = np.sqrt(np.hanning(_SIDE))
    detail = np.clip(detail, -limit, limit)
    detail = (detail - detail.mean()) * window[:, None] * window
    return (detail / (np.linalg.norm(detail) + 1e-6)).astype(np.float32)


def _best_correlation(thumbnail: NDArray[np.float32], spectra: NDArray[np.complex64]) -> NDArray[np.float32]:
    product = np.conj(fft.rfft2(thumbnail))[None] * spectra
    surface = np.roll(fft.irfft2(product, s=(_SIDE, _SIDE)), (_REACH, _REACH), axis=(1, 2))
    near = surface[:, : 2 * _REACH + 1, : 2 * _REACH + 1]
    return near.reshape(len(near), -1).max(axis=1).astype(np.float32)
