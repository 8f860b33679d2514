"""The built wheel and sdist hold the whole product, one by one, and the wheel runs in a clean environment."""

from __future__ import annotations

import email.policy
import json
import re
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
import tifffile
from wheels import OURS, REPOSITORY, run, tracked_files

import src_training
from src_training.models.library import builtin_model

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


def test_the_version_is_written_once(built):
    (said,) = re.findall(r'^__version__ = "(.+)"$', _text("src_training/__init__.py"), re.MULTILINE)
    assert built.wheel.name.split("-")[1] == said == src_training.__version__
    code = [name for name in tracked_files() if name.endswith((".py", ".toml", ".yaml", "Makefile"))]
    assert [name for name in code if f'"{said}"' in _text(name)] == ["src_training/__init__.py"]


def test_a_package_index_shows_the_readme_with_its_pictures_and_links(built):
    page = _metadata(built).get_payload()
    targets = re.findall(r"\]\(([^)]+)\)", page)
    assert targets and all(target.startswith(("https://", "#")) for target in targets)
    ours = [target.partition("/main/")[2] for target in targets if "/main/" in target]
    assert len(ours) >= 5 and all((REPOSITORY / path.partition("#")[0]).exists() for path in ours)
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page)
    assert pictures and all("/raw/main/docs/images/" in picture for picture in pictures)


def test_the_metadata_tells_licence_python_versions_and_where_to_ask(built):
    told = _metadata(built)
    assert told["License-Expression"] == "BSD-3-Clause AND Apache-2.0 AND CC0-1.0"
    assert set(told.get_all("License-File")) >= {"LICENSE", "NOTICE", "licences/Apache-2.0.txt"}
    assert {entry.split(",")[0] for entry in told.get_all("Project-URL")} >= {
        "Source",
        "Documentation",
        "Issues",
    }
    assert told["Keywords"] and told["Requires-Python"] == ">=3.11"
    versions = {
        entry.rpartition(" ")[2] for entry in told.get_all("Classifier") if ":: Python :: 3." in entry
    }
    assert versions == {"3.11", "3.12", "3.13"}


def test_all_installs_no_test_tools(built):
    wanted = [
        entry
        for entry in _metadata(built).get_all("Requires-Dist")
        if re.search(r"extra == ['\"]all['\"]", entry)
    ]
    assert wanted and not any(re.match(r"pytest|mypy|ruff|hypothesis|build|zarr", entry) for entry in wanted)


@pytest.mark.parametrize("teacher", ["teacher", "teacher-syntax"])
def test_weights_that_started_from_others_name_their_licence(teacher):
    card = builtin_model(teacher).card
    assert "Apache-2.0" in card.licence and "EfficientNet-Lite0" in _text("NOTICE")
    assert "END OF TERMS AND CONDITIONS" in _text("licences/Apache-2.0.txt")


def _text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def _metadata(built) -> Message:
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = [entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name), policy=email.policy.default)
