"""Folders of a user of their own, for files of tests whose workspace is made once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def user_folders(place: Path) -> Iterator[None]:
    """Settings, keys and cache lie in ``place`` meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGHTVESSEL_CONFIG_DIR", str(place / "config"))
        patch.setenv("LIGHTVESSEL_CACHE_DIR", str(place / "cache"))
        yield
