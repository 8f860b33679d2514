"""Promises of `models import`: weights from elsewhere become a model only if they fit, and nothing in them runs."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import pytest
import torch
from hostile_pickles import hostile_files
from safetensors.torch import load_file, save_file

from src_training import Workspace, load_model
from src_training.cli import main
from src_training.models import foreign, importing

SMALL = load_model("small")


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "ws")


def weights() -> dict[str, torch.Tensor]:
    return load_file(SMALL.folder / "weights.safetensors")


def take_in(workspace: Workspace, path: Path, *more: str) -> int:
    return main(["models", "import", str(workspace.path), str(path), *more])


SAVED = {
    "plain.pt": lambda path: torch.save(weights(), path),
    "wrapped.pth": lambda path: torch.save({"state_dict": weights(), "epoch": 3}, path),
    "twice.pt": lambda path: torch.save({"model": {"state_dict": weights()}}, path),
    "full.safetensors": lambda path: save_file({n: t.float() for n, t in weights().items()}, path),
}


@pytest.mark.parametrize("name", SAVED)
def test_weights_that_fit_become_a_model_of_the_workspace(workspace, tmp_path, capsys, name):
    SAVED[name](tmp_path / name)
    assert take_in(workspace, tmp_path / name, "--name", "theirs", "--json") == 0
    model = workspace.models.get(json.loads(capsys.readouterr().out)["model_id"])
    assert model.id.startswith("theirs-") and model.card.architecture == SMALL.card.architecture
    assert (model.card.threshold, model.card.label_protocol) == (SMALL.card.threshold, "full-tree")
    assert "not trained here" in model.card.trained_on and workspace.models.current() is None
    before, after = weights(), load_file(model.folder / "weights.safetensors")
    assert all(torch.equal(before[n].float(), after[n].float()) for n in before)


def changed(**changes) -> dict[str, torch.Tensor]:
    return {**weights(), **changes}


FIRST = next(iter(weights()))
UNFIT = {
    "missing": (lambda: {n: t for n, t in weights().items() if n != FIRST}, "does not fit"),
    "one more": (lambda: changed(extra=torch.zeros(2)), "does not fit"),
    "another shape": (lambda: changed(**{FIRST: torch.zeros(3)}), "does not fit"),
    "NaN": (lambda: changed(**{FIRST: weights()[FIRST] * float("nan")}), "non-finite"),
    "numbers": (lambda: {"a": 3}, "'a' is no weight"),
    "a list": (lambda: [1, 2], "no dictionary of weights"),
    "nothing": (dict, "no dictionary of weights"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_weights_that_do_not_fit_are_a_line(workspace, tmp_path, capsys, what):
    make, line = UNFIT[what]
    torch.save(make(), tmp_path / "a.pt")
    assert take_in(workspace, tmp_path / "a.pt") == 2
    said = capsys.readouterr().err
    assert "a.pt: " in said and line in said and "Traceback" not in said
    assert workspace.models.ids() == []


def test_forty_hostile_pickles_run_nothing(tmp_path):
    """Through the converting process's own code, in this process, so that an execution would be seen here."""
    mark = tmp_path / "executed"
    files = hostile_files(tmp_path / "files", mark)
    for path in files:
        with pytest.raises(SystemExit) as ended:
            foreign.main(path, tmp_path / "out.safetensors")
        assert ended.value.code, path.name
    assert len(files) >= 40 and not mark.exists() and not (tmp_path / "out.safetensors").exists()


@pytest.fixture(autouse=True)
def uncapped(monkeypatch):
    """The cap is for the process of its own; here it would hold for all tests that follow."""
    monkeypatch.setattr(foreign, "_cap_memory", lambda: None)


BROKEN = {
    "empty": b"",
    "text": b"hello",
    "half a zip": b"PK\x03\x04" + bytes(40),
    "a header that lies": struct.pack("<Q", 2**60) + b"{}",
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_broken_files_are_a_line(workspace, tmp_path, capsys, what, ending):
    path = tmp_path / f"b{ending}"
    path.write_bytes(BROKEN[what])
    assert take_in(workspace, path) == 2
    said = capsys.readouterr().err
    assert f"b{ending}: not usable as weights" in said and "Traceback" not in said
    assert "weights_only" not in said  # PyTorch tells how to run what is in the file


def test_what_no_file_of_weights_can_be_is_named(workspace, tmp_path, capsys):
    assert take_in(workspace, tmp_path) == take_in(workspace, tmp_path / "nowhere.pt") == 2
    said = capsys.readouterr().err
    assert f"{tmp_path.name}: a folder, not a file" in said and "nowhere.pt: there is no such file" in said


def test_a_file_that_never_ends_to_be_read_is_given_up(workspace, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(importing, "_PATIENCE_S", 0.2)
    SAVED["plain.pt"](tmp_path / "slow.pt")
    assert take_in(workspace, tmp_path / "slow.pt") == 2
    assert "slow.pt: took longer than" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="no cap on the memory there")
def test_a_file_that_wants_all_memory_ends_with_its_process(workspace, tmp_path, capsys):
    torch.save(
        {"a": torch.zeros(1).expand(4 * 10**9)}, tmp_path / "bomb.pt"
    )  # one number that says it is many
    assert take_in(workspace, tmp_path / "bomb.pt") == 2
    said = capsys.readouterr().err
    assert "bomb.pt: not usable as weights" in said and "memory" in said


def test_what_is_no_file_or_no_name_is_a_line(workspace, tmp_path, capsys):
    assert take_in(workspace, tmp_path / "none.pt") == 2
    assert "none.pt: there is no such file" in capsys.readouterr().err
    SAVED["plain.pt"](tmp_path / "a.pt")
    assert take_in(workspace, tmp_path / "a.pt", "--name", "../x") == 2
    assert "lower-case letters" in capsys.readouterr().err
