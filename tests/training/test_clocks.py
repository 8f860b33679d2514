"""Promises about clocks that are wrong: no save loses a file to a repair, and a person can end any run."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from durable_disks import frame, mask

from src_training import Workspace
from src_training.cli import main
from src_training.dataset import Dataset, commit, repair, verify
from src_training.dataset.outbox import Outbox
from src_training.file_clock import age_s, now_on
from src_training.runs import RunStore, autopsy
from src_training.runs.process import Identity

HOUR = 3600.0
AWAY = {"host": "elsewhere", "boot": "b", "pid": 1, "started": 1.0, "machine": "m" * 32}


@pytest.fixture
def dataset(tmp_path):
    return Dataset.create(tmp_path / "dataset")


@pytest.fixture(params=[-30 * HOUR, -2 * HOUR, 0.0, 2 * HOUR, 30 * HOUR])
def moved_clock(request, monkeypatch):
    """This computer's clock, so many seconds ahead of that of the file system."""
    honest = time.time
    monkeypatch.setattr(time, "time", lambda: honest() + request.param)
    return request.param


def put_away(dataset):
    return list(repair.repair(dataset.folder, verify.verify_folder(dataset.folder)))


def lone(dataset, name="mask-0123456789abcdef.png", hours=0.0):
    """A file that no record names, so old."""
    case = dataset.append(frame(0), mask(0)).folder
    path = case / name
    path.write_bytes(b"of a save that is under way")
    os.utime(path, (now_on(case) - hours * HOUR,) * 2)
    return path


def test_the_clock_is_that_of_the_file_system(tmp_path, moved_clock):
    made = tmp_path / "made"
    made.touch()
    assert abs(now_on(tmp_path) - made.stat().st_mtime) < 60 and abs(age_s(made)) < 60
    os.utime(made, (made.stat().st_mtime - HOUR,) * 2)
    assert abs(age_s(made) - HOUR) < 60
    assert os.listdir(tmp_path) == ["made"]
    assert now_on(tmp_path / "nowhere") is None


@pytest.mark.parametrize("name", ["mask-0123456789abcdef.png", ".0123456789abcdef.tmp"])
@pytest.mark.parametrize("hours", [-30.0, -0.5, 0.0, 0.9])
def test_a_young_file_is_left_alone_whatever_the_clock_says(dataset, moved_clock, name, hours):
    path = lone(dataset, name, hours)
    assert put_away(dataset) == [] and path.exists()


def test_an_old_one_is_put_away_whatever_the_clock_says(dataset, moved_clock):
    path = lone(dataset, hours=1.1)
    assert len(put_away(dataset)) == 1 and not path.exists()


def test_where_the_clock_cannot_be_asked_nothing_is_put_away(dataset, monkeypatch):
    path = lone(dataset, hours=99)
    monkeypatch.setattr(repair, "now_on", lambda folder: None)
    assert put_away(dataset) == [] and path.exists()


def aged(folder):
    for path in folder.rglob("*.png"):
        os.utime(path, (1.0, 1.0))


@pytest.mark.parametrize("when", ["before the move", "after the move"])
def test_a_record_that_comes_meanwhile_keeps_its_files(dataset, monkeypatch, when):
    """Between the look of a repair and its end the save that a file belongs to writes its record."""
    saved = dataset.append(frame(0), mask(0))
    record = saved.folder / f"{saved.name}.json"
    content = record.read_bytes()
    record.unlink()
    aged(saved.folder)
    report = verify.verify_folder(dataset.folder)
    assert [finding.code for finding in report.findings] == ["N01", "N01"]
    move = repair._move

    def write_and_move(path, target):
        moved = move(path, target)
        record.write_bytes(content)
        return moved

    if when == "before the move":
        record.write_bytes(content)
    else:
        monkeypatch.setattr(repair, "_move", write_and_move)
    assert list(repair.repair(dataset.folder, report)) == []
    assert verify.verify_folder(dataset.folder, deep=True).sound
    assert (dataset.head(saved.case).mask() == saved.mask()).all()


def test_a_save_whose_files_a_repair_has_just_taken_writes_them_again(dataset, monkeypatch):
    write = commit.durable.write_new

    def take_and_write(path, data, **given):
        if path.suffix == ".json":
            for blob in path.parent.glob("*.png"):
                blob.unlink()
        write(path, data, **given)

    monkeypatch.setattr(commit.durable, "write_new", take_and_write)
    dataset.append(frame(0), mask(0))
    monkeypatch.undo()
    assert verify.verify_folder(dataset.folder, deep=True).sound


# -- runs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "place")


