"""Promises of the outbox: a frame that the dataset's disk refuses is kept here, and saved as soon as it takes it."""

from __future__ import annotations

import errno
import json
import os
import shutil

import imagecodecs
import numpy as np
import pytest
from durable_disks import FailingDisk, RefusingDisk, everything, frame, mask

from src_training import Frame, Origin, Workspace, confined, durable
from src_training.cli import main
from src_training.dataset.outbox import Kept, Outbox, save_or_keep
from src_training.dataset.record import sealed, to_bytes
from src_training.errors import DatasetError, NotSaved

REASONS = [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.ESTALE, errno.EDQUOT]


@pytest.fixture
def dataset(tmp_path):
    return Workspace.create(tmp_path / "ws").dataset


@pytest.fixture
def refuse(dataset, monkeypatch):
    """Let the dataset's disk refuse, or take frames again."""

    def switch(reason: int = errno.ENOSPC) -> RefusingDisk:
        disk = RefusingDisk(dataset.folder, reason)
        monkeypatch.setattr(durable, "disk", disk)
        return disk

    return switch


def published(dataset) -> list:
    return [revision for _entry, revision in Outbox(dataset).publish()]


@pytest.mark.parametrize("reason", REASONS)
def test_a_refused_frame_waits_and_is_saved_later_as_it_was(dataset, refuse, reason):
    disk = refuse(reason)
    origin = Origin("accepted", "ann", effort={"seconds": 3})
    outcome = save_or_keep(dataset, frame(1, "Doe"), mask(1), origin)
    assert isinstance(outcome, Kept) and "not saved" in outcome.reason and len(Outbox(dataset)) == 1
    assert list(dataset.cases()) == []
    with pytest.raises(NotSaved):
        published(dataset)
    assert len(Outbox(dataset)) == 1
    disk.refusing = False
    (revision,) = published(dataset)
    assert len(Outbox(dataset)) == 0 and published(dataset) == []
    direct = dataset.append(frame(2, "Doe"), mask(2), origin)
    assert np.array_equal(revision.mask(), mask(1)) and np.array_equal(revision.image(), frame(1).pixels)
    same = ("status", "annotator", "patient_key", "effort", "grey", "projection")
    assert all(revision.record[name] == direct.record[name] for name in same)
    assert dataset.verify(deep=True).sound


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("act", ["status", "names_in"])
def test_a_drive_that_cannot_even_be_looked_at_loses_no_frame(dataset, monkeypatch, reason, act):
    looked = getattr(confined, act)

    def gone(path):
        if dataset.folder in path.parents:
            raise OSError(reason, os.strerror(reason), str(path))
        return looked(path)

    with monkeypatch.context() as cut_off:
        cut_off.setattr(confined, act, gone)
        assert isinstance(save_or_keep(dataset, frame(1), mask(1)), Kept)
        with pytest.raises(DatasetError):
            published(dataset)
        assert len(Outbox(dataset)) == 1
    assert len(published(dataset)) == 1


def test_it_holds_no_patient(dataset, refuse):
    refuse()
    save_or_keep(dataset, frame(1, "Doe^John"), mask(1))
    for path in Outbox(dataset).folder.rglob("*"):
        assert path.is_dir() or b"Doe" not in path.read_bytes()


def test_every_kind_of_pixels_comes_back(dataset, refuse):
    disk = refuse()
    rng = np.random.default_rng(0)
    frames = [
        rng.integers(0, 60000, (9, 7)).astype(np.uint16),
        rng.integers(-900, 900, (9, 7)).astype(np.int16),
        rng.integers(0, 200, (9, 7)).astype(np.float32),
    ]
    for pixels in frames:
        save_or_keep(dataset, Frame(pixels, "P"), np.zeros((9, 7), np.uint8), Origin("no_vessel"))
    disk.refusing = False
    for pixels, revision in zip(frames, published(dataset), strict=True):
        assert revision.image().dtype == pixels.dtype and np.array_equal(revision.image(), pixels)


def test_two_decisions_on_one_frame_are_one_after_the_other(dataset, refuse):
    disk = refuse()
    for seed in (1, 2):
        save_or_keep(dataset, frame(7), mask(seed))
    disk.refusing = False
    first, second = published(dataset)
    assert (first.seq, second.seq) == (1, 2) and dataset.conflicts() == []
    assert np.array_equal(dataset.head(first.case).mask(), mask(2))


