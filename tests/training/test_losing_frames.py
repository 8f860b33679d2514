"""Frames that got worse are named in the shell, and come with what both models drew on them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from errno import ENOSPC

import numpy as np
import pytest
from judged_workspaces import SIDES, judged_workspace

from src_training.cli import main
from src_training.errors import DatasetError, ModelError
from src_training.evaluation import home_panel
from src_training.losing import losing_frames
from src_training.models.contest import contest


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Workspace, candidate and their comparison, for which two frames of the home panel must do."""
    monkeypatch.setattr("src_training.models.contest.home_panel", lambda protocol: home_panel(protocol)[:2])
    workspace, candidate = judged_workspace(tmp_path)
    return workspace, candidate, contest(workspace, candidate).comparison


def test_a_losing_frame_comes_with_both_masks_and_the_dice_they_were_judged_by(judged):
    workspace, _candidate, comparison = judged
    found = list(losing_frames(workspace, comparison))
    assert sorted(one.frame.shape[0] for one in found) == sorted(SIDES)
    for one, (name, change) in zip(found, comparison.losing_frames, strict=True):
        head = workspace.dataset.head(name.split()[0])
        assert one.name == name and change < 0
        np.testing.assert_array_equal(one.accepted, head.mask())
        np.testing.assert_array_equal(one.frame, head.frame())
        assert one.candidate.dice - one.live.dice == pytest.approx(change)
        assert one.live.mask.shape == one.candidate.mask.shape == one.frame.shape
        assert (one.live.mask != one.candidate.mask).any()


def test_a_case_that_is_gone_is_said_and_the_others_are_shown(judged):
    workspace, _candidate, comparison = judged
    gone = comparison.losing_frames[0][0].split()[0]
    shutil.rmtree(workspace.dataset.folder / "cases" / gone[:2] / gone)
    told, shown = losing_frames(workspace, comparison)
    assert isinstance(told, DatasetError) and str(told).startswith(f"{gone} frame 3: not in this workspace")
    assert shown.name == comparison.losing_frames[1][0]


def test_a_model_that_is_gone_is_said_in_a_line(judged):
    workspace, _candidate, comparison = judged
    with pytest.raises(ModelError, match="gone-1: no such model"):
        next(losing_frames(workspace, replace(comparison, candidate="gone-1")))


def test_the_shell_names_the_losing_frames(judged, capsys):
    workspace, candidate, comparison = judged
    place = str(workspace.path)
    assert main(["models", "compare", place, candidate.id]) == 0
    compared = capsys.readouterr().out
    assert main(["models", "show", place, candidate.id]) == 0
    shown = capsys.readouterr()
    for name, change in comparison.losing_frames:
        assert f"{change:+.3f}  {name}" in compared and f"{change:+.3f}  {name}" in shown.err
    assert shown.out.startswith("{")  # the card alone, for machines
    assert main(["models", "show", place, "small"]) == 0
    assert "got worse" not in capsys.readouterr().err


def test_a_disk_that_refuses_a_comparison_does_not_hide_what_it_told(judged, monkeypatch, capsys):
    workspace, candidate, comparison = judged

    def full(*_):
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr("src_training.durable.claim", full)
    assert main(["models", "compare", str(workspace.path), candidate.id]) == 2
    told = capsys.readouterr()
    for name, change in comparison.losing_frames:
        assert f"{change:+.3f}  {name}" in told.out
    cure = "No space left on device. Free some space and try again."
    assert told.err.endswith(f"lightvessel: {candidate.id}: its comparison was not kept. {cure}\n")
