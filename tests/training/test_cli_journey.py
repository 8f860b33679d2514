"""The whole loop from the shell: append, fine-tune in a child process, compare, promote, roll back; and its ends."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest

from src_training import Workspace, read_cine
from src_training.cli import main
from src_training.dataset.patients import patient_key
from src_training.errors import DatasetError
from src_training.models import default_model
from src_training.models.contest import unlearnt
from src_training.training.finetune import training_revisions

FRAMES = 10
QUICK = ("--steps", "4", "--set", "validate_every=4", "--set", f"batch_pixels={2 * 256**2}")


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def workspace(tmp_path, capsys):
    """Ten frames of the synthetic cine with exact masks, appended one by one."""
    from src_training import synthetic_cine

    made = synthetic_cine(seed=5, n_frames=FRAMES, shape=(256, 256))
    return appended(
        tmp_path, capsys, [made.cine.frame(t).astype(np.uint8) for t in range(FRAMES)], made.masks
    )


@pytest.fixture
def real_workspace(tmp_path, capsys, shared_data):
    """Ten frames of a real cine, each with the model's own mask after a scripted correction."""
    from src_training import Predictor

    cine, predictor = read_cine(sorted((shared_data / "cine").iterdir())[1], as_cine=True), Predictor.load()
    frames = list(range(8, 8 + FRAMES))
    masks = [predictor.mask(probability) for _, probability in predictor.segment(cine, frames)]
    for mask in masks:
        mask[200:204, 100:160] = 1
    return appended(tmp_path, capsys, [cine.frame(t).astype(np.uint8) for t in frames], masks)


def appended(tmp_path, capsys, frames, masks):
    place = tmp_path / "workspace"
    assert main(["dataset", "init", str(place)]) == 0
    for t, (frame, mask) in enumerate(zip(frames, masks, strict=True)):
        (tmp_path / f"{t}.png").write_bytes(imagecodecs.png_encode(frame))
        (tmp_path / f"{t}_mask.png").write_bytes(imagecodecs.png_encode(mask * np.uint8(255)))
        pair = ["--image", str(tmp_path / f"{t}.png"), "--mask", str(tmp_path / f"{t}_mask.png")]
        assert main(["dataset", "append", str(place), *pair, "--patient", "p-1", "--accept-implausible"]) == 0
    assert capsys.readouterr().out.count("saved ") == len(frames)
    return place


@pytest.mark.timeout(600)
def test_the_loop_from_the_shell(real_workspace, capsys):
    place = str(real_workspace)
    assert main(["finetune", place, *QUICK, "--json"]) == 0
    model_id = lines(capsys)[-1]["model_id"]
    assert (real_workspace / "models" / model_id / "card.json").is_file()

    assert main(["models", "promote", place, model_id]) == 3  # one patient is too few to tell
    assert "--override" in capsys.readouterr().err
    assert main(["models", "promote", place, model_id, "--override", "the first patient here"]) == 0
    capsys.readouterr()
    assert main(["models", "list", place, "--json"]) == 0
    assert [m["model"] for m in lines(capsys) if m["live"]] == [model_id]
    assert main(["models", "rollback", place]) == 0
    capsys.readouterr()
    assert main(["models", "list", place, "--json"]) == 0
    assert [m["model"] for m in lines(capsys) if m["live"]] == ["small"]


