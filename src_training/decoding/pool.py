"""A few warm decoding processes, shared by all threads; one that is lost is replaced when it is needed."""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training import errors
from src_training.decoding.process import Decoder, Lost, Message

_AT_ONCE = 2


@dataclass(frozen=True)
class Answer:
    """What a decoding process says: facts, and an array where one was asked for."""

    facts: dict[str, Any]
    array: NDArray | None


class Pool:
    """Processes, started by ``start``, that wait for a question; at most ``at_once`` of them."""

    def __init__(self, start: Callable[[], Decoder] = Decoder, at_once: int = _AT_ONCE) -> None:
        self._start = start
        self._free: list[Decoder] = []
        self._lock = threading.Lock()
        self._seats = threading.BoundedSemaphore(at_once)

    def ask(self, question: dict[str, Any]) -> Message:
        """The answer of any process; one that is free, otherwise a new one, otherwise the next to be free."""
        with self._seats:
            decoder = self._take()
            answer = decoder.ask(question)
            with self._lock:
                self._free.append(decoder)
            return answer

    def warm_up(self) -> None:
        """See to it that a process is there, or about to be; does not wait for it."""
        with self._lock, contextlib.suppress(Lost):  # whoever asks then is told
            if not any(decoder.alive for decoder in self._free):
                self._free.append(self._start())

    def close(self) -> None:
        """End the processes that wait."""
        with self._lock:
            while self._free:
                self._free.pop().kill()

    def _take(self) -> Decoder:
        with self._lock:
            while self._free:
                if (decoder := self._free.pop()).alive:
                    return decoder
                decoder.kill()
        return self._start()


def ask(question: dict[str, Any]) -> Answer:
    """Ask a decoding process.

    Raises
    ------
    LightVesselError
        Its own refusal, of the kind it names.
    Lost
        It took too long or too much memory, or crashed; the reason, without file or cure.
    """
    header, payload = _pool.ask(question)
    if "refused" in header:
        raise _refusal(header)
    return Answer(header["facts"], _array(header, payload) if "shape" in header else None)


def warm_up() -> None:
    """Start a decoding process in advance, without waiting for it: the first file then opens at once."""
    _pool.warm_up()


def _refusal(header: dict[str, Any]) -> errors.LightVesselError:
    kind = getattr(errors, str(header["refused"]), None)
    if not (isinstance(kind, type) and issubclass(kind, errors.LightVesselError)):
        kind = errors.LightVesselError
    return kind(str(header["line"]))


def _array(header: dict[str, Any], payload: bytes) -> NDArray:
    shape, dtype = tuple(header["shape"]), np.dtype(header["dtype"])
    if dtype.kind not in "buif" or math.prod(shape) * dtype.itemsize != len(payload):
        raise Lost("its decoder gave an answer that does not fit itself")
    return np.frombuffer(payload, dtype).reshape(shape)


def _after_fork() -> None:
    global _pool
    _pool = Pool()  # the processes belong to the parent


_pool = Pool()
atexit.register(lambda: _pool.close())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
