"""The one training loop: draw → step → validate → checkpoint → emit → cancelled?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from src_training.errors import Cancelled
from src_training.training.checkpoint import (
    BEST,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
    save_durably,
)
from src_training.training.devices import open_fabric, pick_device
from src_training.training.sampler import Sampler
from src_training.training.settings import LoopSettings
from src_training.training.stepping import Objective, Stepper

_WARM_UP = 0.05  # share of the steps in which the learning rate rises


Validate = Callable[[nn.Module], dict[str, float]]


@dataclass
class Watcher:
    """Who watches a training, and may stop it; the loop does not know whether it is a shell or a window."""

    emit: Callable[[dict[str, Any]], None] = lambda event: None
    cancelled: Callable[[], bool] = lambda: False


@dataclass
class Progress:
    """What a checkpoint holds beside weights and optimiser."""

    step: int = 0
    best_score: float = -math.inf
    best_step: int = 0
    stale: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)


def fit(
    network: nn.Module,
    sampler: Sampler,
    objective: Objective,
    validate: Validate,
    settings: LoopSettings,
    folder: Path,
    watcher: Watcher,
) -> None:
    """Train ``network``; it ends with its averaged weights at the best validation, in evaluation mode.

    Resumes from ``folder/last.pt`` when that exists; batches depend on (seed, step) only and the
    checkpoint holds optimiser and averages, so a resumed run on one CPU thread equals an unbroken one.
    An ``objective`` that is a module is trained and kept along with the network.

    Raises
    ------
    RunError : the loss is not finite; nothing of the run can be promoted.
    Cancelled : asked to stop; a checkpoint was written first.
    """
    torch.set_num_threads(settings.threads)
    device = pick_device(settings.device)
    fabric = open_fabric(device, settings.devices)
    network.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    helper = objective.to(fabric.device) if isinstance(objective, nn.Module) else nn.Module()
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.ema_decay), use_buffers=True
    )
    trained = [p for p in [*network.parameters(), *helper.parameters()] if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    state = TrainingState(network, average, optimiser, helper)
    folder.mkdir(parents=True, exist_ok=True)
    progress = load_checkpoint(folder, state) or Progress()
    wrapped, wrapped_optimiser = fabric.setup(network, optimiser)
    stepper = Stepper(fabric, wrapped, wrapped_optimiser, objective, settings.gradient_clip)
    clock = _Clock(settings, progress.step)
    teller = watcher if fabric.is_global_zero else Watcher()
    share_helper(helper, fabric)
    given_up = bool(settings.patience) and progress.stale >= settings.patience

    while progress.step < settings.steps and not given_up:
        # What is random inside a network is drawn anew for each step, so that a resumed run draws the same.
        torch.manual_seed(_step_seed(settings.seed, progress.step, fabric.global_rank))
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(progress.step, settings)
        wrapped.train()
        if settings.freeze_statistics:
            freeze_batch_norm(network)
        batch = sampler.batch(progress.step, fabric.global_rank, fabric.world_size)
        was_whole = stepper.parts == 1
        loss, terms = stepper.take(batch.to(fabric.device), progress.step)
        if was_whole and stepper.parts > 1:
            teller.emit({"event": "log", "message": "out of memory: going on with half a batch at a time"})
        average.update_parameters(network)
        progress.step += 1

        if clock.report_due(progress.step):
            progress.losses.append((progress.step, loss))
            teller.emit(clock.progress_event(progress, terms))
        if progress.step % settings.validate_every == 0 or progress.step == settings.steps:
            metrics = validate(average.module) if fabric.is_global_zero else {}
            metrics = fabric.broadcast(metrics)
            keep_best(average.module, metrics, progress, folder, writes=fabric.is_global_zero)
            teller.emit({"event": "validated", "step": progress.step, "metrics": metrics})
            if settings.patience and progress.stale >= settings.patience:
                teller.emit({"event": "log", "message": f"no better Dice since step {progress.best_step}"})
                given_up = True
        asked_to_stop = bool(fabric.broadcast(watcher.cancelled()))
        validated = progress.step % settings.validate_every == 0
        if fabric.is_global_zero and (asked_to_stop or validated or clock.checkpoint_due()):
            save_checkpoint(folder, state, progress)
            teller.emit({"event": "checkpoint", "step": progress.step})
        if asked_to_stop:
            raise Cancelled(f"stopped at step {progress.step}; the checkpoint is kept and can be resumed")

    if fabric.is_global_zero:
        save_checkpoint(folder, state, progress)
    fabric.barrier()
    network.load_state_dict(torch.load(folder / BEST, weights_only=True, map_location=fabric.device))
    network.eval()


def keep_best(
    network: nn.Module, metrics: dict[str, float], progress: Progress, folder: Path, *, writes: bool
) -> None:
    """Note whether the validation Dice is the best so far; the process that ``writes`` keeps its weights."""
    if metrics["dice"] > progress.best_score:
        progress.best_score, progress.best_step, progress.stale = metrics["dice"], progress.step, 0
        if writes:
            save_durably(network.state_dict(), folder / BEST)
    else:
        progress.stale += 1


def share_helper(helper: nn.Module, fabric: Fabric) -> None:
    """Let every process begin with the first one's adapters, critic and weights."""
    if fabric.world_size > 1:
        for tensor in helper.state_dict().values():
            if isinstance(tensor, torch.Tensor):
                torch.distributed.broadcast(tensor, 0)


def _step_seed(seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1)[0])


def learning_rate(step: int, settings: LoopSettings) -> float:
    """One cycle: linear rise, then a cosine to a hundredth."""
    rise = max(1, int(_WARM_UP * settings.steps))
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    done = (step - rise) / max(1, settings.steps - rise)
    return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def freeze_batch_norm(network: nn.Module) -> None:
    """Use, and leave as they are, the running statistics of every batch norm."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


class _Clock:
    """When to report and to write a checkpoint, and how long is left."""

    def __init__(self, settings: LoopSettings, first_step: int) -> None:
        self.settings, self.first_step = settings, first_step
        self.started = self.reported = self.saved = time.monotonic()

    def report_due(self, step: int) -> bool:
        if step != self.settings.steps and time.monotonic() - self.reported < 1.0:
            return False
        self.reported = time.monotonic()
        return True

    def checkpoint_due(self) -> bool:
        if time.monotonic() - self.saved < 60 * self.settings.checkpoint_minutes:
            return False
        self.saved = time.monotonic()
        return True

    def progress_event(self, progress: Progress, terms: dict[str, float]) -> dict[str, Any]:
        done = max(1, progress.step - self.first_step)
        pace = (time.monotonic() - self.started) / done
        return {
            "event": "progress",
            "step": progress.step,
            "steps": self.settings.steps,
            "loss": progress.losses[-1][1],
            "terms": terms,
            "seconds_left": round(pace * (self.settings.steps - progress.step), 1),
        }
