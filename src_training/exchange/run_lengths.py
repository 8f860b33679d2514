"""COCO's run lengths: counts of background and vessel in turn, column by column, plain or packed into a text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST = 48  # "0", the text's digit of zero
_MORE, _SIGN, _DIGIT_BITS = 0x20, 0x10, 5
_LONGEST_NUMBER = 7  # digits: 35 bits


def mask_of_runs(segmentation: dict[str, Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (Y, X) that ``segmentation`` of ``counts`` and ``size`` stands for.

    Raises ValueError, TypeError or KeyError when it does not fill exactly an image of ``shape``.
    """
    if [int(n) for n in segmentation["size"]] != list(shape):
        raise ValueError("run lengths of another size")
    counts = segmentation["counts"]
    runs = np.asarray(unpacked(counts) if isinstance(counts, str) else counts, np.int64)
    # Counted in Python's own numbers: the sum of huge ones would wrap around.
    if (runs < 0).any() or sum(runs.ravel().tolist()) != shape[0] * shape[1]:
        raise ValueError("run lengths that do not fill the image")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(shape, order="F")


def unpacked(text: str) -> list[int]:
    """The counts in COCO's text form, as cocoapi's ``rleToString`` writes it.

    A number is base 32, least digit first, each digit a character from "0" on; 0x20 says that another digit
    follows, 0x10 in the last one that the number is negative. From the fourth on it is the difference to the
    count before the last. Raises ValueError for anything else.
    """
    counts: list[int] = []
    number, digits = 0, 0
    for character in text:
        digit = ord(character) - _FIRST
        if not 0 <= digit < 2 * _MORE or digits == _LONGEST_NUMBER:
            raise ValueError("compressed run lengths that are damaged")
        number |= (digit & (_MORE - 1)) << (_DIGIT_BITS * digits)
        digits += 1
        if digit & _MORE:
            continue
        if digit & _SIGN:
            number -= 1 << (_DIGIT_BITS * digits)
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number, digits = 0, 0
    if digits:
        raise ValueError("compressed run lengths that end early")
    return counts
