"""Checkpoints: everything a run needs to go on as if it had never stopped."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from src_training import durable
from src_training.errors import RunError
from src_training.training.progress import Progress

LAST = "last.pt"
BEST = "best.pt"  # the averaged weights at the best validation


@dataclass(frozen=True)
class TrainingState:
    """What learns: the network, its running average, the optimiser, and the objective's own parts."""

    network: nn.Module
    average: torch.optim.swa_utils.AveragedModel
    optimiser: torch.optim.Optimizer
    helper: nn.Module


def save_checkpoint(folder: Path, state: TrainingState, progress: Progress) -> None:
    """Write ``last.pt``, whole or not at all."""
    record = {part.name: getattr(state, part.name).state_dict() for part in fields(state)}
    record["progress"] = asdict(progress)
    save_durably(record, folder / LAST)


def save_durably(record: object, path: Path) -> None:
    """Write with torch.save so that a crash at any moment leaves the old file or the new one."""
    content = io.BytesIO()
    torch.save(record, content)
    durable.replace(path, content.getvalue())


def read_state(path: Path, device: torch.device | str = "cpu") -> Any:
    """What ``torch.save`` wrote, as tensors and plain values only: the one place that reads such a file."""
    return torch.load(path, weights_only=True, map_location=device)


def load_checkpoint(folder: Path, state: TrainingState) -> Progress | None:
    """Restore ``last.pt`` into the state, and return its progress; None where there is none."""
    path = folder / LAST
    if not path.is_file():
        return None
    try:
        record = read_state(path)
        for part in fields(state):
            getattr(state, part.name).load_state_dict(record[part.name])
        return Progress(**record["progress"])
    except (RuntimeError, KeyError, TypeError, ValueError, EOFError) as error:
        raise RunError(
            f"{path.name}: this checkpoint does not fit the run ({error}). Start a new run."
        ) from error
