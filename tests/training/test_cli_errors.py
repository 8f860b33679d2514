"""Promises of every command about disks and streams that refuse: one line, exit 2, and never a traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import imagecodecs
import pytest
from durable_disks import RefusingDisk, frame, mask

from src_training import durable
from src_training.cli import main
from src_training.models import ModelStore
from src_training.workspace import Workspace

REPOSITORY = Path(__file__).parents[2]
LONG = "y" * 256


def refused(capsys, *words) -> str:
    """The one line of a command that is refused."""
    code, said = main([*map(str, words)]), capsys.readouterr()
    assert code == 2 and said.out == "" and said.err.startswith("lightvessel: ") and said.err.count("\n") == 1
    return said.err


TOO_LONG = {
    "init": ["dataset", "init"],
    "verify": ["dataset", "verify"],
    "doctor": ["doctor"],
    "show": ["models", "show"],
}


@pytest.mark.parametrize("what", TOO_LONG)
def test_a_name_that_no_disk_takes_is_a_line(what, tmp_path, capsys):
    assert "too long. Use a shorter one." in refused(capsys, *TOO_LONG[what], tmp_path / LONG)


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("action", ["promote", "keep"])
def test_a_decision_that_the_disk_refuses_is_a_line(workspace, model_id, action, reason, monkeypatch, capsys):
    monkeypatch.setattr(durable, "disk", RefusingDisk(workspace.path, reason))
    words = ["--override", "because"] if action == "promote" else []
    assert os.strerror(reason) in refused(capsys, "models", action, workspace.path, model_id, *words)
    assert workspace.models.current() is None


def test_a_folder_that_one_may_not_enter_is_a_line_without_the_folders_above_it(
    workspace, monkeypatch, capsys
):
    def forbidden(folder, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder / "cases"))

    monkeypatch.setattr("src_training.dataset.verify.verify_folder", forbidden)
    cure = "Ask for read and write permission, or use a folder that you may use."
    line = f"lightvessel: cases: Permission denied. {cure}\n"
    assert refused(capsys, "dataset", "verify", workspace.path) == line


def test_doctor_tells_what_stands_in_place_of_the_models_and_goes_on(workspace, capsys):
    (workspace.path / "models").rmdir()
    (workspace.path / "models").write_text("x")
    assert main(["doctor", str(workspace.path)]) == 1
    said = capsys.readouterr().out
    assert "models: Not a directory" in said and "0 cases" in said


def test_doctor_goes_on_where_the_dataset_or_the_models_may_not_be_read(workspace, monkeypatch, capsys):
    def forbidden(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("src_training.dataset.Dataset.open", forbidden)
    monkeypatch.setattr(ModelStore, "ids", forbidden)
    (workspace.path / "models" / "some").mkdir()
    assert main(["doctor", str(workspace.path)]) == 1
    assert "models: Permission denied" in capsys.readouterr().out


def test_endless_epochs_are_refused(workspace, capsys):
    workspace.dataset.append(frame(1), mask(1))
    assert "--epochs inf: not a number" in refused(capsys, "finetune", workspace.path, "--epochs", "inf")


# -- streams ---------------------------------------------------------------------------------------------------


def shell(line: str, *words) -> subprocess.CompletedProcess[str]:
    """A command by ``sh``; in ``line`` it is ``"$@"``."""
    command = ["sh", "-c", line, "sh", sys.executable, "-m", "src_training", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def pairs(tmp_path):
    """The words that import three frames."""
    for kind, made in (("images", lambda seed: frame(seed).pixels), ("masks", mask)):
        (tmp_path / kind).mkdir()
        for seed in range(3):
            (tmp_path / kind / f"{seed}.png").write_bytes(imagecodecs.png_encode(made(seed)))
    return ["--images", tmp_path / "images", "--masks", tmp_path / "masks"]


@pytest.mark.skipif(os.name == "nt", reason="a shell's streams")
@pytest.mark.parametrize(("stream", "said"), [(">&-", ""), ("2>&-", "saved")])
def test_a_closed_stream_ends_nothing_and_nothing_else_takes_its_place(workspace, pairs, stream, said):
    done = shell(f'"$@" {stream}', "dataset", "import", workspace.path, *pairs)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert all(line.startswith("saved ") for line in done.stdout.splitlines())
    assert done.stdout.startswith(said) and len(workspace.dataset.heads()) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_results_that_nobody_takes_are_a_line_that_says_how_far_it_came(workspace, pairs):
    words = ["dataset", "import", workspace.path, *pairs]
    full = shell('"$@" >/dev/full', *words)
    assert full.returncode == 2 and "1 of 3 saved" in full.stderr and full.stderr.count("\n") == 1
    gone = shell('{ sleep 0.01; "$@"; echo "code $?" >&2; } | true', *words)
    assert "nobody reads the results any more" in gone.stderr and "1 of 3 saved" in gone.stderr
    assert gone.stderr.splitlines()[-1] == "code 2" and gone.stderr.count("\n") == 2
    elsewhere = Workspace.create(workspace.path.parent / "elsewhere")
    full = shell('"$@" >/dev/full', "dataset", "import", elsewhere.path, workspace.path)
    assert full.returncode == 2 and "1 saved" in full.stderr and len(elsewhere.dataset.heads()) == 1
