"""Below a confined root no link is followed, whichever name on the way it has and whatever is done there."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import stat
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src_training import Workspace, confined, durable
from src_training.dataset import Dataset
from src_training.errors import DatasetError
from src_training.regular import read_regular, size_of_regular

posix = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
pytestmark = posix


@pytest.fixture(params=[True, False], ids=["by descriptors", "by names, as on Windows"])
def way(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(confined, "_BY_DESCRIPTOR", False)
    return request.param


@pytest.fixture
def places(tmp_path):
    """A confined folder with files three deep, and a folder of the user's own."""
    return made_in(tmp_path)


def made_in(folder: Path) -> tuple[Path, Path]:
    root, outside = folder / "ws", folder / "own"
    for base in (root, outside):
        (base / "a" / "b").mkdir(parents=True)
        for place in ("f", "a/f", "a/b/f"):
            (base / place).write_bytes(b"0123456789\n")
    return confined.confine(root), outside


def everything(folder: Path) -> dict[str, bytes | str]:
    """Every name with its content, or where it leads."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = os.readlink(path)
        else:
            found[str(path)] = path.read_bytes() if path.is_file() else "folder"
    return found


ACTS = {
    "read": lambda path: read_regular(path, 1 << 20),
    "size": lambda path: size_of_regular(path),
    "write new": lambda path: durable.write_new(path, b"mine"),
    "write new beside": lambda path: durable.write_new(path.with_name("new"), b"mine"),
    "replace beside": lambda path: durable.replace(path.with_name("new"), b"mine"),
    "append": lambda path: durable.append_line(path, {"a": 1}),
    "append beside": lambda path: durable.append_line(path.with_name("new"), {"a": 1}),
    "shorten": lambda path: durable.shorten(path, 3),
    "rename": lambda path: durable.rename(path, path.with_name("other")),
    "rename onto": lambda path: durable.rename(_made(path.with_name("new")), path),
    "remove": confined.remove,
    "make a folder": lambda path: durable.make_dir(path.with_name("deep") / "deeper"),
    "publish a folder": lambda path: durable.publish_dir(path.parent, path.parent.with_name("moved")),
    "remove a tree": lambda path: confined.remove_tree(path.parent),
    "list": lambda path: confined.names_in(path.parent),
    "sync": lambda path: durable.sync_dir(path.parent),
    "walk": lambda path: [*confined.walk(path.parent.parent)],
}


def _made(path: Path) -> Path:
    durable.write_new(path, b"mine")
    return path


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("linked", ["a", "a/b", "a/b/f"])
@pytest.mark.parametrize("whole", [True, False], ids=["to what is there", "to nothing"])
def test_nothing_is_done_behind_a_link(places, way, act, linked, whole):
    root, outside = places
    os.rename(root / linked, root / "before")
    target = outside / linked
    if not whole:
        os.rename(target, outside / "elsewhere")
    os.symlink(target, root / linked)
    before = everything(outside)
    with contextlib.suppress(OSError):
        ACTS[act](root / "a" / "b" / "f")
    assert everything(outside) == before


@pytest.mark.parametrize("act", ["read", "write new", "append", "append beside", "list", "size", "shorten"])
def test_a_folder_on_the_way_that_is_a_link_is_named(places, way, act):
    root, outside = places
    os.rename(root / "a" / "b", root / "before")
    os.symlink(outside / "a" / "b", root / "a" / "b")
    with pytest.raises(confined.Leads, match="a/b is a link, and none is followed here"):
        ACTS[act](root / "a" / "b" / "f")


def test_what_is_behind_a_link_is_not_there(places, way):
    root, outside = places
    os.symlink(outside / "f", root / "link")
    os.symlink(outside, root / "folder")
    assert not confined.is_file(root / "link") and confined.is_there(root / "link")
    assert not confined.is_folder(root / "folder") and confined.is_there(root / "folder")
    assert not confined.is_there(root / "folder" / "f")
    assert stat.S_ISLNK(confined.status(root / "link").st_mode)


def test_names_do_not_climb(places, way):
    root, _ = places
    for path in (root / ".." / "own" / "f", root / "a" / ".." / ".." / "own" / "f"):
        with pytest.raises(confined.Leads, match="climbs out of its folder"):
            read_regular(path, 100)
        with pytest.raises(confined.Leads, match="climbs out of its folder"):
            durable.replace(path, b"mine")


def test_the_way_to_a_root_and_all_else_is_the_users_own(tmp_path, way):
    real = tmp_path / "real"
    (real / "ws").mkdir(parents=True)
    os.symlink(real, tmp_path / "drive")
    os.symlink(real / "ws", tmp_path / "favourite")
    for root in (confined.confine(tmp_path / "drive" / "ws"), confined.confine(tmp_path / "favourite")):
        durable.replace(root / "f", b"mine")
        assert read_regular(root / "f", 10) == b"mine" and confined.names_in(root) == ["f"]
    (tmp_path / "free").mkdir()
    os.symlink(real / "ws" / "f", tmp_path / "free" / "f")
    assert read_regular(tmp_path / "free" / "f", 10) == b"mine"


def test_a_relative_path_is_confined_as_well(places, way, monkeypatch):
    root, outside = places
    os.symlink(outside, root / "out")
    monkeypatch.chdir(root)
    with pytest.raises(confined.Leads):
        durable.replace(Path("out/f"), b"mine")
    monkeypatch.chdir(root.parent)
    with pytest.raises(confined.Leads):
        read_regular(Path("ws/out/f"), 100)


@pytest.mark.parametrize("inside", ["", "a", "a/b"])
def test_who_stands_in_a_workspace_names_the_users_own_files_as_anywhere(places, way, monkeypatch, inside):
    root, outside = places
    os.symlink(outside, root.parent / "favourite")
    monkeypatch.chdir(root / inside)
    up = Path(*[".."] * (1 + len(Path(inside).parts)))
    for path in (up / "favourite" / "f", (up / "favourite" / "f").absolute()):
        assert read_regular(path, 100) == b"0123456789\n" and not confined.is_confined(path)
        durable.replace(path.with_name("new"), b"mine")
    os.symlink(outside, root / "out")
    for path in (up / "ws" / "out" / "f", (up / "ws" / "out" / "f").absolute()):
        with pytest.raises(confined.Leads):  # and so back into it
            read_regular(path, 100)
    assert confined.confine(up / "ws") == root


def test_a_folder_that_is_no_workspace_stays_the_users_own(places, way):
    _, outside = places
    home = outside.parent / "home"
    (home / "full").mkdir(parents=True)
    os.symlink(outside, home / "pictures")
    for attempt in (Workspace.open, Dataset.open, Workspace.create, Dataset.create):
        with pytest.raises(DatasetError):
            attempt(home)
        assert read_regular(home / "pictures" / "f", 100) == b"0123456789\n"
    confined.confine(home)
    with pytest.raises(DatasetError):
        Workspace.open(home)
    assert confined.is_confined(home / "pictures")  # as whoever confined it before left it


def test_a_whole_drive_can_be_a_workspace(way, monkeypatch):
    monkeypatch.setattr(confined, "_roots", Counter())
    confined.confine(Path("/"))
    assert confined.is_confined(Path("/dataset/cases")) and not confined.is_confined(Path("/"))
    monkeypatch.setattr(confined.os, "sep", "\\")
    monkeypatch.setattr(confined, "_absolute", str)
    for root in ("E:\\", "\\\\server\\share\\"):
        monkeypatch.setattr(confined, "_roots", Counter([root.removesuffix("\\")]))
        assert confined.is_confined(f"{root}dataset\\cases") and not confined.is_confined(root)


def test_folders_in_each_other_without_end_end_a_walk_and_a_removal(places, monkeypatch):
    root, _ = places
    root.joinpath(*["d"] * 150).mkdir(parents=True)
    assert len([*confined.walk(root)]) < 100

    def too_deep(*args, **kwargs):
        raise RecursionError

    monkeypatch.setattr(shutil, "rmtree", too_deep)
    confined.remove_tree(root / "d")


def test_a_file_with_a_second_name_is_not_added_to(places, way):
    root, outside = places
    os.remove(root / "f")
    os.link(outside / "f", root / "f")
    for act in ("append", "shorten"):
        with pytest.raises(OSError, match="a second name"):
            ACTS[act](root / "f")
    durable.replace(root / "f", b"mine")  # another file takes the name
    assert (outside / "f").read_bytes() == b"0123456789\n"


def test_a_pipe_socket_or_device_is_not_added_to(places, way):
    root, _ = places
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(root / "s")[-100:] if len(str(root / "s")) < 100 else "\0lightvessel-test")
        for name in ("pipe", "s"):
            if (root / name).exists():
                with pytest.raises(OSError):
                    durable.append_line(root / name, {"a": 1})


@given(
    trees=st.lists(
        st.tuples(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), st.integers(0, 5)), max_size=8
    ),
    asked=st.lists(st.sampled_from("abc"), min_size=2, max_size=5),
    act=st.sampled_from(sorted(ACTS)),
)
@settings(max_examples=300, deadline=None)
def test_whatever_leads_wherever_nothing_outside_changes(tmp_path_factory, trees, asked, act):
    folder = tmp_path_factory.mktemp("tree")
    root, outside = made_in(folder)
    ends = [outside, outside / "f", folder / "nowhere", Path(".."), Path("../own/a"), root / "a"]
    for (parts, end), number in zip(trees, itertools.count()):
        path = root.joinpath(*parts)
        if confined.is_there(path) or any(part.is_symlink() for part in path.parents):
            path = root / f"{parts[0]}{number}"
        path.parent.mkdir(parents=True, exist_ok=True) if not path.parent.is_file() else None
        if path.parent.is_dir():
            os.symlink(ends[end], path)
    before = everything(outside)
    with contextlib.suppress(OSError):
        ACTS[act](root.joinpath(*asked))
    assert everything(outside) == before and sorted(os.listdir(folder)) == ["own", "ws"]
