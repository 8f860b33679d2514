"""What is done to sound files, at random and where they say how large they are; and what reading them must come to."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from damaged_seeds import Seed

from src_training.cine import read_cine
from src_training.dataset.masks import read_mask
from src_training.errors import BadMask, UnreadableCine

_HEADERS = 1024  # bytes in which most of the damage is done


def damaged(seed: Seed, rng: np.random.Generator) -> bytes:
    """One to three kinds of damage."""
    broken = bytearray(seed.data)
    for _ in range(rng.integers(1, 4)):
        damages = _DAMAGES if seed.fields else [one for one in _DAMAGES if one not in (_lie, _swap)]
        damages[rng.integers(len(damages))](broken, seed, rng)
    return seed.finish(bytes(broken)) if rng.random() < 0.8 else bytes(broken)


def refusal_of(path: Path) -> str | None:
    """The line a file is refused with; None when it, its first and its last frame open."""
    try:
        cine = read_cine(path)
        frames = [cine.frame(t) for t in (0, len(cine) - 1)]
        low, high = cine.window
    except UnreadableCine as refusal:
        return str(refusal)
    assert all(frame.shape == cine.shape[1:] for frame in frames)
    assert np.isfinite([low, high]).all() and low < high, f"the window is {low} to {high}"
    return None


def mask_refusal_of(path: Path) -> str | None:
    """The line a mask is refused with; None when its first plane is one."""
    try:
        mask = read_mask(path, frame=0)
    except BadMask as refusal:
        return str(refusal)
    assert mask.ndim == 2 and mask.size and np.isin(mask, (0, 1, 255)).all()
    return None


def _flip_bits(broken: bytearray, seed: Seed, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(1, 9) if broken else 0):
        broken[_somewhere(broken, rng)] ^= 1 << int(rng.integers(8))


def _overwrite(broken: bytearray, seed: Seed, rng: np.random.Generator) -> None:
    at, piece = _somewhere(broken, rng), rng.bytes(rng.integers(1, 9))
    broken[at : at + len(piece)] = piece


def _cut(broken: bytearray, seed: Seed, rng: np.random.Generator) -> None:
    del broken[rng.integers(len(broken) + 1) :]


def _move(broken: bytearray, seed: Seed, rng: np.random.Generator) -> None:
    """A piece is doubled, moved or lost."""
    at, to = _somewhere(broken, rng), _somewhere(broken, rng)
    piece = broken[at : at + int(2 ** rng.uniform(0, 10))]
    if rng.random() < 0.6:
        del broken[at : at + len(piece)]
    if rng.random() < 0.7:
        broken[to:to] = piece


def _lie(broken: bytearray, seed: Seed, rng: np.random.Generator) -> None:
    """A length, size, count or offset says something else."""
    field = seed.fields[rng.integers(len(seed.fields))]
    here = slice(field.at, field.at + field.width)
    told, top = int.from_bytes(broken[here], field.order), 1 << 8 * field.width
    lies = (0, 1, 2, top - 1, top // 2 - 1, top // 2, told + 1, told - 1, 2 * told, told // 2, 4096, 65_536)
    if here.stop <= len(broken):
        broken[here] = (lies[rng.integers(len(lies))] % top).to_bytes(field.width, field.order)


def _swap(broken: bytearray, seed: Seed, rng: np.random.Generator) -> None:
    """Two fields change places."""
    one, other = (seed.fields[rng.integers(len(seed.fields))] for _ in range(2))
    width = min(one.width, other.width)
    here, there = slice(one.at, one.at + width), slice(other.at, other.at + width)
    if max(here.stop, there.stop) <= len(broken):
        broken[here], broken[there] = broken[there], broken[here]


def _retell(broken: bytearray, seed: Seed, rng: np.random.Generator) -> None:
    """A number that is written out (a decimal string of DICOM, the shape of an array) is another one."""
    found = list(re.finditer(rb"\d+(\.\d+)?", bytes(broken[:2048])))
    if found:
        number = found[rng.integers(len(found))]
        width = number.end() - number.start()
        lies = [lie[:width] for lie in (b"0", b"1", b"9" * width, b"-1", b"abc", b"9e307", b"1e-309", b"nan")]
        broken[number.start() : number.end()] = lies[rng.integers(len(lies))].ljust(width)


def _somewhere(broken: bytearray, rng: np.random.Generator) -> int:
    reach = min(len(broken), _HEADERS) if rng.random() < 0.6 else len(broken)
    return int(rng.integers(max(1, reach)))


_DAMAGES = (_flip_bits, _overwrite, _cut, _move, _lie, _lie, _lie, _swap, _retell)
