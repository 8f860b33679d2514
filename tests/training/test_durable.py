"""Promises of durable writing: whole or not at all, synced before it is named, and never over something else."""

from __future__ import annotations

import errno
import json
import os
import sys
import types

import pytest
from durable_disks import FailingDisk, LoggingDisk, StepDisk

from src_training import durable


def test_content_is_synced_before_it_gets_its_name_and_the_folder_after(tmp_path, monkeypatch):
    disk = LoggingDisk()
    monkeypatch.setattr(durable, "disk", disk)
    durable.write_new(tmp_path / "a", b"one")
    assert disk.log == ["open", "write", "sync", "rename_new", "sync_dir"]
    disk.log.clear()
    durable.replace(tmp_path / "a", b"two")
    assert disk.log == ["open", "write", "sync", "rename", "sync_dir"]
    assert (tmp_path / "a").read_bytes() == b"two"


def test_writing_the_same_again_is_success_and_something_else_is_refused(tmp_path):
    durable.write_new(tmp_path / "a", b"one")
    durable.write_new(tmp_path / "a", b"one")
    for other in (b"two", b"one more"):
        with pytest.raises(FileExistsError):
            durable.write_new(tmp_path / "a", other)
    assert (tmp_path / "a").read_bytes() == b"one"


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failing_disk_is_told_and_the_old_content_stays_whole(tmp_path, monkeypatch, step, number):
    durable.replace(tmp_path / "current.json", b"old")
    monkeypatch.setattr(durable, "disk", FailingDisk(step, number, sticky=True))
    with pytest.raises(OSError):
        durable.replace(tmp_path / "current.json", b"new")
    # Only the sync of the folder comes after the new content is visible.
    assert (tmp_path / "current.json").read_bytes() == (b"new" if step == 4 else b"old")
    assert os.listdir(tmp_path) == ["current.json"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders_is_no_failure(tmp_path, monkeypatch, number):
    monkeypatch.setattr(durable, "disk", FailingDisk(4, number, sticky=False))
    durable.write_new(tmp_path / "a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one"


def test_folders_are_durable_from_the_top_down(tmp_path, monkeypatch):
    seen = []

    class Watching(StepDisk):
        def at(self, step, name, *arguments):
            seen.append((name, arguments[0].relative_to(tmp_path).as_posix()))

    monkeypatch.setattr(durable, "disk", Watching())
    durable.make_dir(tmp_path / "a" / "b")
    assert seen == [("mkdir", "a"), ("sync_dir", "."), ("mkdir", "a/b"), ("sync_dir", "a")]
    seen.clear()
    durable.make_dir(tmp_path / "a" / "b")
    assert seen == []
    durable.make_dir(tmp_path / "a" / "b", below=tmp_path)
    assert ("sync_dir", ".") in seen and ("sync_dir", "a") in seen


def test_a_finished_folder_appears_in_one_step_and_never_over_another(tmp_path, monkeypatch):
    staged = tmp_path / "staging"
    staged.mkdir()
    durable.write_new(staged / "card.json", b"{}")
    disk = LoggingDisk()
    monkeypatch.setattr(durable, "disk", disk)
    durable.publish_dir(staged, tmp_path / "model")
    assert disk.log == ["sync_dir", "rename_dir", "sync_dir"]
    assert (tmp_path / "model" / "card.json").read_bytes() == b"{}" and not staged.exists()
    staged.mkdir()
    with pytest.raises(FileExistsError):
        durable.publish_dir(staged, tmp_path / "model")
    assert (tmp_path / "model" / "card.json").is_file()


def test_a_private_file_is_readable_by_its_owner_only(tmp_path):
    durable.write_new(tmp_path / "key", b"secret", private=True)
    if os.name != "nt":
        assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_a_line_after_a_torn_one_is_a_line_of_its_own(tmp_path):
    path = tmp_path / "events.jsonl"
    durable.append_line(path, {"event": "started", "steps": 3})
    with open(path, "ab") as stream:
        stream.write(b'{"event": "prog')
    durable.append_line(path, {"event": "finished", "where": "Zürich"}, sync=True)
    lines = path.read_bytes().splitlines()
    assert [json.loads(lines[0])["event"], json.loads(lines[2])["event"]] == ["started", "finished"]


@pytest.mark.parametrize(
    ("number", "cure"),
    [(errno.ENOSPC, "Free some space"), (errno.EROFS, "write permission"), (errno.EIO, "Check the disk")],
)
def test_every_disk_error_has_a_cure(number, cure):
    assert cure in durable.cure_for(OSError(number, "x"))


class _Mac:
    """Stands in for macOS's way down to the medium; it refuses with ``number``, if that is given."""

    F_FULLFSYNC = 51

    def __init__(self, number: int = 0) -> None:
        self.asked: list[int] = []
        self.number = number

    def fcntl(self, fd, command):
        os.fstat(fd)
        self.asked.append(command)
        if self.number:
            raise OSError(self.number, "no")


def test_on_a_mac_a_write_goes_through_the_drives_cache(tmp_path, monkeypatch):
    mac = _Mac()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "fcntl", mac)
    durable.write_new(tmp_path / "a", b"one")
    assert mac.asked == [mac.F_FULLFSYNC, mac.F_FULLFSYNC]  # the content, then the name


@pytest.mark.parametrize(
    ("number", "synced"), [(errno.ENOTSUP, True), (errno.ENOTTY, True), (errno.EIO, False)]
)
def test_on_a_mac_a_drive_without_that_way_is_synced_and_a_broken_one_told(
    tmp_path, monkeypatch, number, synced
):
    calls, fsync = [], os.fsync
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "fcntl", _Mac(number))
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(fd), fsync(fd)))
    if synced:
        durable.write_new(tmp_path / "a", b"one")
        assert len(calls) == 2
    else:
        with pytest.raises(OSError):
            durable.write_new(tmp_path / "a", b"one")
        assert os.listdir(tmp_path) == []


def _held(monkeypatch, times: int) -> types.SimpleNamespace:
    """As on Windows, somebody has the file open at the first ``times`` tries to replace it."""
    seen, replace = types.SimpleNamespace(tries=0), os.replace

    def refuse(source, target):
        seen.tries += 1
        if seen.tries <= times:
            raise PermissionError(errno.EACCES, "in use by another process")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(durable.time, "sleep", lambda _seconds: None)
    return seen


def test_on_windows_a_file_that_a_scanner_has_open_is_replaced_once_it_lets_go(tmp_path, monkeypatch):
    durable.write_new(tmp_path / "a", b"old")
    monkeypatch.setattr(durable, "_WINDOWS", True)
    seen = _held(monkeypatch, times=3)
    durable.replace(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new" and seen.tries == 4


@pytest.mark.parametrize("windows", [True, False])
def test_a_file_that_stays_locked_is_told_and_whole(tmp_path, monkeypatch, windows):
    durable.write_new(tmp_path / "a", b"old")
    monkeypatch.setattr(durable, "_WINDOWS", windows)
    seen = _held(monkeypatch, times=1000)
    with pytest.raises(PermissionError):
        durable.replace(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old" and os.listdir(tmp_path) == ["a"]
    assert windows or seen.tries == 1  # elsewhere nobody lets go of a folder without permission
