"""Promises of durable writing: whole or not at all, synced before it is named, and never over something else."""

from __future__ import annotations

import errno
import json
import os

import pytest
from durable_disks import FailingDisk, LoggingDisk, StepDisk

from src_training import durable


def test_content_is_synced_before_it_gets_its_name_and_the_folder_after(tmp_path, monkeypatch):
    disk = LoggingDisk()
    monkeypatch.setattr(durable, "disk", disk)
    durable.write_new(tmp_path / "a", b"one")
    assert disk.log == ["open", "write", "sync", "rename", "sync_dir"]
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
    assert disk.log == ["sync_dir", "rename", "sync_dir"]
    assert (tmp_path / "model" / "card.json").read_bytes() == b"{}" and not staged.exists()
    staged.mkdir()
    with pytest.raises(OSError):
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
