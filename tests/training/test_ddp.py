"""Two processes compute one batch together: the same loss curve and weights as one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]


def train(folder: Path, processes: int) -> tuple[np.ndarray, dict]:
    """(loss of each step as the mean over processes, weights of the first) of the child's training."""
    folder.mkdir()
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [
        sys.executable,
        *(launcher if processes > 1 else []),
        "-m",
        "tests.training.ddp_child",
        str(folder),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    curves = [json.loads((folder / f"curve-{rank}.json").read_text()) for rank in range(processes)]
    return np.mean(curves, axis=0), torch.load(folder / "weights-0.pt", weights_only=True)


def test_two_processes_learn_as_one(tmp_path):
    one, weights_of_one = train(tmp_path / "one", 1)
    two, weights_of_two = train(tmp_path / "two", 2)
    assert len(one) == len(two) == 12
    assert one[-1] < one[0]
    assert np.allclose(one, two, rtol=2e-3)
    for name, tensor in weights_of_one.items():
        assert torch.allclose(tensor.float(), weights_of_two[name].float(), atol=5e-3), name