def test_what_others_saved_meanwhile_is_a_visible_conflict(dataset, refuse):
    before = dataset.append(frame(7), mask(1))
    disk = refuse()
    save_or_keep(dataset, frame(7), mask(2))
    disk.refusing = False
    dataset.append(frame(7), mask(3))
    published(dataset)
    (heads,) = dataset.conflicts()
    assert {head.seq for head in heads} == {2, 3} and all(before.sha in head.replaces for head in heads)


def test_without_others_it_corrects_what_it_corrected(dataset, refuse):
    dataset.append(frame(7), mask(1))
    disk = refuse()
    save_or_keep(dataset, frame(7), mask(2))
    disk.refusing = False
    published(dataset)
    assert dataset.conflicts() == [] and np.array_equal(dataset.heads()[0].mask(), mask(2))


@pytest.mark.parametrize("mount_point", ["a file", "an empty folder"])
def test_a_dataset_that_is_gone_for_a_while_loses_nothing(dataset, tmp_path, mount_point):
    dataset.append(frame(7), mask(1))
    away = shutil.move(dataset.folder.parent, tmp_path / "unplugged")
    point = tmp_path / "ws"
    if mount_point == "a file":
        point.write_text("")
    else:
        (point / "dataset").mkdir(parents=True)
    outcome = save_or_keep(dataset, frame(7), mask(2))
    assert isinstance(outcome, Kept) and "mounted" in outcome.reason
    assert list(point.rglob("*.json")) == []
    shutil.rmtree(point) if point.is_dir() else point.unlink()
    shutil.move(away, point)
    published(dataset)
    assert np.array_equal(dataset.heads()[0].mask(), mask(2)) and dataset.conflicts() == []


def test_a_damaged_entry_is_told_and_holds_up_no_other(dataset, refuse):
    disk = refuse()
    entries = [save_or_keep(dataset, frame(seed), mask(seed)).entry for seed in range(3)]
    disk.refusing = False
    next(entries[1].glob("mask-*.png")).write_bytes(imagecodecs.png_encode(np.zeros((24, 24), np.uint8)))
    with pytest.raises(DatasetError, match=entries[1].name):
        published(dataset)
    assert len(list(dataset.cases())) == 2 and len(Outbox(dataset)) == 1


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_an_entry_goes_only_when_its_image_is_in_the_dataset(dataset, refuse, damage):
    disk = refuse()
    for seed in (1, 2):
        save_or_keep(dataset, frame(seed), mask(seed))
    disk.refusing = False
    saved = dataset.append(frame(1), mask(1))  # the head says already what waits
    image = saved.folder / saved.record["image"]["file"]
    image.unlink()
    if damage == "missing":
        assert len(published(dataset)) == 2 and dataset.verify(deep=True).problems == []
        return
    image.write_bytes(b"torn")
    with pytest.raises(DatasetError, match="other content"):
        published(dataset)
    assert len(Outbox(dataset)) == 1 and len(list(dataset.cases())) == 2  # the other frame went through


def test_a_removal_that_was_cut_short_leaves_no_damaged_entry(dataset, refuse, monkeypatch):
    disk = refuse()
    kept = save_or_keep(dataset, frame(1), mask(1))
    disk.refusing = False

    def killed_after_the_first_file(entry):
        next(entry.glob("mask-*.png")).unlink()
        raise OSError("planted")

    monkeypatch.setattr(shutil, "rmtree", killed_after_the_first_file)
    assert len(published(dataset)) == 1 and list(kept.entry.glob("image-*.png"))
    assert published(dataset) == [] and len(Outbox(dataset)) == 0


def test_an_entry_that_was_cut_short_is_no_entry(dataset, refuse, monkeypatch):
    """The disk of this computer fails at every step of keeping, too: nothing is acknowledged then, nothing torn."""
    prepared = dataset.prepare(frame(1), mask(1))
    step = kept = 0
    while not kept:
        monkeypatch.setattr(durable, "disk", FailingDisk(step, errno.ENOSPC, sticky=True))
        try:
            Outbox(dataset).keep(prepared)
            kept = 1
        except NotSaved:
            assert len(Outbox(dataset)) in (0, 1)  # 1: complete, only its last sync failed
        step += 1
    assert step > 8
    monkeypatch.setattr(durable, "disk", durable.Disk())
    published(dataset)
    assert len(list(everything(dataset))) == 1 and dataset.verify(deep=True).sound


