"""Decoders that hang, crash, take all memory or raise: one line in time for whoever asked, and the next file opens."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import cine_files as files
import numpy as np
import psutil
from played_decoders import CRASHES, EXHAUSTS, EXITS, FLOODS, HANGS, decoding_with, jpegls_that, watching
from soak_table import Figure, Part, Size, all_of, none_of

from src_training.cine import Cine, apart, read_cine
from src_training.decoding import process
from src_training.errors import UnreadableCine

GREEDY_BYTES = 1_500_000_000
_GRACE_S = 2.0  # beyond the deadline: a process is killed
_ROUNDS = {"quick": 1, "full": 20}
# The tests wait a second where a person waits eight.
_PATIENCE_S = {"quick": 1.0, "full": process.PATIENCE_S}
_MEMORY = r"decoding failed \(it needs more memory than an angiogram takes\)"
_LINES = {
    HANGS: r"decoding took longer than \d s and was stopped",
    EXHAUSTS: _MEMORY,
    "raise type('Panic', (BaseException,), {})('at the\\ndisco')": r"decoding failed \(Panic: at the disco\)",
    CRASHES: r"its decoder crashed \(signal \d+\)",
    FLOODS: _MEMORY,
    EXITS: r"its decoder crashed \(exit code 0\)",
}
_DEED = "def deed(data):\n    {}\ndeeds.append(deed)\n"
_FRAMES = files.grey(frames=len(_LINES))


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Every deed, some times over; after each an ordinary file."""
    hostile, ordinary = _hostile(folder / "hostile.dcm"), folder / "ordinary.dcm"
    files.write_dicom(ordinary, _FRAMES, files.RLE)
    patience_s = _PATIENCE_S[size]
    told = late = sound = tried = 0
    with (
        watching() as watch,
        decoding_with(_code(patience_s)),
        mock.patch.object(process, "PATIENCE_S", patience_s),
    ):
        for _ in range(_ROUNDS[size]):
            cine = read_cine(hostile)
            for t, line in enumerate(_LINES.values()):
                refusal, waited_s = _refused(cine, t)
                tried += 1
                told += re.fullmatch(rf"hostile\.dcm: frame {t} of \d: {line}\. .*\.", refusal) is not None
                late += waited_s > patience_s + _GRACE_S
                sound += np.array_equal(read_cine(ordinary).frame(t), _FRAMES[t])
    yield all_of("a decoder hangs, crashes, raises, takes all memory: told in the promised line", told, tried)
    yield none_of(f"a decoder hangs …: waits of more than {patience_s + _GRACE_S:.0f} s", late, tried)
    yield none_of("… processes that held more than 1.5 GB", watch.greedy(GREEDY_BYTES), len(watch.pids))
    yield all_of("… the next file opens", sound, tried)
    yield none_of("… processes left behind", sum(map(psutil.pid_exists, watch.pids)), len(watch.pids))


def _hostile(path: Path) -> Path:
    """A file whose frames each say, in their last byte, what the played decoder does with them."""
    streams = [files.encode(frame, files.JPEGLS, 8) for frame in _FRAMES]
    marked = [stream + bytes(len(stream) % 2) + bytes([0, t]) for t, stream in enumerate(streams)]
    return files.write_dicom(path, _FRAMES, files.JPEGLS, codestreams=marked)


def _code(patience_s: float) -> str:
    deeds = "deeds = []\n" + "".join(map(_DEED.format, _LINES))
    # One that hangs ends itself in the end: soon, but too late, so that a missing deadline is seen at once.
    return deeds + jpegls_that("return deeds[data[-1]](data)") + f"child.PATIENCE_S = {patience_s + 1}\n"


def _refused(cine: Cine, t: int) -> tuple[str, float]:
    """What the caller is told about frame ``t``, and how long that took."""
    began, told = time.monotonic(), "it opened"
    try:
        cine.frame(t)
    except UnreadableCine as refusal:
        told = str(refusal)
    except Exception as error:  # noqa: BLE001 - whatever else it is breaks the promise
        told = repr(error)
        print(f"# decoders: {told}", file=sys.stderr)
    return told, time.monotonic() - began


@contextlib.contextmanager
def _no_deadline() -> Iterator[None]:
    """Whoever asks waits for the answer, however long it takes."""
    wait = process.Decoder._next
    with mock.patch.object(process.Decoder, "_next", lambda decoder, patience_s: wait(decoder, 3600.0)):
        yield


@contextlib.contextmanager
def _loss_untold() -> Iterator[None]:
    """A lost process reaches the caller as it is, not as a line about the file."""
    with mock.patch.object(apart, "_told", lambda where, lost: lost):
        yield


# That a process is looked at from outside stops only the worst.
_NO_CAP = "child._cap_memory = lambda: None"

PART = Part(
    run,
    {
        "no deadline": _no_deadline,
        "no cap on memory": lambda: decoding_with(_NO_CAP),
        "a loss that is not told": _loss_untold,
    },
)
