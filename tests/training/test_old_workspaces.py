"""A workspace as written before decisions were numbered and sealed, and its user's own folder: nothing is lost."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from durable_disks import frame, mask

from src_training import Workspace
from src_training.cli import main

PACKED = Path(__file__).resolve().parents[1] / "fixtures" / "workspace-of-0.1.0.zip"


@pytest.fixture
def unpacked(tmp_path) -> Path:
    """``ws``, and ``config`` with the site key and the notes of whoever made it."""
    with zipfile.ZipFile(PACKED) as archive:
        for name in archive.namelist():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(archive.read(name))
    return tmp_path


@pytest.fixture
def mine(unpacked, monkeypatch) -> Workspace:
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(unpacked / "config"))
    return Workspace.open(unpacked / "ws")


def test_its_frames_are_there_and_go_on(mine):
    dataset = mine.dataset
    assert dataset.verify(deep=True).sound
    (accepted,) = dataset.heads(status="accepted")
    assert accepted.seq == 2 and np.array_equal(accepted.mask(), mask(2))
    assert len(dataset.heads(status="rejected")) == 1
    (judged,) = dataset.load_snapshot("judged").revisions
    assert judged.seq == 1
    assert dataset.append(frame(1), mask(5)).seq == 3


def test_its_model_serves_its_user_unasked_and_its_history_goes_on(mine):
    store = mine.models
    live = store.current()
    assert live.card.name == "candidate" and store.warning() is None and store.previous().card.name == "tiny"
    assert [one["action"] for one in store.history()] == ["promoted", "kept", "promoted"]
    assert store.rollback(by="reader-2").card.name == "tiny"
    again = Workspace.open(mine.path).models
    assert [one["action"] for one in again.history()][-1] == "rolled back" and again.previous().id == "small"
    assert json.loads((again.folder / "current.json").read_text())["model"] == again.current().id


def test_another_user_is_asked_about_its_model(unpacked, capsys):
    store = Workspace.open(unpacked / "ws").models
    assert store.current() is None and store.unjudged().card.name == "candidate"
    assert "came with this workspace, not judged here" in store.warning()


def test_its_run_is_told_and_doctor_finds_nothing(mine, capsys):
    (run,) = mine.runs.list()
    assert run.status().status == "finished"
    assert main(["doctor", str(mine.path)]) == 0
    assert "all is well" in capsys.readouterr().err
