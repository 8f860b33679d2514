"""Frames that no angiogram is: whatever is in them, both runtimes give probabilities, and a mask."""

from __future__ import annotations

import contextlib
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from soak_table import Figure, Part, Size, all_of

from src_training import Predictor
from src_training.inference import preprocess
from src_training.inference.runtimes import RuntimeName

Pixels = np.ndarray
_RUNTIMES: tuple[RuntimeName, ...] = ("openvino", "torch")
_AGREE = 2e-3  # the runtimes, as everywhere
_SHAPES = [(80, 96), (16, 16), (512, 512), (16, 4096), (300, 17)]
_FLOATS: list[type] = [np.float16, np.float32, np.float64]
_INTEGERS: list[type] = [np.uint8, np.int16, np.uint16, np.int32, np.uint64, np.int8]


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Every odd frame, in every shape and type; every other one with bright vessels."""
    predictors = [Predictor.load("small", runtime=runtime) for runtime in _RUNTIMES]
    frames = list(_frames(size))
    told = [_told(predictors, *frame, invert=number % 2 > 0) for number, frame in enumerate(frames)]
    what = f"{len(_ODD)} kinds of odd frames"
    for runtime, sound in zip(_RUNTIMES, zip(*(sounds for sounds, _ in told), strict=True), strict=True):
        promise = f"{what}, {runtime}: probabilities from 0 to 1, a mask, no warning"
        yield all_of(promise, sum(sound), len(frames))
    yield all_of(f"{what}: runtimes within 0.002 of each other", sum(alike for _, alike in told), len(frames))


def _told(predictors: list[Predictor], name: str, frame: Pixels, invert: bool) -> tuple[list[bool], bool]:
    """For each runtime whether its answer is sound, and whether the answers agree."""
    sounds, answers = [], []
    for predictor in predictors:
        sound, answer = _sound(predictor, frame, invert)
        sounds.append(sound)
        answers.append(answer)
        if not sound:
            print(f"# odd: {name} {frame.dtype} {frame.shape} {predictor.runtime}", file=sys.stderr)
    return sounds, bool(np.abs(answers[0] - answers[1]).max() < _AGREE)


def _sound(predictor: Predictor, frame: Pixels, invert: bool) -> tuple[bool, Pixels]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            probability = predictor.probability(frame, invert=invert)
            mask = predictor.mask(probability)
    except Exception as error:  # noqa: BLE001 - not to answer breaks the promise
        print(f"# odd: {error!r}", file=sys.stderr)
        return False, np.full(frame.shape, np.nan)
    whole = probability.shape == mask.shape == frame.shape and bool(np.isin(mask, (0, 1)).all())
    return whole and bool(((probability >= 0) & (probability <= 1)).all()), probability


def _frames(size: Size) -> Iterator[tuple[str, Pixels]]:
    """Every kind in every shape and type; in the quick form each in one small shape, and in one type of a sort."""
    for number, (name, (make, sorts)) in enumerate(_ODD.items()):
        shapes = _SHAPES if size == "full" else [_SHAPES[number % 2]]
        for shape, sort in itertools.product(shapes, sorts):
            types = _FLOATS if sort == "f" else _INTEGERS
            for dtype in types if size == "full" else [types[number % len(types)]]:
                yield name, make(shape, np.dtype(dtype))


def _top(dtype: np.dtype) -> float | int:
    return np.finfo(dtype).max if dtype.kind == "f" else int(np.iinfo(dtype).max)


def _bottom(dtype: np.dtype) -> float | int:
    return np.finfo(dtype).min if dtype.kind == "f" else int(np.iinfo(dtype).min)


def _noise(shape: tuple[int, int], dtype: np.dtype) -> Pixels:
    return np.random.default_rng(shape[0]).integers(0, 120, shape).astype(dtype)


def _with(value: Callable[[np.dtype], float | int], step: int) -> Callable[..., Pixels]:
    """Noise in which every ``step``-th pixel is this value."""

    def make(shape: tuple[int, int], dtype: np.dtype) -> Pixels:
        frame = _noise(shape, dtype)
        frame.reshape(-1)[::step] = value(dtype)
        return frame

    return make


def _whole_range(shape: tuple[int, int], dtype: np.dtype) -> Pixels:
    """From the lowest to the highest value of the type, without overflowing on the way."""
    steps = np.linspace(0, 1, shape[0] * shape[1]).reshape(shape)
    if dtype.kind == "f":
        return ((steps - 0.5) * 2 * float(np.finfo(dtype).max) * 0.999).astype(dtype)
    return np.where(steps < 0.5, _bottom(dtype), _top(dtype)).astype(dtype)


def _one_bright(shape: tuple[int, int], dtype: np.dtype) -> Pixels:
    frame = np.zeros(shape, dtype)
    frame[shape[0] // 2, shape[1] // 2] = _top(dtype)
    return frame


# How it is made, and whether floats (f) and integers (i) can hold it.
_ODD: dict[str, tuple[Callable[[tuple[int, int], np.dtype], Pixels], str]] = {
    "all zero": (lambda shape, dtype: np.zeros(shape, dtype), "fi"),
    "constant": (lambda shape, dtype: np.full(shape, 77, dtype), "fi"),
    "saturated": (lambda shape, dtype: np.full(shape, _top(dtype), dtype), "fi"),
    "lowest": (lambda shape, dtype: np.full(shape, _bottom(dtype), dtype), "fi"),
    "one bright pixel": (_one_bright, "fi"),
    "half saturated": (_with(_top, 2), "fi"),
    "whole range": (_whole_range, "fi"),
    "NaN": (lambda shape, dtype: np.full(shape, np.nan, dtype), "f"),
    "infinite": (lambda shape, dtype: np.full(shape, -np.inf, dtype), "f"),
    "some NaN": (_with(lambda dtype: np.nan, 3), "f"),
    "some infinite": (_with(lambda dtype: np.inf, 5), "f"),
    "one number among NaN": (
        lambda shape, dtype: np.where(_one_bright(shape, dtype) > 0, 1, np.nan).astype(dtype),
        "f",
    ),
    "tiny": (lambda shape, dtype: _noise(shape, dtype) * np.finfo(dtype).smallest_subnormal, "f"),
    "tiny steps": (lambda shape, dtype: (1 + _noise(shape, dtype) * np.finfo(dtype).eps).astype(dtype), "f"),
}


@contextlib.contextmanager
def _nan_kept() -> Iterator[None]:
    """What is not finite goes into the network."""
    with mock.patch.object(preprocess, "finite_grey", lambda frame: np.asarray(frame, np.float32)):
        yield


@contextlib.contextmanager
def _divided_by_nothing() -> Iterator[None]:
    """A frame without contrast is divided by its contrast."""

    def scaled(grey: Pixels, normalisation: object) -> Pixels:
        low, high = preprocess.robust_range(grey, normalisation)  # type: ignore[arg-type]
        return (grey - low) / np.float32(high - low)

    with mock.patch.object(preprocess, "normalise", scaled):
        yield


PART = Part(run, {"NaN is kept": _nan_kept, "divided by no contrast": _divided_by_nothing})