def test_the_shell_keeps_and_publishes(dataset, refuse, tmp_path, capsys):
    image, mask_file = tmp_path / "a.png", tmp_path / "m.png"
    image.write_bytes(imagecodecs.png_encode(frame(1).pixels))
    mask_file.write_bytes(imagecodecs.png_encode(mask(1)))
    disk = refuse()
    workspace = str(dataset.folder.parent)
    assert main(["dataset", "append", workspace, "--image", str(image), "--mask", str(mask_file)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "waits on this computer" in said.err and "dataset publish" in said.err
    assert main(["doctor", workspace]) == 0
    assert "1 frames wait" in capsys.readouterr().out
    assert main(["dataset", "publish", workspace]) == 2
    disk.refusing = False
    assert main(["dataset", "publish", workspace]) == 0
    assert capsys.readouterr().out.startswith("saved ")
    assert len(list(dataset.cases())) == 1


# -- whose they are ------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(dataset, refuse):
    """The dataset, for which two frames wait."""
    disk = refuse()
    for seed in (1, 2):
        save_or_keep(dataset, frame(seed), mask(seed))
    disk.refusing = False
    return dataset


def at(folder) -> Workspace:
    return Workspace.open(folder)


def test_a_copy_gets_nothing_while_the_original_is_there(waiting, tmp_path, capsys):
    copy = at(shutil.copytree(waiting.folder.parent, tmp_path / "copy"))
    assert published(copy.dataset) == [] and Outbox(copy.dataset).moved() is None
    assert main(["dataset", "publish", str(copy.path), "--moved"]) == 0
    assert capsys.readouterr().out == "" and len(Outbox(waiting)) == 2
    assert len(published(waiting)) == 2


def test_of_a_dataset_that_has_moved_a_person_is_asked(waiting, tmp_path, capsys):
    former = waiting.folder.parent
    now = at(former.rename(tmp_path / "elsewhere"))
    assert published(now.dataset) == []
    moved = Outbox(now.dataset).moved()
    assert (moved.count, moved.place) == (2, former / "dataset")
    assert main(["dataset", "publish", str(now.path)]) == 2
    assert f"2 frames wait for this dataset as it was at {former / 'dataset'}" in capsys.readouterr().err
    assert main(["dataset", "publish", str(now.path), "--moved"]) == 0
    assert len(list(now.dataset.cases())) == 2 and Outbox(now.dataset).moved() is None


def test_a_workspace_of_another_takes_nothing_by_its_identity(waiting, tmp_path):
    other = Workspace.create(tmp_path / "theirs")
    record = json.loads((other.dataset.folder / "dataset.json").read_bytes())
    record["uuid"] = waiting.facts["uuid"]
    record.pop("self_sha256")
    (other.dataset.folder / "dataset.json").write_bytes(to_bytes(sealed(record)))
    forged = at(other.path).dataset
    assert published(forged) == [] and list(Outbox(forged).publish(moved=True)) == []
    assert len(Outbox(waiting)) == 2 and list(forged.cases()) == []


def test_a_copy_made_of_hard_links_is_another_place(dataset, refuse, tmp_path):
    refuse()
    kept = save_or_keep(dataset, frame(1, "Doe"), mask(1))
    assert isinstance(kept, Kept)
    shutil.copytree(dataset.folder.parent, tmp_path / "backup", copy_function=os.link)
    refuse().refusing = False
    backup = Workspace.open(tmp_path / "backup").dataset
    assert published(backup) == [] and Outbox(backup).moved() is None and list(backup.cases()) == []
    assert len(published(dataset)) == 1


def test_another_way_to_the_same_place_is_the_same_place(waiting, tmp_path):
    (tmp_path / "favourite").symlink_to(waiting.folder.parent, target_is_directory=True)
    assert len(published(at(tmp_path / "favourite").dataset)) == 2


def test_what_an_older_version_kept_is_asked_about(waiting, tmp_path, monkeypatch):
    for entry in Outbox(waiting)._entries():
        record = json.loads((entry / "entry.json").read_bytes())
        del record["place"], record["self_sha256"]
        (entry / "entry.json").write_bytes(to_bytes(sealed(record)))
    home = tmp_path / "home"
    home.mkdir()
    for folder in (home, waiting.folder):  # the folder that we are in is not where it was kept for
        monkeypatch.chdir(folder)
        assert published(waiting) == [] and Outbox(waiting).moved().count == 2
    assert not confined.is_confined(home / "picture.dcm")
    assert main(["dataset", "publish", str(waiting.folder.parent), "--moved"]) == 0
    assert len(list(waiting.cases())) == 2
