"""``lightvessel doctor``: what it looks at, and that it notices what is broken."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from src_training import checkup
from src_training.cli import main


@pytest.fixture
def findings(tmp_path, monkeypatch):
    """Findings of a fresh look, with a settings folder of its own."""
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "config"))
    return lambda: list(checkup.examine())


def test_a_sound_installation_has_no_problems(findings, capsys):
    assert main(["doctor", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["level"] for one in found} <= {"ok", "note"}
    looked_at = {one["code"] for one in found}
    assert {
        "version",
        "python",
        "package",
        "plugin",
        "cpu",
        "device",
        "model",
        "runtime",
        "agreement",
    } <= looked_at
    packages = {one["text"].split()[0] for one in found if one["code"] == "package"}
    assert {"napari", "torch", "openvino", "pydicom", "imagecodecs"} <= packages


def test_a_missing_package_and_one_too_old_are_told_with_the_command(findings, monkeypatch):
    versions = {"pydicom": None, "imagecodecs": "2019.1"}
    real = checkup._version
    monkeypatch.setattr(checkup, "_version", lambda name: versions[name] if name in versions else real(name))
    problems = {one.text: one.cure for one in findings() if one.level == "problem"}
    assert set(problems) == {"pydicom is missing", "imagecodecs 2019.1 does not do"}
    assert all(cure.startswith("pip install") for cure in problems.values())


def test_damaged_weights_are_told(findings, monkeypatch, tmp_path):
    from src_training.models import library

    shutil.copytree(library.SHIPPED, tmp_path / "weights")
    weights = tmp_path / "weights" / "small-syntax" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    monkeypatch.setattr(library, "SHIPPED", tmp_path / "weights")
    (problem,) = [one for one in findings() if one.level == "problem"]
    assert problem.code == "model" and "small-syntax" in problem.text


def test_runtimes_that_disagree_are_told(findings, monkeypatch):
    real = checkup._timed

    def one_is_off(runtime, frame):
        probability, milliseconds = real(runtime, frame)
        return probability + (0.01 if runtime == "torch" else 0), milliseconds

    monkeypatch.setattr(checkup, "_timed", one_is_off)
    (problem,) = [one for one in findings() if one.level == "problem"]
    assert problem.code == "agreement"


def test_a_settings_folder_that_cannot_be_written_is_told(findings, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "file"))
    assert main(["doctor"]) == 1
    assert "✗ settings" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="no such rights on Windows")
def test_the_users_folder_is_the_users_only_whatever_the_umask(tmp_path, monkeypatch, capsys):
    from durable_disks import frame, mask

    from src_training import Workspace
    from src_training.dataset.outbox import Outbox
    from src_training.dataset.sources import Source, Sources

    home = tmp_path / "a" / "config"
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(home))
    before = os.umask(0)
    try:
        dataset = Workspace.create(tmp_path / "ws").dataset
        saved = dataset.append(frame(1), mask(1))
        Outbox(dataset).keep(dataset.prepare(frame(2), mask(2)))
        Sources(dataset).remember(saved.case, Source("IM1", 0, "p"))
        main(["doctor"])
    finally:
        os.umask(before)
    made = [home.parent, home, *(path for path in home.rglob("*") if path.is_dir())]
    assert len(made) > 4 and {path.stat().st_mode & 0o777 for path in made} == {0o700}
    assert "anybody may write there" not in capsys.readouterr().out
    home.chmod(0o777)
    assert main(["doctor"]) == 1
    assert "anybody may write there" in capsys.readouterr().out
