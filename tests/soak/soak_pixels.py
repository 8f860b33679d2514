"""Every way grey values lie in a DICOM file, against a reference that shares no code with the reader."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import cine_files as files
import imagecodecs
import numpy as np
import pydicom
from played_decoders import decoding_with
from pydicom.encaps import encapsulate
from pydicom.uid import UID
from soak_table import Figure, Part, Size, all_of

from src_training.cine import read_cine
from src_training.cine.cine import Grey

_SHAPE = (2, 24, 40)
_SYNTAXES = {
    "implicit": files.IMPLICIT,
    "explicit": files.EXPLICIT,
    "big endian": files.BIG,
    "deflated": files.DEFLATED,
    "RLE": files.RLE,
    "JPEG-LS": files.JPEGLS,
    "JPEG 2000": files.JPEG2000,
    "HTJ2K": files.HTJ2K,
    "JPEG Lossless": files.LOSSLESS,
    "JPEG Lossless SV1": files.LOSSLESS_SV1,
}
# Halves and quarters are exact in float32.
_RESCALES = [(1.0, 0.0), (2.0, -7.0), (0.25, -100.5), (-1.5, 12.0)]


@dataclass(frozen=True)
class Grid:
    """One way to lie in a file."""

    syntax: str
    bits: int
    allocated: int
    signed: bool
    monochrome1: bool
    rescale: tuple[float, float]
    padded: bool

    @property
    def span(self) -> tuple[int, int]:
        """The lowest and the highest stored value."""
        return (-(1 << self.bits - 1), (1 << self.bits - 1) - 1) if self.signed else (0, (1 << self.bits) - 1)


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Every combination; in the quick form each with one of the rescales, and with or without padding."""
    cases = list(_cases(size))
    stored, shown = zip(
        *(_equal(case, folder / "x.dcm", seed) for seed, case in enumerate(cases)), strict=True
    )
    what = f"{len(_SYNTAXES)} encodings x 8 to 16 bits x signs x polarities x rescales"
    yield all_of(f"{what}: stored values equal the reference", sum(stored), len(cases))
    yield all_of(f"{what}: shown values equal the reference", sum(shown), len(cases))


