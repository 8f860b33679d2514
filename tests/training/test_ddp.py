"""Two processes compute one batch together: the same loss curve and weights as one process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from training_child import run_child, run_module

from src_training.models import load_model
from src_training.training import devices
from src_training.training.quick_frames import write_quick_arcade


def train(folder: Path, processes: int) -> tuple[np.ndarray, list[dict]]:
    """(loss of each step as the mean over processes, weights of each) of the child's training."""
    folder.mkdir()
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    run_child("ddp_child", folder, launcher=launcher if processes > 1 else [])
    curves = [json.loads((folder / f"curve-{rank}.json").read_text()) for rank in range(processes)]
    weights = [torch.load(folder / f"weights-{rank}.pt", weights_only=True) for rank in range(processes)]
    return np.mean(curves, axis=0), weights


def test_two_processes_learn_as_one(tmp_path):
    one, (alone,) = train(tmp_path / "one", 1)
    two, (first, second) = train(tmp_path / "two", 2)
    assert len(one) == len(two) == 12
    assert np.allclose(one, two, rtol=2e-3)
    for name, tensor in first.items():  # network, adapters and critic stay one in both processes
        assert torch.equal(tensor, second[name]), name
    begun = sum(float((alone[n].float() - first[n].float()).abs().sum()) for n in alone)
    moved = sum(float(tensor.float().abs().sum()) for tensor in alone.values())
    assert begun < 0.01 * moved


def test_the_command_starts_the_second_process_itself_and_one_of_them_publishes(tmp_path):
    arcade, out = write_quick_arcade(tmp_path / "arcade"), tmp_path / "out"
    small = ["batch_pixels=32768", "crop_sizes=[128]", "holdout=2", "validate_every=4", "device=cpu"]
    settings = [part for text in small for part in ("--set", text)]
    command = [
        "train",
        "student",
        "--arcade",
        arcade,
        "-o",
        out,
        "--network",
        "nano",
        "--steps",
        "4",
        *settings,
    ]
    lines = [
        json.loads(line)
        for line in run_module("src_training", *command, "--devices", "2", "--json").splitlines()
    ]
    assert [line["model"] for line in lines if "model" in line] == [str(out / "model")]
    assert load_model(str(out / "model")).card.recipe["train student"]["devices"] == 2


TORCHRUN = {
    "one node": ({"LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "4"}, 1, (4, 1, "ddp")),
    "two nodes": ({"LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}, 1, (4, 2, "ddp")),
    "nodes of one": ({"LOCAL_WORLD_SIZE": "1", "WORLD_SIZE": "3"}, 1, (1, 3, "ddp")),
    "alone": ({}, 1, (1, 1, "auto")),
    "our own": ({}, 2, (2, 1, "ddp")),
}


@pytest.mark.parametrize("how", TORCHRUN)
def test_a_training_computes_on_all_nodes_that_torchrun_started(monkeypatch, how):
    environment, processes, expected = TORCHRUN[how]
    for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    class Noted:
        def __init__(self, *, devices, num_nodes, strategy, **_rest):
            self.given = (devices, num_nodes, strategy)

        def launch(self):
            pass

    monkeypatch.setattr(devices, "Fabric", Noted)
    assert devices.open_fabric(torch.device("cpu"), processes).given == expected
