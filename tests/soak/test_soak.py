"""The quick form of the soak: every promise holds, and every planted bug breaks one."""

from __future__ import annotations

import contextlib

import pytest
from soak_parts import PARTS


def _marks(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xdist_group("windows")] if PARTS[name].windows else []


@pytest.mark.parametrize("name", [pytest.param(name, marks=_marks(name)) for name in PARTS])
def test_every_promise_holds(name, tmp_path):
    figures = list(PARTS[name].run("quick", tmp_path))
    assert figures and [figure for figure in figures if figure.held is False] == []


@pytest.mark.parametrize(
    ("name", "bug"),
    [pytest.param(name, bug, marks=_marks(name)) for name, part in PARTS.items() for bug in part.mutants],
)
def test_every_planted_bug_is_caught(name, bug, tmp_path):
    # What the part has started ends with it, inside the planted bug; the first broken promise is enough.
    with PARTS[name].mutants[bug](), contextlib.closing(PARTS[name].run("quick", tmp_path)) as figures:
        assert any(figure.held is False for figure in figures)
