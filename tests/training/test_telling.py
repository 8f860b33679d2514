"""Promises of following a run: events as a person reads them, and the exit code that its end calls for."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import pytest

from src_training import Workspace
from src_training.cli import main
from src_training.cli.common import json_line
from src_training.cli.finetune import follow
from src_training.errors import Cancelled, RunError
from src_training.runs import child
from src_training.runs.telling import event_text

COMPARED = {
    "event": "compared",
    "time": "2026-01-01T00:00:00.000Z",
    "candidate": "small-ft-1",
    "current": "small",
    "patients": 12,
    "worse_patients": 0,
    "delta_dice": 0.021,
    "dice_interval": [0.01, 0.03],
    "home_dice_candidate": 0.801,
    "home_dice_current": 0.8,
    "decision": {"verdict": "promote", "reasons": []},
}
FIGURES = "Dice +0.021 [+0.010, +0.030], 12 patients, 0 worse; reference set 0.800 → 0.801"
LINES = [
    ({"event": "launched", "time": "t", "message": "starting"}, "starting"),
    (
        {"event": "started", "time": "t", "kind": "finetune", "steps": 300, "pid": 7},
        "finetune started, 300 steps",
    ),
    ({"event": "checkpoint", "time": "t", "step": 4}, "step 4 · checkpoint written"),
    (COMPARED, f"compared with small: {FIGURES} · promote"),
    ({"event": "finished", "time": "t", "model_id": "m-1"}, "finished: m-1"),
    ({"event": "finished", "time": "t", "model_id": None}, "finished"),
    ({"event": "failed", "time": "t", "message": "the disk is full", "exit_code": 2}, "the disk is full"),
    ({"event": "progress", "time": "t", "step": 1}, "progress"),
    ({"event": "of-tomorrow", "time": "t", "x": 1}, "of-tomorrow"),
]


@pytest.mark.parametrize(("event", "line"), LINES, ids=[event["event"] for event, _ in LINES])
def test_an_event_is_a_line_a_person_reads(event, line):
    assert event_text(event) == line


def test_for_machines_an_event_is_strict_json():
    assert json.loads(json_line({"event": "progress", "loss": float("nan")}))["loss"] is None


def test_the_log_of_a_run_tells_what_happened(workspace):
    run = workspace.runs.launch("selftest", {"steps": 3, "seconds": 0.1})
    assert run.wait(timeout=60).status == "finished"
    said = run.log_tail().splitlines()
    assert said[0] == "selftest started, 3 steps" and said[-1] == "finished"
    assert any(line.startswith("step 2/3") for line in said)


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "my place")


def told(workspace, *events):
    """A run that has told these events."""
    run = workspace.runs._make("selftest", {}, 1)
    text = "".join(json.dumps({"time": "t", **event}) + "\n" for event in events)
    (run.folder / "events.jsonl").write_text(text)
    return run


ENDS = {
    "foreseen": ({"event": "failed", "message": "no frames", "exit_code": 2}, RunError, 2),
    "unexpected": ({"event": "failed", "message": "unexpected KeyError", "exit_code": 1}, RunError, 1),
    "of an older version": ({"event": "failed", "message": "no frames"}, RunError, 1),
    "cancelled": ({"event": "cancelled", "message": "stopped"}, Cancelled, 130),
}


def test_runs_started_within_one_second_stand_in_the_order_of_their_start(workspace):
    started = []
    for kind in ("selftest", "finetune", "distill") * 4:
        started.append(workspace.runs._make(kind, {}, 1).id)
        time.sleep(0.02)  # a process was started meanwhile; file systems tell ticks of up to 10 ms apart
    assert [run.id for run in workspace.runs.list()] == started
    assert workspace.runs.newest().id == started[-1]


@pytest.mark.parametrize("end", ENDS)
def test_the_end_of_a_run_decides_the_exit_code_of_whoever_follows(workspace, end, capsys):
    event, kind, code = ENDS[end]
    run = told(workspace, event)
    with pytest.raises(kind) as caught:
        follow(run, as_json=False)
    assert caught.value.exit_code == code
    assert main(["runs", "watch", str(workspace.path), run.id]) == code


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_a_killed_run_is_an_unexpected_end(workspace):
    run = workspace.runs.launch("selftest", {"steps": 100, "seconds": 100})

    def kill():
        while not (started := [e for e in run.events()[0] if e["event"] == "started"]):
            threading.Event().wait(0.1)
        os.kill(started[0]["pid"], signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    assert main(["runs", "watch", str(workspace.path), run.id]) == 1


@pytest.mark.parametrize(("settings", "code"), [({"steps": "many"}, 2), ({"steps": 1, "seconds": 0.1}, 0)])
def test_a_run_tells_the_exit_code_of_its_own_failure(workspace, monkeypatch, settings, code):
    run = workspace.runs._make("selftest", settings, 1)
    monkeypatch.setattr(child, "step_back", lambda: None)
    monkeypatch.setattr(child, "_listen", lambda context: None)
    assert child.main(run.folder) == code
    assert (run.status().exit_code or 0) == code


def test_a_cancelled_run_stands_at_the_step_of_its_checkpoint(workspace):
    run = told(
        workspace,
        {"event": "progress", "step": 10, "steps": 200},
        {"event": "checkpoint", "step": 13},
        {"event": "cancelled", "message": "stopped at step 13"},
    )
    assert (run.status().step, run.status().steps) == (13, 200)


NEXT = {
    "promote": "Next: lightvessel models promote '{place}' small-ft-1",
    "cannot_tell": "Next: lightvessel models promote '{place}' small-ft-1 --override REASON",
    "refuse": "It stays in the workspace; correct more frames and fine-tune again.",
}


@pytest.mark.parametrize("verdict", NEXT)
def test_a_finished_run_ends_with_the_comparison_and_the_next_command(workspace, capsys, verdict):
    compared = COMPARED | {"decision": {"verdict": verdict, "reasons": ["Because."]}}
    assert (
        follow(told(workspace, compared, {"event": "finished", "model_id": "small-ft-1"}), as_json=False) == 0
    )
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"small-ft-1: {FIGURES} · {verdict.replace('_', ' ')}: Because.",
        NEXT[verdict].format(place=workspace.path),
    ]