def _cases(size: Size) -> Iterator[Grid]:
    words = [(8, 8), (8, 16), (10, 16), (12, 16), (14, 16), (16, 16)]
    greys = list(itertools.product(_RESCALES, (False, True)))
    ways = itertools.product(_SYNTAXES, words, (False, True), (False, True))
    for number, (syntax, (bits, allocated), signed, monochrome1) in enumerate(ways):
        chosen = greys if size == "full" else [greys[(number + number // 4) % len(greys)]]
        for rescale, padded in chosen:
            yield Grid(syntax, bits, allocated, signed, monochrome1, rescale, padded)


def _equal(case: Grid, path: Path, seed: int) -> tuple[bool, bool]:
    """Whether stored and shown values of both frames are those of the reference."""
    values = _values(case, seed)
    _write(path, case, values)
    try:
        cine = read_cine(path)
        stored = all(np.array_equal(cine.stored(t), values[t]) for t in range(2))
        shown = all(np.array_equal(cine.frame(t), _reference(case, values[t])) for t in range(2))
    except Exception as error:  # noqa: BLE001 - not to open is not to be equal
        print(f"# pixels: {case}: {error!r}", file=sys.stderr)
        return False, False
    if not (stored and shown):
        print(f"# pixels: {case} differs", file=sys.stderr)
    return stored, shown


def _values(case: Grid, seed: int) -> np.ndarray:
    """(T, Y, X) stored values over the whole span, both ends of it included; with padding in the first columns."""
    low, high = case.span
    values = np.random.default_rng(seed).integers(low, high, _SHAPE, endpoint=True)
    values[:, 0, :3] = low, high, (low + high + 1) // 2
    if case.padded:
        values[:, :, -4:] = low
    return values


def _reference(case: Grid, stored: np.ndarray) -> np.ndarray:
    """PS3.3 C.7.6.3.1.2 and C.11.1 in double precision: rescale, MONOCHROME1 mirrored once about the full range."""
    slope, intercept = case.rescale
    shown = slope * stored.astype(np.float64) + intercept
    if case.monochrome1:
        shown = sum(slope * end + intercept for end in case.span) - shown
    if case.padded:
        padding = stored == case.span[0]
        shown[padding] = shown[~padding].min()
    return shown


def _write(path: Path, case: Grid, values: np.ndarray) -> None:
    """The file as pydicom writes it; compressed frames from imagecodecs, RLE from pydicom."""
    kind = f"{'i' if case.signed else 'u'}{case.allocated // 8}"
    tags = {"PhotometricInterpretation": "MONOCHROME1" if case.monochrome1 else "MONOCHROME2"}
    if case.rescale != (1.0, 0.0):
        tags |= {"RescaleSlope": str(case.rescale[0]), "RescaleIntercept": str(case.rescale[1])}
    ds = files.dataset(
        _SHAPE, bits=case.bits, allocated=case.allocated, PixelRepresentation=int(case.signed), **tags
    )
    if case.padded:
        ds.add_new("PixelPaddingValue", "SS" if case.signed else "US", case.span[0])
    syntax = _SYNTAXES[case.syntax]
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID = UID(files.XA)
    frames = values.astype(kind)
    # Above BitsStored the sign goes on in a native file, and nothing stands in a codestream.
    if syntax in (files.IMPLICIT, files.EXPLICIT, files.BIG, files.DEFLATED):
        ds.PixelData = frames.astype(frames.dtype.newbyteorder(">" if syntax == files.BIG else "<")).tobytes()
        ds["PixelData"].VR = "OW" if case.allocated > 8 else "OB"
        ds.save_as(path, enforce_file_format=True)
    # pydicom packs 8 of 16 bits into bytes and then splits those: no frame of 16 bits comes out.
    elif syntax == files.RLE and (case.bits, case.allocated) != (8, 16):
        ds.file_meta.TransferSyntaxUID = UID(files.EXPLICIT)
        ds.compress(UID(files.RLE), frames, encoding_plugin="pydicom")
        ds.save_as(path, enforce_file_format=True)
    else:
        ds.PixelData = encapsulate([_codestream(case, frame) for frame in frames])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        ds.save_as(path, enforce_file_format=True)


def _codestream(case: Grid, frame: np.ndarray) -> bytes:
    """One frame; JPEG 2000 knows signs, the others hold the bits of two's complement."""
    words = frame.view(f"u{frame.dtype.itemsize}") & ((1 << case.bits) - 1)
    if case.syntax == "RLE":
        return files.rle(words)
    if case.syntax == "JPEG 2000":
        return imagecodecs.jpeg2k_encode(frame, codecformat="j2k", bitspersample=case.bits, reversible=True)
    if case.syntax == "HTJ2K":
        return imagecodecs.htj2k_encode(frame)
    if case.syntax == "JPEG-LS":
        return imagecodecs.jpegls_encode(words)
    predictor = 1 if case.syntax == "JPEG Lossless SV1" else 6
    words = words.astype(np.uint8) if case.bits == 8 else words
    return imagecodecs.jpeg8_encode(words, lossless=True, predictor=predictor, bitspersample=case.bits)


_SIGN_FORGOTTEN = """
from src_training.cine import codecs, dicom
import dataclasses
whole = codecs.unpack
def unpack(words, layout, **kind):
    return whole(words, dataclasses.replace(layout, signed=False), **kind).view(layout.dtype)
codecs.unpack = dicom.unpack = unpack
"""


@contextlib.contextmanager
def _inverted_twice() -> Iterator[None]:
    """What is MONOCHROME1 is mirrored, and mirrored again."""
    mirrored = Grey._mirrored
    with mock.patch.object(Grey, "_mirrored", lambda grey, frame: mirrored(grey, mirrored(grey, frame))):
        yield


@contextlib.contextmanager
def _padding_shown() -> Iterator[None]:
    """Padding keeps its value."""
    with mock.patch.object(Grey, "_without_padding", lambda grey, frame, stored: frame):
        yield


PART = Part(
    run,
    {
        "the sign is not extended": lambda: decoding_with(_SIGN_FORGOTTEN),
        "inverted twice": _inverted_twice,
        "padding is shown": _padding_shown,
    },
)
