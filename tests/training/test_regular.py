"""Promises of reading what others give: a pipe, a device or an endless file is one line at once, and no waiting."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from durable_disks import frame, mask

from src_training.cli import main
from src_training.dataset.keyring import read_key
from src_training.errors import DatasetError
from src_training.regular import NotRegular, read_regular, size_of_regular
from src_training.workspace import Workspace

_PATIENCE_S = 20


@pytest.fixture(autouse=True)
def impatient():
    """What waits for the writer of a pipe fails instead of keeping the tests."""

    def give_up(*_):
        raise AssertionError("waits for somebody to write into a pipe")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_PATIENCE_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    made = Workspace.create(tmp_path / "ws")
    for seed in range(2):
        made.dataset.append(frame(seed), mask(seed))
    return made


def pipe(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def endless(path: Path) -> Path:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")
    return path


def huge(path: Path) -> Path:
    """Without a byte on the disk."""
    with path.open("wb") as file:
        file.truncate(1 << 40)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


ODD = {
    "a pipe, not a file": pipe,
    "a device, not a file": endless,
    "a folder, not a file": folder,
    "larger than 0.5 MiB": huge,
}


@pytest.mark.parametrize("reason", ODD)
def test_what_is_no_ordinary_file_is_refused_with_the_reason(tmp_path, reason):
    path = ODD[reason](tmp_path / "odd")
    for look in (read_regular, size_of_regular):
        with pytest.raises(NotRegular) as refused:
            look(path, 1 << 19)
        assert refused.value.strerror == reason


def test_an_ordinary_file_is_read_whole_and_a_link_only_where_links_are_followed(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_regular(tmp_path / "link", 5) == b"12345"
    assert size_of_regular(tmp_path / "link") == 5
    with pytest.raises(NotRegular, match="a link, not a file"):
        size_of_regular(tmp_path / "link", follow=False)


def images(tmp_path: Path) -> list[str]:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").write_bytes(imagecodecs.png_encode(np.zeros((32, 32), np.uint8)))
    return ["--images", str(tmp_path / "images")]


SOURCES = {
    "--coco": lambda tmp, odd: [*images(tmp), "--coco", odd(tmp / "odd")],
    "nnU-Net": lambda tmp, odd: ["--nnunet", odd(pipe(tmp / "nn" / "dataset.json")).parent],
    "an archive": lambda tmp, odd: [odd(tmp / "odd")],
    "--patients": lambda tmp, odd: [*images(tmp), "--masks", tmp / "images", "--patients", odd(tmp / "odd")],
}


@pytest.mark.parametrize("reason", list(ODD)[:2])
@pytest.mark.parametrize("what", SOURCES)
def test_an_import_of_it_is_one_line(workspace, tmp_path, capsys, what, reason):
    words = SOURCES[what](tmp_path, ODD[reason])
    assert main(["dataset", "import", str(workspace.path), *map(str, words)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and reason in said


def test_a_site_key_from_a_pipe_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"a pipe, not a file\. Give the file with the site key"):
        read_key(pipe(tmp_path / "key"))


@pytest.mark.parametrize("name", ["r0001-*.json", "image-*.png", "mask-*.png"])
def test_a_workspace_with_a_pipe_in_it_is_told_and_never_waited_for(workspace, tmp_path, capsys, name):
    pipe(next((workspace.path / "dataset" / "cases").rglob(name)))
    place = str(workspace.path)
    for words, code in (
        (["dataset", "export", place, "-o", str(tmp_path / "out")], 2),
        (["dataset", "verify", place], 1),
        (["dataset", "verify", place, "--deep"], 1),
        (["doctor", place], 1),
    ):
        assert main(words) == code
        told = capsys.readouterr()
        assert "a pipe, not a file" in told.out + told.err and "Traceback" not in told.err


def test_a_workspace_whose_facts_are_a_pipe_is_no_workspace(workspace, tmp_path, capsys):
    inside = shutil.copytree(workspace.path / "dataset", tmp_path / "loose")
    pipe(inside / "dataset.json")
    pipe(workspace.path / "dataset" / "dataset.json")
    for place in (inside, workspace.path):
        assert main(["dataset", "list", str(place)]) == 2
        assert "not a workspace" in capsys.readouterr().err


RUN_FILES = dict.fromkeys(["process.json", "launch.json", "log.txt"], "interrupted") | {
    "events.jsonl": "damaged"
}


@pytest.mark.parametrize("name", RUN_FILES)
def test_a_run_with_a_pipe_in_it_is_listed_and_never_waited_for(workspace, capsys, name):
    folder = workspace.path / "runs" / "20260101T000000-finetune-abcd"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"kind": "finetune", "settings": {}}')
    pipe(folder / name)
    assert main(["runs", "list", str(workspace.path)]) == 0
    assert RUN_FILES[name] in capsys.readouterr().out
