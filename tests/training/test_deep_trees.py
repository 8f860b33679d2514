"""Promises of folders in folders without end, and of the root of a drive: nobody waits, and nothing is passed over."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from src_training import Workspace, confined
from src_training.cli import main


@pytest.fixture
def opened(monkeypatch):
    """How many folders were opened on the way to something."""
    count = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda *given, **named: count.append(1) or real(*given, **named))
    return count


@pytest.mark.parametrize("place", ["dataset/x", "dataset/cases/zz", "runs/x", "models/.x"])
def test_deeply_nested_folders_are_told_and_not_gone_through(workspace, deep, opened, capsys, place):
    deep(workspace.path / place, 3000)
    opened.clear()
    assert main(["doctor", str(workspace.path)]) == 0
    assert len(opened) < 10_000  # going down all of it took 4,500,000 for each look
    found = [line for line in capsys.readouterr().out.splitlines() if "not looked into" in line]
    inside = place.removeprefix("dataset/").split("/")[:2]
    assert len(found) == 1 and "N02" in found[0]
    assert os.sep.join(inside) in found[0]


def test_a_link_among_them_is_still_told(workspace, tmp_path, deep):
    place = workspace.path / "dataset" / "x" / "y" / "z"
    deep(place, 40)
    (place / "link").symlink_to(tmp_path)
    assert any("x/y/z/link is a link" in line for line in workspace.dataset.verify().problems)


def test_a_walk_goes_to_a_folder_once_however_much_is_in_it(workspace, opened):
    folder = workspace.path / "dataset" / "cases" / "zz"
    folder.mkdir()
    for number in range(300):
        (folder / str(number)).touch()
    opened.clear()
    assert sum(1 for _ in confined.walk(workspace.path)) > 300
    assert len(opened) < 100


def test_a_tree_too_deep_to_be_removed_ends_nothing(tmp_path, deep):
    deep(tmp_path / "tree", 3000)
    confined.confine(tmp_path)
    confined.remove_tree(tmp_path / "tree")


@pytest.mark.skipif(os.name == "nt", reason="the root of a drive has another name there")
def test_the_root_of_a_drive_is_confined_like_any_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(confined, "_roots", Counter())
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    confined.confine("/")
    assert confined.is_confined(tmp_path) and not confined.is_confined(type(tmp_path)("/"))
    assert not confined.is_folder(tmp_path / "link") and confined.is_folder(tmp_path / "there")
    with pytest.raises(confined.Leads):
        confined.names_in(tmp_path / "link")
    monkeypatch.setattr(confined, "_BY_DESCRIPTOR", False)
    with pytest.raises(confined.Leads):
        confined.names_in(tmp_path / "link")


def test_a_workspace_opens_as_before(workspace):
    assert Workspace.open(workspace.path).dataset.verify().sound
