"""One optimiser step: forward, backward, clip; in ever smaller parts when memory runs out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import Tensor, nn

from src_training.errors import RunError, is_out_of_memory
from src_training.training.samples import Batch

Result = TypeVar("Result")
Objective = Callable[[nn.Module, Batch, int], dict[str, Tensor]]


def in_parts_that_fit(
    compute: Callable[[int], Result], parts: int, most: int, forget: Callable[[], None]
) -> tuple[Result, int]:
    """What ``compute(parts)`` gives, and the number of parts that fitted the memory.

    Each time memory runs out it is called anew with twice as many, as long as they are fewer than ``most``,
    after ``forget`` has freed what the attempt held.
    """
    while True:
        try:
            return compute(parts), parts
        except (RuntimeError, MemoryError) as error:
            if parts >= most or not is_out_of_memory(error):
                raise
        # Only here the error, and with it all that the attempt computed, is gone.
        forget()
        parts *= 2


def free_memory() -> None:
    """Give the memory that torch keeps for later back to the device."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class Stepper:
    """Takes steps with a network and its optimiser; ``parts`` tells in how many parts a batch is computed."""

    def __init__(
        self,
        fabric: Fabric,
        network: _FabricModule,
        optimiser: _FabricOptimizer,
        objective: Objective,
        gradient_clip: float,
        parts: int = 1,
    ) -> None:
        self.fabric, self.network, self.optimiser, self.objective = fabric, network, optimiser, objective
        self.gradient_clip, self.parts = gradient_clip, parts
        helpers = objective.parameters() if isinstance(objective, nn.Module) else ()
        self.helpers = [parameter for parameter in helpers if parameter.requires_grad]

    def take(self, batch: Batch, step: int) -> tuple[float, dict[str, float]]:
        """Loss as a mean over all processes, and its terms in this one; RunError when loss or gradient is not finite.

        Each time memory runs out, the gradient is computed anew in twice as many parts, down to one frame a part,
        and so are all later ones: the same gradient, but for batch statistics where they are not frozen. Processes
        that compute one batch together do not do so, since one alone would leave the others waiting.
        """
        most = len(batch) if self.fabric.world_size == 1 else 1
        told, self.parts = in_parts_that_fit(
            lambda parts: self._gradient(batch, step, parts), self.parts, most, self._forget
        )
        self._finish(step)
        return told

    def _gradient(self, batch: Batch, step: int, count: int) -> tuple[float, dict[str, float]]:
        self.optimiser.zero_grad(set_to_none=True)
        total, told = 0.0, dict[str, float]()
        parts = batch.split(count)
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            with self.fabric.no_backward_sync(self.network, enabled=not last):
                with self.fabric.autocast():
                    terms = self.objective(self.network, part, step)
                share = len(part) / len(batch)
                loss = share * torch.stack(list(terms.values())).sum()
                total += self._mean(loss)
                if not math.isfinite(total):
                    raise _not_finite("loss", total, step)
                self.fabric.backward(loss)
            for name, term in terms.items():
                told[name] = told.get(name, 0.0) + share * float(term.detach())
        return total, told

    def _forget(self) -> None:
        """Free what the failed attempt holds."""
        self.optimiser.zero_grad(set_to_none=True)
        forget = getattr(self.objective, "forget", None)
        if forget is not None:
            forget()
        free_memory()

    def _finish(self, step: int) -> None:
        for parameter in self.helpers:
            if self.fabric.world_size > 1 and parameter.grad is not None:
                parameter.grad = self.fabric.all_reduce(parameter.grad, reduce_op="mean")  # type: ignore[assignment]
        norm = self.fabric.clip_gradients(
            self.network, self.optimiser, max_norm=self.gradient_clip, error_if_nonfinite=False
        )
        if norm is not None and not bool(torch.isfinite(norm)):
            raise _not_finite("gradient", float(norm), step)
        self.optimiser.step()
        after = getattr(self.objective, "after_step", None)
        if after is not None:
            after()

    def _mean(self, loss: Tensor) -> float:
        if self.fabric.world_size == 1:
            return float(loss.detach())
        return float(self.fabric.all_reduce(loss.detach(), reduce_op="mean"))  # type: ignore[arg-type]


def _not_finite(what: str, value: float, step: int) -> RunError:
    return RunError(
        f"the {what} became {value} at step {step}: the run is stopped and can never be promoted. "
        "Lower the learning rate, or check the newest masks."
    )
