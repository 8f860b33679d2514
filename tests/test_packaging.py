"""The built wheel, installed in a clean environment, is the whole product."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
import tifffile

REPOSITORY = Path(__file__).resolve().parent.parent
OUTSIDE = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "DISPLAY", "VIRTUAL_ENV")}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The ``bin`` folder of a fresh environment that holds our wheel; dependencies are lent by ours."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    files = _tracked_files()
    for name in files:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((REPOSITORY / name).read_bytes())
    _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place, source], cwd=place)
    environment = place / "venv"
    venv.create(environment, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))
    # Packages of this path are visible, but its .pth files (our editable install) are not run.
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = next(environment / folder for folder in ("bin", "Scripts") if (environment / folder).exists())
    (wheel,) = place.glob("*.whl")
    _run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            python / "python",
            "install",
            "--no-deps",
            "--no-index",
            wheel,
        ]
    )
    return python


def _tracked_files() -> list[str]:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout: the list of files to package is unknown")
    listed = _run(["git", "ls-files"], cwd=REPOSITORY).stdout.split("\n")
    return [name for name in listed if name and (REPOSITORY / name).is_file()]


def _run(command, cwd=None, check=True) -> subprocess.CompletedProcess:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, env=OUTSIDE)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


def test_the_code_comes_from_the_wheel(installed, tmp_path):
    done = _run(
        [installed / "python", "-c", "import src_training; print(src_training.__file__)"], cwd=tmp_path
    )
    assert Path(done.stdout.strip()).is_relative_to(installed.parent)


def test_napari_finds_the_manifest_and_every_command_resolves(installed, tmp_path):
    code = """
import warnings; warnings.simplefilter("ignore")
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name
found = PluginManifest.from_distribution("napari-lightvessel")
commands = found.contributions.commands
for command in commands:
    if command.python_name and "_dock" not in command.python_name:
        assert callable(import_python_name(command.python_name)), command.id
print(len(commands), len(found.contributions.widgets))
"""
    done = _run([installed / "python", "-c", code], cwd=tmp_path)
    commands, widgets = (int(n) for n in done.stdout.split())
    assert commands >= 4 and widgets == 1


def test_the_shipped_models_segment_outside_the_checkout(installed, tmp_path):
    rng = np.random.default_rng(0)
    tifffile.imwrite(
        tmp_path / "run.tif", rng.integers(0, 255, (3, 96, 128), dtype=np.uint8), photometric="minisblack"
    )
    for model in ("small", "small-syntax"):
        done = _run(
            [
                installed / "lightvessel",
                "segment",
                "run.tif",
                "-o",
                f"out-{model}",
                "--model",
                model,
                "--json",
            ],
            cwd=tmp_path,
        )
        assert json.loads(done.stdout)["frames"] == 3
        assert tifffile.imread(tmp_path / f"out-{model}" / "run.tif").shape == (3, 96, 128)


def test_samples_replay_pack_and_home_panel_are_inside(installed, tmp_path):
    code = "from src_training.samples import *; print(len(sample_frames()), len(replay_frames()), len(home_frames()))"
    assert _run([installed / "python", "-c", code], cwd=tmp_path).stdout.split() == ["3", "64", "40"]


def test_shipped_files_stay_small():
    package = REPOSITORY / "src_training"
    samples = sum(path.stat().st_size for path in (package / "samples").rglob("*") if path.is_file())
    assert samples < 8e6
    for model in (package / "models" / "weights").iterdir():
        teacher = json.loads((model / "card.json").read_text())["parameters"] > 2e6
        assert sum(path.stat().st_size for path in model.iterdir()) < (25e6 if teacher else 4e6), model.name