def run_of(
    workspace,
    name="20260101T000000Z-finetune-abcdef",
    process=AWAY,
    hours=0.0,
    events=({"event": "started"},),
):
    """A run of another computer whose events were written so many hours ago."""
    folder = workspace.path / "runs" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"kind": "finetune", "settings": {}}')
    (folder / "process.json").write_text(json.dumps(process))
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    when = now_on(folder) - hours * HOUR
    for path in folder.iterdir():
        os.utime(path, (when, when))
    return workspace.runs.get(name)


@pytest.mark.parametrize(
    ("hours", "status"),
    [
        (0, "running"),
        (0.9, "running"),
        (1.1, "interrupted"),
        (-0.5, "interrupted"),
        (-(10**5), "interrupted"),
    ],
)
def test_a_sign_of_life_is_dated_by_the_file_system(workspace, moved_clock, hours, status):
    state = run_of(workspace, hours=hours).status()
    assert state.status == status
    if status == "interrupted":
        assert (
            state.message.startswith("no sign of life since ")
            and "on another computer (elsewhere)" in state.message
        )
        assert (", a date in the future" in state.message) is (hours < 0)


def test_a_run_that_is_seen_to_grow_lives_whatever_its_dates_say(workspace):
    run = run_of(workspace, hours=-99)
    assert run.status().status == "interrupted"
    with (run.folder / "events.jsonl").open("a") as file:
        file.write('{"event": "progress", "step": 1, "steps": 2, "loss": 1.0}\n')
    os.utime(run.folder / "events.jsonl", (2**33, 2**33))
    assert run.status().status == "running"


@pytest.mark.parametrize("hours", [0, 0.9, 1.1, -0.01, -1, -(10**5)])
def test_a_person_can_end_a_run_of_another_computer(workspace, capsys, hours):
    run = run_of(workspace, hours=hours)
    if not run.status().ended:
        assert main(["runs", "cancel", str(workspace.path), run.id]) == 0
        assert (
            "asked to stop; it is on another computer, elsewhere. If it gives no sign"
            in capsys.readouterr().out
        )
        assert (run.folder / "cancel").exists() and run.status().status == "running"
        assert main(["runs", "cancel", str(workspace.path), run.id]) == 0
        assert "ended by " in capsys.readouterr().out
        event = run.events()[0][-1]
        assert event["event"] == "cancelled" and event["message"].startswith("ended by ")
        assert run.status().status == "cancelled"
    assert main(["runs", "cancel", str(workspace.path), run.id]) == 2
    assert workspace.runs.get(run.id).status().ended


def test_one_that_lives_here_is_only_asked(workspace):
    run = run_of(workspace, process=Identity.of().to_json())
    assert run.cancel() == run.cancel() == "" and run.status().status == "running"


def test_a_run_from_the_future_is_not_the_newest_for_ever(workspace):
    future = run_of(workspace, "20990101T000000Z-finetune-aaaaaa", hours=-(10**6))
    skewed = run_of(workspace, "20980101T000000Z-finetune-bbbbbb", hours=1)
    present = run_of(workspace, f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-finetune-cccccc")
    old = run_of(workspace, "20200101T000000Z-finetune-dddddd")
    assert [run.id for run in workspace.runs.list()] == [future.id, old.id, skewed.id, present.id]
    assert workspace.runs.newest().id == present.id


def test_ages_of_a_silence_need_no_file(tmp_path):
    assert autopsy.overdue(tmp_path / "none")
    assert RunStore(tmp_path / "none").list() == []


# -- the outbox ----------------------------------------------------------------------------------------------


def test_work_of_a_computer_whose_clock_is_behind_stands_beside_what_waited(dataset, monkeypatch):
    """Kept while the dataset could not be read; meanwhile another computer saves, dated hours before."""
    first = dataset.append(frame(0), mask(0))
    outbox = Outbox(dataset)
    monkeypatch.setattr(Outbox, "_heads_now", lambda self, case: None)
    earlier = datetime.now(UTC) - timedelta(seconds=10)
    monkeypatch.setattr("src_training.dataset.outbox.utc_now", earlier.isoformat)
    outbox.keep(dataset.prepare(frame(0), mask(1), None))
    monkeypatch.setattr(commit, "utc_now", lambda: "2001-01-01T00:00:00.000Z")
    theirs = dataset.append(frame(0), mask(2))
    monkeypatch.undo()
    list(outbox.publish())
    heads = dataset.case_heads(first.case)
    assert theirs.sha in {head.sha for head in heads} and len(heads) == 2


def test_what_was_there_long_before_is_corrected_by_what_waited(dataset, monkeypatch):
    first = dataset.append(frame(0), mask(0))
    os.utime(Path(first.folder) / f"{first.name}.json", (now_on(first.folder) - HOUR,) * 2)
    monkeypatch.setattr(Outbox, "_heads_now", lambda self, case: None)
    Outbox(dataset).keep(dataset.prepare(frame(0), mask(1), None))
    list(Outbox(dataset).publish())
    assert len(dataset.case_heads(first.case)) == 1
