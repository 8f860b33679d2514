"""The one training loop: draw → step → validate → checkpoint → emit → cancelled?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from src_training.errors import Cancelled, ModelError, RunError
from src_training.training.checkpoint import BEST, load_checkpoint, save_checkpoint
from src_training.training.samples import Batch
from src_training.training.settings import LoopSettings

_WARM_UP = 0.05  # share of the steps in which the learning rate rises


class Sampling(Protocol):
    """Anything that gives the batch of a step."""

    def batch(self, step: int) -> Batch: ...


Objective = Callable[[nn.Module, Batch], dict[str, Tensor]]
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
    sampler: Sampling,
    objective: Objective,
    validate: Validate,
    settings: LoopSettings,
    folder: Path,
    watcher: Watcher,
) -> None:
    """Train ``network``; it ends with its averaged weights at the best validation, in evaluation mode.

    Resumes from ``folder/last.pt`` when that exists; batches depend on (seed, step) only and the
    checkpoint holds optimiser and averages, so a resumed run on one CPU thread equals an unbroken one.

    Raises
    ------
    RunError : the loss is not finite; nothing of the run can be promoted.
    Cancelled : asked to stop; a checkpoint was written first.
    """
    device = pick_device(settings.device)
    torch.set_num_threads(settings.threads)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.ema_decay), use_buffers=True
    )
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    folder.mkdir(parents=True, exist_ok=True)
    progress = load_checkpoint(folder, network, average, optimiser) or Progress()
    clock = _Clock(settings, progress.step)

    while progress.step < settings.steps:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(progress.step, settings)
        network.train()
        if settings.freeze_statistics:
            freeze_batch_norm(network)
        with mixed_precision(device):
            terms = objective(network, sampler.batch(progress.step).to(device))
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise RunError(
                f"the loss became {loss.item()} at step {progress.step}: the run is stopped and can never be "
                "promoted. Lower the learning rate, or check the newest masks."
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_clip)
        optimiser.step()
        average.update_parameters(network)
        progress.step += 1

        if clock.report_due(progress.step):
            progress.losses.append((progress.step, float(loss.item())))
            watcher.emit(clock.progress_event(progress, terms))
        if progress.step % settings.validate_every == 0 or progress.step == settings.steps:
            metrics = validate(average.module)
            keep_best(average.module, metrics, progress, folder)
            watcher.emit({"event": "validated", "step": progress.step, "metrics": metrics})
            if settings.patience and progress.stale >= settings.patience:
                watcher.emit({"event": "log", "message": f"no better Dice since step {progress.best_step}"})
                break
        asked_to_stop = watcher.cancelled()
        if asked_to_stop or clock.checkpoint_due():
            save_checkpoint(folder, network, average, optimiser, progress)
            watcher.emit({"event": "checkpoint", "step": progress.step})
        if asked_to_stop:
            raise Cancelled(f"stopped at step {progress.step}; the checkpoint is kept and can be resumed")

    save_checkpoint(folder, network, average, optimiser, progress)
    network.load_state_dict(torch.load(folder / BEST, weights_only=True, map_location=device))
    network.eval()


def keep_best(network: nn.Module, metrics: dict[str, float], progress: Progress, folder: Path) -> None:
    """Write the best weights when the validation Dice is the best so far."""
    if metrics["dice"] > progress.best_score:
        progress.best_score, progress.best_step, progress.stale = metrics["dice"], progress.step, 0
        torch.save(network.state_dict(), folder / BEST)
    else:
        progress.stale += 1


def learning_rate(step: int, settings: LoopSettings) -> float:
    """One cycle: linear rise, then a cosine to a hundredth."""
    rise = max(1, int(_WARM_UP * settings.steps))
    if step < rise:
        return settings.learning_rate * (step + 1) / rise
    done = (step - rise) / max(1, settings.steps - rise)
    return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def pick_device(wish: str) -> torch.device:
    """The device asked for (``cpu``, ``cuda``, ``cuda:1``, ``mps``), or with ``auto`` the best there is.

    Raises ModelError when this computer has no such device.
    """
    there = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    if wish == "auto":
        return torch.device(next(kind for kind, count in there.items() if count))
    kind, _, index = wish.partition(":")
    if kind not in there or (index and not index.isdecimal()):
        raise ModelError(f"{wish!r} is not a device. Choose auto, cpu, cuda or mps.")
    if int(index or 0) >= there[kind]:
        raise ModelError(
            f"this computer has no {wish}. Use auto or cpu; lightvessel doctor lists the devices."
        )
    return torch.device(wish)


def mixed_precision(device: torch.device) -> AbstractContextManager:
    """bf16 where the hardware has it; a CPU without native bf16 was measured 7x slower with it."""
    native = torch.cuda.is_bf16_supported() if device.type == "cuda" else cpu_has_bf16()
    if device.type == "mps" or not native:
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def cpu_has_bf16() -> bool:
    """True where the CPU multiplies bfloat16 natively (AVX-512 BF16 or AMX)."""
    capable = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(capable and capable())


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

    def progress_event(self, progress: Progress, terms: dict[str, Tensor]) -> dict[str, Any]:
        done = max(1, progress.step - self.first_step)
        pace = (time.monotonic() - self.started) / done
        return {
            "event": "progress",
            "step": progress.step,
            "steps": self.settings.steps,
            "loss": progress.losses[-1][1],
            "terms": {name: float(term.item()) for name, term in terms.items()},
            "seconds_left": round(pace * (self.settings.steps - progress.step), 1),
        }
