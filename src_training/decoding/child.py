"""Run as a process of its own: answer what other files hold, one question after the other.

``python -m src_training.decoding.child`` reads questions from stdin and answers on stdout (``wire``). A decoder that
hangs in native code is ended by a watchdog in here, whether or not anybody is left to kill it; one that asks for too
much memory is refused it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
from typing import Any, BinaryIO

import numpy as np
import psutil

from src_training.decoding.answers import answer, import_decoders
from src_training.decoding.limits import LARGEST_ANSWER, MEMORY, PATIENCE_S
from src_training.decoding.wire import receive, send
from src_training.errors import LightVesselError

_GRACE_S = 2.0  # whoever asked kills first, and knows why


def main() -> None:
    """Answer until nobody asks any more."""
    questions, answers = _pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for whoever asks
    import_decoders()
    _cap_memory()
    send(answers, {"ready": os.getpid()})
    with open(os.devnull, "w") as nowhere, contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            question, _ = receive(questions, LARGEST_ANSWER)
            faulthandler.dump_traceback_later(PATIENCE_S + _GRACE_S, exit=True, file=nowhere)
            send(answers, *_answered(question))
            faulthandler.cancel_dump_traceback_later()


def _answered(question: dict[str, Any]) -> tuple[dict[str, Any], memoryview | bytes]:
    try:
        facts, array = answer(question)
    except LightVesselError as error:
        return {"refused": type(error).__name__, "line": str(error)}, b""
    if array is None:
        return {"facts": facts}, b""
    header = {"facts": facts, "shape": array.shape, "dtype": array.dtype.str}
    return header, array.reshape(-1).view(np.uint8).data


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Our own ends of stdin and stdout: a library that prints must not talk in between."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nowhere:
        os.dup2(nowhere.fileno(), 0)
        os.dup2(nowhere.fileno(), 1)
    return questions, answers


def _cap_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not everywhere; whoever asks watches, too
        import resource

        cap = psutil.Process().memory_info().vms + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (cap, cap))


if __name__ == "__main__":
    main()
