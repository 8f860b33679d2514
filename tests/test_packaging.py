"""The built wheel and sdist hold the whole product, one by one, and the wheel runs in a clean environment."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from wheels import OURS, REPOSITORY, run, tracked_files

pytestmark = pytest.mark.xdist_group("wheel")  # built once


def test_the_wheel_holds_every_tracked_file_of_our_packages_and_no_other(built):
    with zipfile.ZipFile(built.wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert inside == {name for name in tracked_files() if name.split("/")[0] in OURS}


def test_the_sdist_holds_every_tracked_file_docs_and_tests_included(built):
    with tarfile.open(built.sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name for name in tracked_files() if not name.startswith(".")}  # CI is not for who builds
    assert wanted <= inside, sorted(wanted - inside)


def test_every_folder_of_modules_is_a_package():
    modules = [Path(name) for name in tracked_files() if name.endswith(".py") and name.split("/")[0] in OURS]
    without = {
        str(path.parent) for path in modules if not (REPOSITORY / path.parent / "__init__.py").is_file()
    }
    assert not without


def test_every_module_of_the_wheel_imports(installed, tmp_path):
    code = """
import importlib, pkgutil, sys
import napari_lightvessel, src_training
seen = 0
for package in (src_training, napari_lightvessel):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            assert importlib.import_module(found.name).__file__.startswith(sys.prefix), found.name
            seen += 1
print(seen)
"""
    done = run([installed / "python", "-I", "-c", code], cwd=tmp_path)
    modules = [name for name in tracked_files() if name.endswith(".py") and name.split("/")[0] in OURS]
    runnable = [name for name in modules if name.endswith("__main__.py")]
    assert int(done.stdout.split()[-1]) == len(modules) - len(runnable) - len(OURS)


def test_napari_finds_the_manifest_and_every_command_resolves(installed, tmp_path):
    code = """
import warnings; warnings.simplefilter("ignore")
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name
found = PluginManifest.from_distribution("napari-lightvessel")
commands = found.contributions.commands
for command in commands:
    assert callable(import_python_name(command.python_name)), command.id
print(len(commands), len(found.contributions.widgets))
"""
    done = run([installed / "python", "-I", "-c", code], cwd=tmp_path)
    commands, widgets = (int(n) for n in done.stdout.split())
    assert commands >= 4 and widgets == 1


def test_the_shipped_models_segment_outside_the_checkout(installed, tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 96, 128), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "run.tif", frames, photometric="minisblack")
    for model in ("small", "small-syntax"):
        out = f"out-{model}"
        words = [installed / "lightvessel", "segment", "run.tif", "-o", out, "--model", model, "--json"]
        assert json.loads(run(words, cwd=tmp_path).stdout)["frames"] == 3
        assert tifffile.imread(tmp_path / out / "run.tif").shape == (3, 96, 128)


def test_samples_replay_pack_and_home_panel_are_inside(installed, tmp_path):
    code = "from src_training.samples import *; print(len(sample_frames()), len(replay_frames()), len(home_frames()))"
    assert run([installed / "python", "-I", "-c", code], cwd=tmp_path).stdout.split() == ["3", "64", "40"]


def test_shipped_files_stay_small():
    package = REPOSITORY / "src_training"
    samples = sum(path.stat().st_size for path in (package / "samples").rglob("*") if path.is_file())
    assert samples < 8e6
    for model in (package / "models" / "weights").iterdir():
        teacher = json.loads((model / "card.json").read_text())["parameters"] > 2e6
        assert sum(path.stat().st_size for path in model.iterdir()) < (25e6 if teacher else 4e6), model.name
