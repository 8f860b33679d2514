"""Checkpoints: everything a run needs to go on as if it had never stopped."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from src_training.errors import RunError

if TYPE_CHECKING:
    from src_training.training.loop import Progress

LAST = "last.pt"
BEST = "best.pt"  # the averaged weights at the best validation


def save_checkpoint(
    folder: Path,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Write ``last.pt`` so that a crash at any moment leaves the old or the new one."""
    state = {
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "progress": asdict(progress),
    }
    temporary = folder / (LAST + ".tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / LAST)


def load_checkpoint(
    folder: Path, network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
) -> Progress | None:
    """Restore ``last.pt`` into the three, and return its progress; None where there is none."""
    from src_training.training.loop import Progress

    path = folder / LAST
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        return Progress(**state["progress"])
    except (RuntimeError, KeyError, TypeError, ValueError, EOFError) as error:
        raise RunError(
            f"{path.name}: this checkpoint does not fit the run ({error}). Start a new run."
        ) from error
