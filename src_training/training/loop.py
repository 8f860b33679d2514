"""The one training loop: draw → step → validate → checkpoint → emit → cancelled?"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from src_training import durable
from src_training.errors import Cancelled
from src_training.networks.network import Network
from src_training.training.ahead import batches
from src_training.training.checkpoint import (
    BEST,
    TrainingState,
    load_best,
    load_checkpoint,
    save_checkpoint,
    save_durably,
)
from src_training.training.devices import open_fabric, pick_device
from src_training.training.pausing import write_when_there_is_space
from src_training.training.progress import Clock, Progress, Watcher
from src_training.training.sampler import Sampler
from src_training.training.settings import LoopSettings
from src_training.training.stepping import Objective, Stepper

_WARM_UP = 0.05  # share of the steps in which the learning rate rises

Validate = Callable[[Network], dict[str, float]]


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
    RunError : the loss is not finite; nothing of the run can be promoted. Or a checkpoint is damaged.
    Cancelled : asked to stop; a checkpoint was written first, if the disk had space for it.
    """
    torch.set_num_threads(settings.threads)
    fabric = open_fabric(pick_device(settings.device), settings.devices)
    network.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    helper = objective.to(fabric.device) if isinstance(objective, nn.Module) else nn.Module()
    state = _fresh_state(network, helper, settings)
    durable.make_dir(folder)
    progress = load_checkpoint(folder, state) or Progress()
    wrapped, optimiser = fabric.setup(network, state.optimiser)
    stepper = Stepper(fabric, wrapped, optimiser, objective, settings.gradient_clip, progress.parts)
    keeper = _Keeper(fabric, state, progress, validate, settings, folder, watcher)
    share_helper(helper, fabric)
    if progress.unjudged:
        keeper.judge()
        keeper.keep()

    steps = range(progress.step, settings.steps)
    ahead = batches(sampler, steps, fabric.global_rank, fabric.world_size, settings.loaders)
    while progress.step < settings.steps and not keeper.gave_up:
        # What is random inside a network is drawn anew for each step, so that a resumed run draws the same.
        torch.manual_seed(_step_seed(settings.seed, progress.step, fabric.global_rank))
        for group in state.optimiser.param_groups:
            group["lr"] = learning_rate(progress.step, settings)
        wrapped.train()
        if settings.freeze_statistics:
            freeze_batch_norm(network)
        loss, terms = stepper.take(next(ahead).to(fabric.device), progress.step)
        if stepper.parts > progress.parts:
            progress.parts = stepper.parts
            keeper.log(f"out of memory: from now on a batch is computed in {progress.parts} parts")
        state.average.update_parameters(network)
        progress.step += 1
        keeper.report(loss, terms)
        keeper.judge()
        keeper.keep()

    keeper.save()
    fabric.barrier()
    load_best(folder, network)
    network.eval()


def _fresh_state(network: nn.Module, helper: nn.Module, settings: LoopSettings) -> TrainingState:
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=rising_average(settings.ema_decay), use_buffers=True
    )
    trained = [p for p in [*network.parameters(), *helper.parameters()] if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return TrainingState(network, average, optimiser, helper)


def rising_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential moving average whose decay rises to ``decay``: min(decay, (1 + n) / (10 + n)) at update n.

    So the average of a short training is not mostly where it began. Source: ``num_updates`` of TensorFlow's
    ``ExponentialMovingAverage``.
    """

    def update(averaged: Any, current: Any, count: Any) -> None:
        done = int(count)
        now = min(decay, (1 + done) / (10 + done))
        torch.optim.swa_utils.get_ema_multi_avg_fn(now)(averaged, current, count)

    return update


class _Keeper:
    """Reports, judges and saves after each step; of several processes the first one speaks and writes."""

    def __init__(
        self,
        fabric: Fabric,
        state: TrainingState,
        progress: Progress,
        validate: Validate,
        settings: LoopSettings,
        folder: Path,
        watcher: Watcher,
    ) -> None:
        self.fabric, self.state, self.progress = fabric, state, progress
        self.validate, self.settings, self.folder = validate, settings, folder
        self.watcher, self.asked_to_stop = watcher, watcher.cancelled
        self.emit = watcher.emit if fabric.is_global_zero else Watcher().emit
        self.clock = Clock(settings, progress.step)

    @property
    def gave_up(self) -> bool:
        """Whether so many validations brought nothing better that the training ends early."""
        return bool(self.settings.patience) and self.progress.stale >= self.settings.patience

    def log(self, message: str) -> None:
        """Tell the watcher a line."""
        self.emit({"event": "log", "message": message})

    def report(self, loss: float, terms: dict[str, float]) -> None:
        """Tell the progress, about once a second."""
        if self.clock.report_due(self.progress.step):
            self.progress.losses.append((self.progress.step, loss))
            self.emit(self.clock.progress_event(self.progress, terms))

    def judge(self) -> None:
        """Validate the averaged weights when that is due, and keep them where they are the best so far.

        Raises Cancelled, after saving, when asked to stop meanwhile; resumed, it begins with this validation.
        """
        progress = self.progress
        if not self._validation_due() and progress.step != self.settings.steps:
            return
        averaged = cast(Network, self.state.average.module)
        metrics = self.fabric.broadcast(self._metrics(averaged) if self.fabric.is_global_zero else {})
        progress.unjudged = not metrics
        if progress.unjudged:
            self._save_and_tell()
            raise self._stopped()
        if progress.is_best(metrics["dice"]):
            self._write(lambda: save_durably(averaged.state_dict(), self.folder / BEST))
        self.emit({"event": "validated", "step": progress.step, "metrics": metrics})
        if self.gave_up:
            self.log(f"no better Dice since step {progress.best_step}")

    def keep(self) -> None:
        """Save after a validation and every few minutes; raises Cancelled, after saving, when asked to stop."""
        stop = bool(self.fabric.broadcast(self.asked_to_stop()))
        if stop or self._validation_due() or self.clock.checkpoint_due():
            self._save_and_tell()
        if stop:
            raise self._stopped()

    def save(self) -> None:
        """Write the checkpoint."""
        self._write(lambda: save_checkpoint(self.folder, self.state, self.progress))

    def _metrics(self, averaged: Network) -> dict[str, float]:
        """What the validation finds; nothing where it was asked to stop meanwhile."""
        try:
            return self.validate(averaged)
        except Cancelled:
            return {}

    def _save_and_tell(self) -> None:
        self.save()
        self.emit({"event": "checkpoint", "step": self.progress.step})

    def _stopped(self) -> Cancelled:
        return Cancelled(f"stopped at step {self.progress.step}; the checkpoint is kept and can be resumed")

    def _write(self, write: Callable[[], None]) -> None:
        if self.fabric.is_global_zero:
            write_when_there_is_space(write, self.progress.step, self.watcher)

    def _validation_due(self) -> bool:
        return self.progress.step % self.settings.validate_every == 0


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
