"""Shared fixtures: the user's own settings are never touched, real data is used where it is present."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
from wheels import Built, build_from_tracked_files, fresh_environment

REPOSITORY = Path(__file__).resolve().parent.parent
WINDOWS = REPOSITORY / "tests" / "plugin"
SHARED_DATA = Path(os.environ.get("LIGHTVESSEL_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))

# One commit has one verdict: made-up instances are the same in every run. HYPOTHESIS_PROFILE=default makes new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all windows in one worker of pytest-xdist: two of them would take each other's focus.

    Here and first of its kind: from the folder's own conftest.py the mark comes after pytest-xdist has looked for it.
    """
    for item in items:
        if WINDOWS in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("windows"))


@pytest.fixture(autouse=True)
def private_user_folders(tmp_path, monkeypatch):
    """Site key, caches and napari settings of a test live and die with the test."""
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "user-config"))
    monkeypatch.setenv("LIGHTVESSEL_CACHE_DIR", str(tmp_path / "user-cache"))
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "napari.yaml"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real angiograms; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder of real angiograms (shared/data) is not present")
    return SHARED_DATA


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Built:
    """Our sdist and the wheel built from it, as a clean clone gives them."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout: the list of files to package is unknown")
    return build_from_tracked_files(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(built, tmp_path_factory) -> Path:
    """The ``bin`` folder of a fresh environment that holds our wheel; dependencies are lent by ours."""
    return fresh_environment(tmp_path_factory.mktemp("installed"), built.wheel)
