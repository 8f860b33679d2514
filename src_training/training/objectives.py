"""What is minimised: the task on reviewed pixels, and for fine-tuning an anchor to the previous model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src_training.distillation.soft_kd import soft_kd
from src_training.networks.network import Output
from src_training.training.losses import bce, skeleton_recall, soft_dice
from src_training.training.samples import Batch


class TaskObjective:
    """BCE + soft Dice + w · skeleton recall, in float32."""

    def __init__(self, skeleton_weight: float) -> None:
        self.skeleton_weight = skeleton_weight

    def __call__(self, network: nn.Module, batch: Batch, _step: int) -> dict[str, Tensor]:
        return self.terms(forward(network, batch).logits.float(), batch)

    def terms(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The named, weighted terms for logits (B, 1, h, w)."""
        with torch.autocast(logits.device.type, enabled=False):
            return {
                "bce": bce(logits, batch.vessel, batch.valid),
                "dice": soft_dice(logits, batch.vessel, batch.valid),
                "skeleton": self.skeleton_weight * skeleton_recall(logits, batch.tube, batch.valid),
            }


class AnchoredObjective:
    """The task, plus soft distillation from the previous model on replay frames and unreviewed pixels.

    ``previous``, in its inference form, sees the same augmented crops, without gradient.
    """

    def __init__(self, task: TaskObjective, previous: nn.Module, anchor_weight: float) -> None:
        self.task, self.anchor_weight = task, anchor_weight
        self.previous = previous.eval().requires_grad_(False)

    def __call__(self, network: nn.Module, batch: Batch, _step: int) -> dict[str, Tensor]:
        logits = forward(network, batch).logits.float()
        terms = self.task.terms(logits, batch)
        if self.anchor_weight:
            with torch.no_grad():
                before = self.previous(batch.image).logits.float()
            held = torch.maximum(batch.replay[:, None, None, None].expand_as(batch.valid), 1 - batch.valid)
            with torch.autocast(logits.device.type, enabled=False):
                terms["anchor"] = self.anchor_weight * soft_kd(logits, before, held).mean()
        return terms


def forward(network: nn.Module, batch: Batch) -> Output:
    """The network's output, the stem's channels dropped as the batch says."""
    image = batch.image.contiguous(memory_format=torch.channels_last)
    output: Output = network(image, batch.channel_keep)
    return output
