"""Children that are forked for a test and never come back into it."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable


def forked(work: Callable[[], object]) -> int:
    """The pid of a child that does this and ends: with the code that it returns, 0 without one, 1 after an exception.

    An exception that left the child would carry it on through the tests: two of it would answer to pytest-xdist, which
    then waits for ever.
    """
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        returned = work()
        code = returned if isinstance(returned, int) else 0
    except BaseException:  # noqa: BLE001 - told; nothing may leave this frame
        traceback.print_exc()
    finally:
        os._exit(code)
