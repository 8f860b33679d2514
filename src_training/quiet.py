"""Libraries that reach for the network as they are imported are kept from it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

# pydicom imports requests to fetch its example files; its urllib3 then binds a socket, to see whether IPv6 works.
_REACHING = ("requests",)


@contextlib.contextmanager
def importing_quietly() -> Iterator[None]:
    """While this lasts, such a library looks as if it were not installed, unless somebody has loaded it already."""
    hidden = [name for name in _REACHING if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