def test_a_lone_test_patient_is_learnt_from_and_then_judges_no_descendant(tmp_path, capsys):
    mask = tmp_path / "0_mask.png"
    mask.write_bytes(imagecodecs.png_encode(np.eye(64, dtype=np.uint8)))

    def place_with(name, patients, *, pictures=True):
        assert main(["dataset", "init", str(tmp_path / name), "--split-salt", "5a" * 16]) == 0
        for patient in patients:
            image = tmp_path / f"{patient if pictures else 'one'}.png"
            ramp = np.roll(np.arange(64 * 64, dtype=np.uint16), int(patient[2:]) * pictures)
            image.write_bytes(imagecodecs.png_encode(ramp.reshape(64, 64)))
            pair = ["--image", str(image), "--mask", str(mask)]
            assert main(["dataset", "append", str(tmp_path / name), *pair, "--patient", patient]) == 0
        return Workspace.open(tmp_path / name)

    many = place_with("many", [f"p-{n}" for n in range(40)])
    keys = {head.patient_key for head in many.dataset.heads(bucket="test")}
    lone = next(p for p in (f"p-{n}" for n in range(40)) if patient_key(many.dataset.site_key(), p) in keys)
    assert all(revision.bucket != "test" for revision in training_revisions(many))
    one_picture = place_with("alike", [f"p-{n}" for n in range(40)], pictures=False)
    with pytest.raises(DatasetError, match="every picture to learn from stands under a test patient, too"):
        training_revisions(one_picture)

    place = place_with("lone", [lone])
    base, revisions = default_model(place), training_revisions(place)
    assert [revision.bucket for revision in revisions] == ["test"]
    assert len(unlearnt(place, (base,))) == 1
    place.dataset.snapshot("run-1", revisions)
    child = replace(base, card=base.card.model_copy(update={"run": "run-1"}))
    assert unlearnt(place, (child,)) == unlearnt(place, (base, child)) == []


@pytest.mark.timeout(600)
def test_a_cancelled_run_keeps_its_checkpoint_and_can_be_resumed(workspace, capsys):
    place = str(workspace)
    assert main(["finetune", place, *QUICK, "--set", "steps=40", "--detach", "--json"]) == 0
    run = Workspace.open(workspace).runs.get(lines(capsys)[-1]["run"])
    wait_for(lambda: run.status().step > 0)
    assert main(["runs", "cancel", place]) == 0
    assert run.wait(timeout=120).status == "cancelled"
    assert (run.folder / "checkpoints" / "last.pt").is_file()
    stopped_at = run.status().step
    assert main(["runs", "resume", place]) == 0
    assert main(["runs", "watch", place]) == 0
    assert run.status().status == "finished" and run.status().losses[0][0] <= stopped_at


@pytest.mark.timeout(600)
def test_a_killed_run_is_shown_as_interrupted_with_its_cause(workspace, capsys):
    place = str(workspace)
    assert main(["finetune", place, *QUICK, "--set", "steps=5000", "--detach", "--json"]) == 0
    run = Workspace.open(workspace).runs.get(lines(capsys)[-1]["run"])
    wait_for(lambda: run.status().step > 0)
    started = next(event for event in run.events()[0] if event["event"] == "started")
    os.kill(started["pid"], signal.SIGKILL)
    state = run.wait(timeout=60)
    assert state.status == "interrupted" and "SIGKILL" in state.message and "Resume" in state.message
    assert main(["runs", "list", place]) == 0
    assert "interrupted" in capsys.readouterr().out


def test_without_accepted_frames_a_finetune_ends_with_the_cure(tmp_path, capsys):
    place = tmp_path / "empty"
    assert main(["dataset", "init", str(place)]) == 0
    assert main(["finetune", str(place), *QUICK]) == 2
    said = capsys.readouterr().err
    assert "no accepted frames" in said and len(said.splitlines()) == 1
    assert not list((place / "runs").glob("*"))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--model", "nothing"], "nothing: no such model"),
        (["--set", "teacher=nobody"], "nobody: no such model"),
        (["--set", "device=mps"], "this computer has no mps"),
        (["--set", "crop_sizes=[100]"], "setting crop_sizes: [100] are no multiples of 32"),
    ],
)
def test_a_mistake_is_found_before_a_run_is_made(workspace, monkeypatch, capsys, words, line):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert main(["finetune", str(workspace), *QUICK, *words]) == 2
    said = capsys.readouterr().err
    assert line in said and len(said.splitlines()) == 1
    assert not list((workspace / "runs").glob("*"))


def test_unknown_settings_are_refused_before_a_run_is_made(workspace, capsys):
    assert main(["finetune", str(workspace), "--set", "stepz=3"]) == 2
    assert "stepz" in capsys.readouterr().err
    assert not list((workspace / "runs").glob("*"))


def wait_for(condition, seconds=120.0):
    import time

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
