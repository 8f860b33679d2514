"""Checkpoints: everything a run needs to go on as if it had never stopped."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from src_training import confined, durable
from src_training.errors import RunError, is_out_of_memory
from src_training.regular import NotRegular
from src_training.training.fitting import check_optimiser, told_progress
from src_training.training.progress import Progress
from src_training.training.saved_tensors import NotSaved, read_saved

LAST = "last.pt"
BEST = "best.pt"  # the averaged weights at the best validation
_TIMES = (
    8  # of what learns: weights, average, gradient and the optimiser's numbers, with room for older versions
)
_SPARE = 64 << 20  # bytes: names, losses


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


def load_checkpoint(folder: Path, state: TrainingState) -> Progress | None:
    """Restore ``last.pt`` into the state, and return its progress; None where there is none.

    Raises RunError when it, or the ``best.pt`` it goes with, is not whole or of another network.
    """
    path = folder / LAST
    if not confined.is_there(path):
        return None
    most = _most(state.network, state.helper)
    record = _whole(path, most)
    with _fitting(path):
        check_optimiser(state.optimiser, record["optimiser"])
        for part in fields(state):
            getattr(state, part.name).load_state_dict(record[part.name])
        progress = told_progress(record["progress"])
    if progress.best_step:
        _whole(folder / BEST, most)  # now, not after the steps that are left
    return progress


def load_best(folder: Path, network: nn.Module) -> None:
    """Give the network the weights of ``best.pt``; raises RunError as `load_checkpoint`."""
    record = _whole(folder / BEST, _most(network))
    with _fitting(folder / BEST):
        network.load_state_dict(record)


def _most(*parts: nn.Module) -> int:
    """Bytes of the largest file that can be theirs: a checkpoint from elsewhere must not take the memory."""
    tensors = [tensor for part in parts for tensor in part.state_dict().values() if torch.is_tensor(tensor)]
    return _SPARE + _TIMES * sum(math.prod(tensor.shape) * tensor.element_size() for tensor in tensors)


def _whole(path: Path, most: int) -> Any:
    try:
        return read_saved(path, most)
    # A decoder raises what it likes; whatever it is, the file cannot be read.
    except Exception as error:
        if is_out_of_memory(error):
            raise
        finding = "is damaged, or cut short"
        if isinstance(error, FileNotFoundError):
            finding = "is missing"
        elif isinstance(error, NotSaved | NotRegular):
            finding = f"is no checkpoint of this run: {getattr(error, 'strerror', None) or error}"
        raise RunError(f"{path}: {finding}. Remove the folder {path.parent.name} to begin anew.") from error


@contextlib.contextmanager
def _fitting(path: Path) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        # Only torch says in words what is wrong.
        reason = f" ({' '.join(str(error).split())[:200]})" if isinstance(error, RuntimeError) else ""
        raise RunError(
            f"{path}: this checkpoint does not fit the run{reason}. Start a new run, or give another folder."
        ) from error
