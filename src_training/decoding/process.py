"""One decoding process: asked one question at a time, killed when it is slow or greedy."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO, Any

import psutil

from src_training.decoding.limits import LARGEST_ANSWER, MEMORY, PATIENCE_S, START_S
from src_training.decoding.wire import receive, send
from src_training.processes import clean_environment, windows_flags

COMMAND = (sys.executable, "-m", "src_training.decoding.child")
_LOOK_S = 0.2  # how often the memory of a process is looked at while it thinks
_LIBRARIES = 512 << 20
Message = tuple[dict[str, Any], bytes]


class Lost(Exception):
    """A decoding process that gave no answer, and is no more; its text is the reason."""


class Decoder:
    """A process that decodes; ``ask`` waits for its answer."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=clean_environment(threads=1),
                creationflags=windows_flags(),
            )
        except OSError as error:
            raise Lost(f"no process could be started to decode it ({error.strerror})") from error
        assert self._child.stdin is not None and self._child.stdout is not None
        self._questions: IO[bytes] = self._child.stdin
        self._said: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, args=(self._child.stdout,), daemon=True).start()
        self._ready = False
        self._pid = self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._child.poll() is None

    def ask(self, question: dict[str, Any]) -> Message:
        """Its answer; Lost when it dies, takes too long or too much memory: it is killed then."""
        try:
            if not self._ready:
                said, _ = self._next(START_S)
                # Its own word: in a virtual environment on Windows we have started a launcher, whose child it is.
                self._pid = int(said.get("ready", self._child.pid))
                self._ready = True
            with contextlib.suppress(OSError):  # a dead process is noticed by what it does not say
                send(self._questions, question)
            return self._next(PATIENCE_S)
        except BaseException:  # also a Ctrl-C: its answer would be taken for the next one's
            self.kill()
            raise

    def kill(self) -> None:
        """End it, whatever it is doing."""
        self._child.kill()
        self._child.wait()
        with contextlib.suppress(OSError):
            self._questions.close()

    def _next(self, patience_s: float) -> Message:
        until = time.monotonic() + patience_s
        while (left := until - time.monotonic()) > 0:
            try:
                said = self._said.get(timeout=min(left, _LOOK_S))
            except queue.Empty:
                self._check_memory()
                continue
            if said is None:
                code = self._child.wait()
                raise Lost(f"its decoder crashed ({f'exit code {code}' if code >= 0 else f'signal {-code}'})")
            return said
        raise Lost(f"decoding took longer than {patience_s:.0f} s and was stopped")

    def _check_memory(self) -> None:
        with contextlib.suppress(psutil.Error):
            if psutil.Process(self._pid).memory_info().rss > MEMORY + _LIBRARIES:
                raise Lost("decoding takes more memory than any angiogram needs, and was stopped")

    def _listen(self, answers: IO[bytes]) -> None:
        with contextlib.suppress(EOFError, ValueError, OSError), answers:
            while True:
                self._said.put(receive(answers, LARGEST_ANSWER))
        self._said.put(None)
