"""What setup.py claims as lowest versions is what `make test-lowest` installs, and a resolvable set holds it."""

from __future__ import annotations

import email
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from wheels import REPOSITORY

EXTRAS = ("pyqt5", "formats", "video")
pytestmark = pytest.mark.xdist_group("wheel")  # built once


def _pins(name: str) -> dict[str, Version]:
    lines = [line.partition("#")[0].strip() for line in (REPOSITORY / name).read_text().splitlines()]
    return {k.lower(): Version(v) for k, _, v in (line.partition("==") for line in lines if line)}


@pytest.fixture(scope="module")
def claimed(built) -> dict[str, Requirement]:
    """Our requirements by name, those of the extras that `make test-lowest` installs among them."""
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = [entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA")]
        told = email.message_from_bytes(archive.read(name)).get_all("Requires-Dist") or []
    wanted = [Requirement(entry) for entry in told]
    return {
        r.name.lower(): r for r in wanted if r.marker is None or any(_is_of(r, extra) for extra in EXTRAS)
    }


def _is_of(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})


def test_every_lower_bound_is_the_version_that_the_lowest_set_installs(claimed):
    pins = _pins("constraints-lowest.txt")
    bounds = {
        name: Version(s.version) for name, r in claimed.items() for s in r.specifier if s.operator == ">="
    }
    assert set(bounds) == set(claimed), "a requirement without a lower bound"
    assert {name: pins.get(name) for name in bounds} == bounds


def test_the_tested_set_fits_what_setup_py_asks_for(claimed):
    pins = _pins("constraints.txt")
    assert not [name for name, r in claimed.items() if not r.specifier.contains(pins[name])]


def test_numpy_1_is_not_claimed(claimed):
    assert not claimed["numpy"].specifier.contains("1.26.4")
