"""Promises of stopping a training anywhere, not only between two steps: at once, in a line, and resumable."""

from __future__ import annotations

import itertools
import signal

import numpy as np
import pytest
import torch
from model_folders import QUICK_TUNING, go_live_with_tiny
from test_loop import TINY, drawn_samples, run
from test_loop import settings as loop_settings

from src_training.cli.watching import watch_here
from src_training.dataset import Frame
from src_training.errors import Cancelled
from src_training.networks import build_network
from src_training.runs import RunContext
from src_training.training import jobs, replay
from src_training.training.decision import choose_decision, predicted
from src_training.training.finetune import gather as gather_corrected
from src_training.training.material import gather
from src_training.training.progress import Watcher
from src_training.training.quick_frames import write_quick_arcade
from src_training.training.settings import TrainSettings
from src_training.training.validation import Validator


def asked_after(checks):
    """A watcher that is asked to stop once it was looked at so often."""
    looked = itertools.count()
    return Watcher(cancelled=lambda: next(looked) >= checks)


def asked_while(mark):
    """A watcher that is asked to stop from the event on that holds ``mark``."""
    said = []
    return Watcher(said.append, lambda: any(mark in str(event) for event in said)), said


@pytest.fixture(scope="module")
def arcade(tmp_path_factory):
    return write_quick_arcade(tmp_path_factory.mktemp("arcade"), train=4, val=1, unlabelled=2)


# 4 frames are read, 2 prepared, 2 more read and prepared, 3 trees drawn, and 2 held out.
STAGES = {
    0: "reading frames of train",
    4: "preparing frames",
    6: "reading unlabelled frames",
    8: "preparing unlabelled frames",
    10: "drawing trees",
    13: "preparing frames",
}


@pytest.mark.parametrize("checks", STAGES)
def test_the_preparation_of_frames_stops_between_two_of_them(arcade, checks):
    settings = TrainSettings(holdout=2, unlabelled_share=0.25, drawn_share=0.25, drawn_count=3)
    with pytest.raises(
        Cancelled, match=f"stopped while {STAGES[checks]}; what was kept before can be resumed"
    ):
        gather(settings, arcade, asked_after(checks))


def test_the_preparation_of_frames_tells_how_far_it_is(monkeypatch):
    now = itertools.count(step=6)
    monkeypatch.setattr("src_training.training.progress.time.monotonic", lambda: next(now))
    said = []
    assert list(Watcher(said.append).through("abc", "preparing frames")) == ["a", "b", "c"]
    assert said[-1] == {"event": "log", "message": "preparing frames: 2 of 3", "done": 2, "of": 3}


def test_judging_stops_between_two_frames():
    samples, network = drawn_samples(), build_network(TINY).eval()
    with pytest.raises(Cancelled, match="judging frames"):
        Validator(samples, asked_after(2))(network)
    with pytest.raises(Cancelled, match="judging frames"):
        predicted(network, samples, asked_after(2))
    with pytest.raises(Cancelled, match="trying thresholds"):
        choose_decision(predicted(network, samples), samples, "syntax", asked_after(2))


@pytest.mark.parametrize("step", [10, 30])
def test_a_run_stopped_while_it_validates_resumes_with_this_validation(tmp_path, monkeypatch, step):
    unbroken = run(tmp_path / "unbroken").state_dict()
    asked = itertools.count(start=1)
    validations = step // loop_settings().validate_every

    class Stopping(Validator):
        def __call__(self, network):
            if next(asked) == validations:
                raise Cancelled("stopped while judging frames")
            return super().__call__(network)

    monkeypatch.setattr("test_loop.Validator", Stopping)
    with pytest.raises(Cancelled, match=f"stopped at step {step}; the checkpoint is kept"):
        run(tmp_path / "broken")
    events = []
    resumed = run(tmp_path / "broken", Watcher(events.append)).state_dict()
    assert all(torch.equal(resumed[name], unbroken[name]) for name in unbroken)
    judged = [event["step"] for event in events if event["event"] == "validated"]
    assert judged == list(range(step, 31, 10))


def test_a_fine_tuning_stops_between_two_frames_while_it_is_compared_and_makes_no_second_model(
    workspace, tmp_path, monkeypatch
):
    frame = np.random.default_rng(1).integers(0, 255, (64, 64)).astype(np.uint8)
    workspace.dataset.append(Frame(frame, patient="p"), (frame > 200).astype(np.uint8))
    go_live_with_tiny(workspace, tmp_path / "staged")
    shipped = replay.replay_frames()[:8]
    monkeypatch.setattr(replay, "replay_frames", lambda: shipped)
    folder = workspace.path / "runs" / "20260101T000000Z-finetune-abcdef"
    folder.mkdir(parents=True)

    def execute(mark):
        context = RunContext(folder)
        watcher, said = asked_while(mark)
        monkeypatch.setattr(RunContext, "emit", lambda _, event: watcher.emit(event))
        monkeypatch.setattr(RunContext, "cancelled", lambda _: watcher.cancelled())
        try:
            return jobs.execute("finetune", {**QUICK_TUNING, "device": "cpu"}, context), said
        except Cancelled as stopped:
            return str(stopped), said

    choosing, _ = execute("checkpoint")
    assert "stopped while judging frames" in choosing and len(workspace.models.ids()) == 1
    comparing, _ = execute("comparing")
    assert "stopped while comparing it with the active model" in comparing
    (made,) = set(workspace.models.ids()) - {workspace.models.current().id}
    again, said = execute("never")
    assert again == made and len(workspace.models.ids()) == 2
    assert [event["event"] for event in said] == ["log", "compared"]


def test_corrected_frames_are_prepared_until_it_is_stopped(workspace):
    with pytest.raises(Cancelled, match="preparing frames"):
        gather_corrected([None], None, 8, asked_after(0))


def test_a_second_ctrl_c_ends_it_at_once():
    before = signal.getsignal(signal.SIGINT)
    try:
        watcher = watch_here(as_json=False)
        signal.raise_signal(signal.SIGINT)
        assert watcher.cancelled()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
