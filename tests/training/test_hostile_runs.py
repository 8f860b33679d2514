"""Promises about run folders that are damaged or made to do harm: one line each, and the others are listed."""

from __future__ import annotations

import json
import os

import pytest

from src_training import Workspace
from src_training.cli import finetune, main
from src_training.runs import reading
from src_training.runs.process import Identity

DEEP = b"[" * 200_000
ME = Identity.of().to_json()
DAMAGED = "damaged"
GONE = "interrupted"

# What stands in which file, and what the run is then listed as.
FOLDERS = {
    "config-deep": ({"config.json": DEEP}, DAMAGED),
    "config-not-an-object": ({"config.json": b"[1]"}, DAMAGED),
    "config-deep-settings": (
        {"config.json": b'{"kind":"finetune","settings":{"x":' + b"[" * 500 + b"]" * 500 + b"}}"},
        DAMAGED,
    ),
    "events-deep": ({"events.jsonl": DEEP + b"\n"}, DAMAGED),
    "events-no-text": ({"events.jsonl": b"\xff\xfe\x00\n" * 3}, DAMAGED),
    "step-infinite": ({"events.jsonl": b'{"event":"progress","step":1e999}\n'}, DAMAGED),
    "step-huge": ({"events.jsonl": b'{"event":"progress","time":"t","step":1%s}\n' % (b"0" * 400)}, GONE),
    "step-list": ({"events.jsonl": b'{"event":"progress","time":"t","step":[]}\n'}, GONE),
    "exit-code-huge": ({"events.jsonl": b'{"event":"failed","exit_code":1e300}\n'}, "failed"),
    "model-list": ({"events.jsonl": b'{"event":"finished","model_id":["a"]}\n'}, "finished"),
    "figures-of-words": (
        {
            "events.jsonl": b'{"event":"validated","step":3,"metrics":{"dice":"x"}}\n'
            b'{"event":"validated","step":3,"metrics":[1]}\n'
            b'{"event":"compared","decision":7}\n{"event":"finished","model_id":"m-1"}\n'
        },
        "finished",
    ),
    "message-of-many-lines": (
        {"events.jsonl": b'{"event":"failed","message":"a\\nb\\u001b[2J"}\n'},
        "failed",
    ),
    "process-deep": ({"process.json": DEEP}, GONE),
    "process-infinite": ({"process.json": b'{"host":"h","boot":"b","pid":1e999,"started":0}'}, GONE),
    "process-huge": ({"process.json": json.dumps(ME | {"pid": 10**30}).encode()}, GONE),
    "process-negative": ({"process.json": json.dumps(ME | {"pid": -5}).encode()}, GONE),
}


def made(workspace, name, files):
    folder = workspace.path / "runs" / f"20260101T000000Z-finetune-{name}"
    folder.mkdir(parents=True)
    for file, content in ({"config.json": b'{"kind":"finetune","settings":{}}'} | files).items():
        (folder / file).write_bytes(content)
    return workspace.runs.get(folder.name)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setattr(finetune, "_POLL_S", 0.01)
    return Workspace.create(tmp_path / "place")


def listed(workspace, capsys):
    """Run id → status, of a list that has one line a run."""
    capsys.readouterr()
    assert main(["runs", "list", str(workspace.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {line.partition(": ")[0]: line.partition(": ")[2].partition(" · ")[0] for line in lines}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_damaged_run_is_told_in_a_line_and_the_others_are_listed(name, workspace, capsys):
    files, status = FOLDERS[name]
    run = made(workspace, name, files)
    sound = made(workspace, "sound", {"events.jsonl": b'{"event":"finished","model_id":"m-2"}\n'})
    assert listed(workspace, capsys) == {run.id: status, sound.id: "finished"}
    expected = {"finished": 0}.get(status, 1)
    for how in ([], ["--json"]):
        assert main(["runs", "watch", str(workspace.path), run.id, *how]) == expected
        assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("name", "code"),
    [("events.jsonl", 2), ("log.txt", 2), ("config.json", 2), ("process.json", 0), ("launch.json", 0)],
)
def test_a_pipe_in_a_run_folder_holds_nobody_up(name, code, workspace, capsys):
    run = made(workspace, "pipe", {"config.json": b'{"kind":"selftest","settings":{"seconds":0}}'})
    (run.folder / name).unlink(missing_ok=True)
    os.mkfifo(run.folder / name)
    sound = made(workspace, "sound", {"events.jsonl": b'{"event":"finished"}\n'})
    assert listed(workspace, capsys)[sound.id] == "finished"
    assert run.status().status == "interrupted" and run.log_tail() == ""
    assert main(["runs", "resume", str(workspace.path), run.id]) == code
    if code == 0:
        assert run.wait(timeout=50).status == "finished"


def test_a_record_may_hold_many_brackets_but_not_one_in_another_without_end():
    wide = {"points": [[1, 2.5]] * 1000}
    assert reading.parse_record(json.dumps(wide).encode()) == wide
    assert reading.parse_record(b'{"x":' + b"[" * 100 + b"]" * 100 + b"}") is None


def test_a_folder_in_place_of_a_file_is_told_in_a_line(workspace, capsys):
    run = made(workspace, "folder", {})
    (run.folder / "events.jsonl").mkdir()
    assert listed(workspace, capsys) == {run.id: DAMAGED}
    assert "events.jsonl is damaged. Start a new run." in run.damage()
