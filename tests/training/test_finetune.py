"""Promises of fine-tuning: what a run began with, and the threshold it ends with."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import numpy as np
import pytest
from durable_disks import RefusingDisk
from model_folders import QUICK_TUNING, TINY, go_live_with_tiny

from src_training import Workspace, durable
from src_training.cli.finetune import launch
from src_training.dataset import Frame
from src_training.dataset.twins import left_out_text, one_sided
from src_training.errors import DatasetError, LightVesselError, RunError
from src_training.inference import export
from src_training.models.contest import unlearnt
from src_training.networks import build_network
from src_training.training import pausing, replay
from src_training.training.finetune import Choice, beginning, finetune, training_revisions, with_threshold
from src_training.training.progress import Watcher
from src_training.training.settings import FinetuneSettings
from src_training.training.validation import Validator


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "config"))
    return Workspace.create(tmp_path / "coronary")


@pytest.fixture
def run(workspace):
    folder = workspace.path / "runs" / "20260101T000000Z-finetune-abcdef"
    folder.mkdir(parents=True)
    return folder


def append(workspace, seed, **patient):
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 255, (64, 64)).astype(np.uint8)
    mask = (frame > 200).astype(np.uint8)
    return workspace.dataset.append(Frame(frame, **{"patient": f"p-{seed}", **patient}), mask)


def test_a_resumed_run_keeps_the_model_and_the_frames_it_began_with(workspace, run):
    append(workspace, 1)
    base, revisions = beginning(workspace, FinetuneSettings(), run)
    append(workspace, 2)
    other = FinetuneSettings(base_model="small-syntax")  # as if another model had gone live since
    again, same = beginning(workspace, other, run)
    assert again.id == base.id == "small"
    assert [r.sha for r in same] == [r.sha for r in revisions] and len(same) == 1


def test_no_picture_is_on_two_sides_of_a_training(tmp_path):
    """Imported first without patients, then with: what the test part has, nothing learns from; nor train from val."""
    twins = Workspace.create(tmp_path / "twins", split_salt="11" * 32, site_key=b"k" * 32)
    for seed in range(20):
        append(twins, seed)
        append(twins, seed, patient=None)
    append(twins, 99, patient=None)
    heads, revisions = twins.dataset.heads(), training_revisions(twins)
    sides = {head.picture: head.bucket for head in heads if head.patient_key}
    assert set(sides.values()) == {"train", "val", "test"}
    assert {one.picture for one in revisions}.isdisjoint(p for p, side in sides.items() if side == "test")
    assert all(one.bucket == sides.get(one.picture, "train") for one in revisions)
    assert sum(one.picture not in sides for one in revisions) == 1
    gone = sum(side != "train" for side in sides.values())
    assert (left_out_text(heads) or "").startswith(f"{gone} of 41 frames left out")
    assert left_out_text(one_sided(heads)) is None


def test_a_picture_that_was_learnt_under_no_name_judges_nobody_under_another(workspace, run, tmp_path):
    append(workspace, 1, patient=None)
    _, learnt = beginning(workspace, FinetuneSettings(), run)
    model = SimpleNamespace(card=SimpleNamespace(run=run.name, parent=None))
    seed = next(n for n in range(99) if append(workspace, 1, patient=f"p-{n}").bucket == "test")
    assert unlearnt(workspace, [model]) == []
    append(workspace, 2, patient=f"p-{seed}")
    assert unlearnt(workspace, [model]) == []  # nor does the same patient in another picture
    assert learnt[0].bucket == "train"


def test_a_run_whose_frames_are_gone_is_not_resumed(workspace, run):
    append(workspace, 1)
    _, (revision,) = beginning(workspace, FinetuneSettings(), run)
    for path in revision.folder.iterdir():
        path.unlink()
    with pytest.raises(DatasetError):
        beginning(workspace, FinetuneSettings(), run)


def test_a_run_whose_snapshot_was_exchanged_is_not_resumed(workspace, run):
    append(workspace, 1)
    beginning(workspace, FinetuneSettings(), run)
    append(workspace, 2)
    snapshots = workspace.dataset.folder / "snapshots"
    (snapshots / f"{run.name}.json").unlink()
    workspace.dataset.snapshot(run.name, list(workspace.dataset.heads()))
    with pytest.raises(RunError, match="not the one it began with"):
        beginning(workspace, FinetuneSettings(), run)


def test_a_new_model_waits_for_space_to_be_kept(workspace, run, tmp_path, monkeypatch):
    append(workspace, 1)
    go_live_with_tiny(workspace, tmp_path / "staged")
    shipped = replay.replay_frames()[:8]
    monkeypatch.setattr(replay, "replay_frames", lambda: shipped)
    monkeypatch.setattr(pausing, "_LOOK_S", 0.01)
    disk = RefusingDisk(workspace.models.folder, errno.ENOSPC)
    monkeypatch.setattr(durable, "disk", disk)
    said = []

    def tell(event):
        said.append(event.get("message", ""))
        if said[-1].startswith("paused"):
            disk.refusing = False

    model = finetune(workspace, FinetuneSettings(**QUICK_TUNING, device="cpu"), run, Watcher(emit=tell))
    assert said[-1] == "there is space again: going on from step 4"
    assert any(line.startswith("trained; choosing") for line in said)
    assert model.id in workspace.models.ids()


@pytest.mark.parametrize("method", ["plain", "soft-kd"])
def test_a_card_names_a_teacher_that_taught_and_the_weights_that_were_found(
    workspace, run, tmp_path, monkeypatch, method
):
    append(workspace, 1)
    go_live_with_tiny(workspace, tmp_path / "staged")
    tiny = workspace.models.current().id
    shipped = replay.replay_frames()[:8]
    monkeypatch.setattr(replay, "replay_frames", lambda: shipped)
    settings = FinetuneSettings(**QUICK_TUNING, device="cpu", teacher=tiny, method=method)
    card = finetune(workspace, settings, run, Watcher()).card
    weights = card.recipe["weights of the terms"]
    if method == "plain":
        assert (card.name, card.teacher, weights) == ("tiny-ft", None, {})
    else:
        assert (card.name, card.teacher) == ("tiny-kd", tiny)
        assert weights.keys() == {"soft-kd"} and weights["soft-kd"] > 0


@pytest.mark.parametrize(("free", "expected"), [(0, OSError), (10**9, RuntimeError)])
def test_an_openvino_network_that_does_not_fit_the_disk_says_so(tmp_path, monkeypatch, free, expected):
    def refuse(*_args, **_named):
        raise RuntimeError("basic_ios::clear: iostream error")

    monkeypatch.setattr(export.import_openvino(), "save_model", refuse)
    monkeypatch.setattr(export.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    with pytest.raises(expected) as caught:
        export.write_ir(build_network(TINY).eval(), tmp_path)
    assert expected is RuntimeError or durable.is_full(caught.value)


class Curves(Validator):
    """A validator whose Dice is a parabola with its top at ``best``."""

    def __init__(self, best, height):
        self.best, self.height = best, height

    def curve(self, _network, thresholds):
        return self.height - (thresholds - self.best) ** 2


def choice(new, base, threshold=0.5):
    return Choice(
        1.0, threshold, new.at(None, threshold), 0.5, base.at(None, threshold), base.at(None, threshold)
    )


def test_the_threshold_moves_to_where_both_kinds_of_frames_are_found_best():
    new, base = Curves(0.6, 0.8), Curves(0.6, 0.7)
    moved = with_threshold(choice(new, base), None, new, base)
    assert moved.threshold == pytest.approx(0.6) and moved.new_dice == pytest.approx(0.8)


def test_a_threshold_that_gains_next_to_nothing_or_costs_at_home_stays():
    new, base = Curves(0.52, 0.8), Curves(0.5, 0.7)
    assert with_threshold(choice(new, base), None, new, base).threshold == 0.5
    new, base = Curves(0.9, 0.8), Curves(0.5, 0.7)  # what helps the new frames forgets the old ones
    assert with_threshold(choice(new, base), None, new, base).threshold == 0.5


UNFIT = {
    "protocol": ({"teacher": "teacher-syntax"}, "labels syntax, the student full-tree"),
    "devices": ({"devices": 2}, "Set devices to 1"),
}


@pytest.mark.parametrize("what", UNFIT)
def test_settings_that_would_stop_a_run_at_once_leave_none_behind(workspace, what):
    append(workspace, 1)
    values, line = UNFIT[what]
    with pytest.raises(LightVesselError, match=line):
        launch(workspace.path, values | {"base_model": "small"}, [], as_json=True)
    assert not list((workspace.path / "runs").glob("*"))
