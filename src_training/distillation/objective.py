"""The whole objective: the task, and distillation terms that rise in the first steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from src_training.distillation.asd_paper import asd_paper_term
from src_training.distillation.asd_window import asd_window_term
from src_training.distillation.at import attention_term
from src_training.distillation.cwd import cwd_term
from src_training.distillation.fitnet import FitNet
from src_training.distillation.fsd_map import fsd_map_term
from src_training.distillation.fsd_paper import FsdPaper
from src_training.distillation.ifv import ifv_term
from src_training.distillation.pair import Pair
from src_training.distillation.recipe import Term
from src_training.distillation.skd import Predictions, Skd
from src_training.distillation.soft_kd import soft_kd_term
from src_training.training.objectives import TaskObjective, forward
from src_training.training.samples import Batch

Loss = Callable[[Pair], Tensor]

_FUNCTIONS: dict[str, Loss] = {
    "soft-kd": soft_kd_term,
    "at": attention_term,
    "ifv": ifv_term,
    "cwd": cwd_term,
    "fsd-map": fsd_map_term,
    "asd-window": asd_window_term,
    "asd-paper": asd_paper_term,
}
_MODULES: dict[str, type[FitNet] | type[FsdPaper] | type[Skd]] = {
    "fitnet": FitNet,
    "fsd-paper": FsdPaper,
    "skd": Skd,
}


class DistillationObjective(nn.Module):
    """Task + Σ weight · ramp · method(student, teacher); every method is a mean over the samples.

    The teacher is in evaluation mode, sees the same crops, and gets no gradient. ``ramp_steps``: the
    distillation terms rise linearly over so many steps.
    """

    weights: Tensor

    def __init__(
        self, task: TaskObjective, teacher: nn.Module, terms: Sequence[Term], pair: Pair, ramp_steps: int
    ) -> None:
        super().__init__()
        self.task, self.ramp_steps = task, ramp_steps
        self.names = [term.name for term in terms]
        self.modules_of = nn.ModuleDict({n: _MODULES[n].between(pair) for n in self.names if n in _MODULES})
        self.register_buffer("weights", torch.tensor([term.weight for term in terms]))
        self._teacher = [teacher.eval().requires_grad_(False)]  # in a list: not a part that is saved
        self._critics = [module for module in self.modules_of.values() if isinstance(module, Skd)]
        self._seen: list[Predictions] = []

    def forward(self, network: nn.Module, batch: Batch, step: int) -> dict[str, Tensor]:
        """The named, weighted terms; their sum is what is minimised."""
        pair = self.pair(network, batch)
        with torch.autocast(batch.image.device.type, enabled=False):
            terms = self.task.terms(pair.student.logits, batch)
            share = min(1.0, (step + 1) / self.ramp_steps) if self.ramp_steps else 1.0
            for name, weight in zip(self.names, self.weights.tolist(), strict=True):
                terms[name] = share * weight * self.loss(name)(pair).mean()
        if self._critics:
            self._seen.append(Predictions.of(pair))
        return terms

    def after_step(self) -> None:
        """Let a critic learn from the step that was just taken."""
        if self._seen:
            seen = Predictions.joined(self._seen)
            for critic in self._critics:
                critic.after_step(seen)
        self.forget()

    def forget(self) -> None:
        """Keep nothing of a step."""
        self._seen = []

    def pair(self, network: nn.Module, batch: Batch) -> Pair:
        """Student and teacher on one batch."""
        with torch.no_grad():
            teacher = self._teacher[0](batch.image.contiguous(memory_format=torch.channels_last))
        return Pair.of(forward(network, batch), teacher, batch)

    def loss(self, name: str) -> Loss:
        """The method of that name: Pair → (B,)."""
        return _FUNCTIONS.get(name) or self.modules_of[name]

    def told_weights(self) -> dict[str, float]:
        """The weight of every term, by name."""
        return {n: round(w, 5) for n, w in zip(self.names, self.weights.tolist(), strict=True)}

    @torch.no_grad()
    def set_weights(self, weights: Sequence[float]) -> None:
        """Weigh the terms anew, in the order of ``names``."""
        self.weights.copy_(torch.tensor(list(weights)))

    def to(self, *args, **kwargs) -> DistillationObjective:  # type: ignore[no-untyped-def]
        """Move, and the teacher along."""
        self._teacher[0].to(*args, **kwargs)
        return super().to(*args, **kwargs)
