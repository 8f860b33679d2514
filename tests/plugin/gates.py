"""Slow drives: a call of the core that waits, for one workspace, until the test lets it go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Gate:
    """Holds what is asked of one folder; ``waiting`` once something stands before it."""

    def __init__(self) -> None:
        self.waiting, self._open = threading.Event(), threading.Event()
        self.passed = threading.Event()

    def hold(self, monkeypatch: Any, owner: Any, name: str, folder: Path, where: Callable[..., Any]) -> None:
        """Let ``owner.name`` wait where ``where(*its arguments)`` lies in the folder."""
        real = getattr(owner, name)

        def slow(*args: Any, **kwargs: Any) -> Any:
            if not Path(where(*args, **kwargs)).is_relative_to(folder):
                return real(*args, **kwargs)
            self.waiting.set()
            assert self._open.wait(60)
            try:
                return real(*args, **kwargs)
            finally:
                self.passed.set()

        monkeypatch.setattr(
            owner, name, staticmethod(slow) if isinstance(owner, type) and _static(owner, name) else slow
        )

    def open(self) -> None:
        """Let all go on."""
        self._open.set()


def _static(owner: type, name: str) -> bool:
    return isinstance(vars(owner).get(name), classmethod | staticmethod)
