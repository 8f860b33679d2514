"""A workspace with test patients, and a candidate that does worse on them than the live model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from model_folders import stage_tiny

from src_training import Dataset, Model, Workspace, synthetic_cine
from src_training.dataset import Frame
from src_training.dataset.patients import bucket_of, patient_key

SIDES = (96, 128)


def judged_workspace(folder: Path, sides: tuple[int, ...] = SIDES) -> tuple[Workspace, Model]:
    """A square frame of each size, each of another test patient; the candidate's weights are random."""
    workspace = Workspace.create(folder / "judged")
    for seed, side in enumerate(sides):
        made = synthetic_cine(seed=seed, n_frames=6, shape=(side, side))
        pixels = np.asarray(made.cine.frame(3), np.uint8)
        frame = Frame(pixels, patient=_test_patient(workspace.dataset, seed), frame_index=3)
        workspace.dataset.append(frame, made.masks[3])
    return workspace, workspace.models.add(stage_tiny(folder / "staged", "worse"))


def _test_patient(dataset: Dataset, seed: int) -> str:
    key, split = dataset.site_key(), dataset.facts["split"]
    names = (f"p-{seed}-{number}" for number in range(1000))
    return next(name for name in names if bucket_of(split["salt"], patient_key(key, name)) == "test")
