"""Decoding processes with a played decoder or a planted bug in them, and an eye on how much memory they take."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import psutil

from src_training.decoding import pool, process
from src_training.decoding.process import Decoder

# What a decoder of JPEG-LS is made to do in the child.
HANGS = "import re; re.match('(a+)+$', 'a' * 60 + 'b')"  # in C code, with the interpreter's lock held
CRASHES = "import ctypes; ctypes.string_at(0)"
EXHAUSTS = "import numpy; return numpy.ones(3 << 30, numpy.uint8)"
EXITS = "import os; os._exit(0)"
PRINTS = "import os; print('hello'); os.write(1, b'x' * 100_000); return real(data)"
FLOODS = "import numpy; return numpy.zeros((40_000, 40_000), numpy.uint8)"

_codes: list[str] = []
_JPEGLS = """
from src_training.cine import codecs
real = codecs._DECODERS["jpegls"]
def played(data):
    {deed}
codecs._DECODERS["jpegls"] = played
"""


def jpegls_that(deed: str) -> str:
    """Code for a decoding process whose decoder of JPEG-LS does this; everything else there is the real thing."""
    return _JPEGLS.format(deed=deed)


@contextlib.contextmanager
def decoding_with(code: str) -> Iterator[pool.Pool]:
    """While it lasts, files are decoded by processes that run ``code`` first, and that of contexts around it."""
    _codes.append(code)
    program = "\n".join(["from src_training.decoding import child", *_codes, "child.main()"])
    played = pool.Pool(lambda: Decoder((sys.executable, "-c", program)))
    with mock.patch.object(pool, "_pool", played):
        try:
            yield played
        finally:
            _codes.pop()
            played.close()


@contextlib.contextmanager
def patiently() -> Iterator[None]:
    """Decoding may take as long as a busy machine needs: for lines that a lack of time would replace."""
    with decoding_with("child.PATIENCE_S = 120"), mock.patch.object(process, "PATIENCE_S", 120.0):
        yield


class Watch:
    """Every decoding process started while ``watching`` lasts, and the most memory that any was seen to hold."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.most_bytes: dict[int, int] = {}

    def look(self) -> None:
        """Look once."""
        for pid in list(self.pids):
            self.most_bytes[pid] = max(self.most_bytes.get(pid, 0), _resident_bytes(pid))

    def greedy(self, limit: int) -> int:
        """How many of the processes held more than ``limit`` bytes."""
        return sum(most > limit for most in self.most_bytes.values())


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Follow all decoding processes that are started from now on; none that waits from before is asked."""
    pool._pool.close()
    watch, over, start = Watch(), threading.Event(), Decoder.__init__

    def followed(decoder: Decoder, *args: object) -> None:
        start(decoder, *args)  # type: ignore[arg-type]
        watch.pids.append(decoder._child.pid)

    def follow() -> None:
        while not over.wait(0.03):
            watch.look()

    eye = threading.Thread(target=follow, daemon=True)
    with mock.patch.object(Decoder, "__init__", followed):
        eye.start()
        try:
            yield watch
        finally:
            watch.look()
            over.set()
            eye.join()


def _resident_bytes(pid: int) -> int:
    """The peak where the system keeps it, otherwise what is held now; 0 of a process that is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).memory_info().rss
    return 0
