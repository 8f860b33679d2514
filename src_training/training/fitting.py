"""Whether what a checkpoint holds fits what it is to be loaded into: torch looks at a network's, not at the rest."""

from __future__ import annotations

import math
from typing import Any

import torch

from src_training.training.progress import Progress

_MOST_STEPS = 1_000_000
_MOST_PARTS = 4096  # of a batch; its frames are fewer
_INTEGERS = {"step": _MOST_STEPS, "best_step": _MOST_STEPS, "stale": _MOST_STEPS, "parts": _MOST_PARTS}


def check_optimiser(optimiser: torch.optim.Optimizer, record: Any) -> None:
    """Raise ValueError unless every tensor of an optimiser's record has the shape of the weight that it is about."""
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    for index, kept in record["state"].items():
        for name, value in kept.items():
            if not isinstance(value, torch.Tensor) or value.shape not in ((), weights[index].shape):
                raise ValueError(f"the optimiser's {name} is of another network")
    own = optimiser.state_dict()["param_groups"]
    if [group["params"] for group in record["param_groups"]] != [group["params"] for group in own]:
        raise ValueError("the optimiser is of another network")
    for group in record["param_groups"]:
        if not all(_is_plain(value) for name, value in group.items() if name != "params"):
            raise ValueError("the optimiser's settings are damaged")


def told_progress(record: dict[str, Any]) -> Progress:
    """The progress that a checkpoint tells; ValueError or TypeError where it is none."""
    progress = Progress(**record)
    for name, most in _INTEGERS.items():
        value = getattr(progress, name)
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError(f"{name} is no number up to {most}")
    if type(progress.best_score) is not float or type(progress.unjudged) is not bool or progress.parts < 1:
        raise ValueError("its progress is damaged")
    if type(progress.losses) is not list or len(progress.losses) > _MOST_STEPS:
        raise ValueError("its losses are damaged")
    for step, loss in progress.losses:
        if type(step) is not int or type(loss) is not float or math.isnan(loss):
            raise ValueError("its losses are damaged")
    return progress


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return len(value) <= 4 and all(isinstance(one, int | float) for one in value)
    return value is None or isinstance(value, bool | int | float | str)
