"""What a distillation term sees: student and teacher on the same augmented crops, in float32."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from src_training.errors import ModelError
from src_training.networks.network import Output
from src_training.training.samples import Batch

_COARSEST = 8  # beyond it a location is larger than the vessels


@dataclass(frozen=True)
class Pair:
    """Outputs of student and teacher for one batch; nothing of the teacher carries a gradient."""

    student: Output
    teacher: Output
    batch: Batch

    @classmethod
    def of(cls, student: Output, teacher: Output, batch: Batch) -> Pair:
        """Both outputs in float32, the teacher's detached."""
        return cls(_in_float32(student, detach=False), _in_float32(teacher, detach=True), batch)

    @cached_property
    def student_probability(self) -> Tensor:
        """(B, 1, h, w)."""
        return torch.sigmoid(self.student.logits)

    @cached_property
    def teacher_probability(self) -> Tensor:
        """(B, 1, h, w)."""
        return torch.sigmoid(self.teacher.logits)

    @cached_property
    def labelled(self) -> Tensor:
        """(B,) 1 where the frame has a label."""
        return self.batch.labelled

    @cached_property
    def vessel(self) -> Tensor:
        """(B, 1, h, w) vessel as labelled, on unlabelled frames as the teacher sees it (p_t > 0.5)."""
        labelled = self.labelled[:, None, None, None]
        seen = (self.teacher_probability > 0.5).float()
        return labelled * self.batch.vessel * self.batch.valid + (1 - labelled) * seen

    @cached_property
    def decided(self) -> Tensor:
        """(B, 1, h, w) 1 where `vessel` may be relied on: reviewed pixels, every pixel of unlabelled frames."""
        labelled = self.labelled[:, None, None, None]
        return labelled * self.batch.valid + (1 - labelled)

    @cached_property
    def encoder_strides(self) -> list[int]:
        """Strides that both networks have on the encoder side, the finest first."""
        return sorted(set(self.student.encoder) & set(self.teacher.encoder))

    @cached_property
    def decoder_strides(self) -> list[int]:
        """Strides that both networks have on the decoder side, the finest first."""
        return sorted(set(self.student.decoder) & set(self.teacher.decoder))

    @cached_property
    def symmetric_strides(self) -> list[int]:
        """The two coarsest strides, to 8, that both networks have on both sides: {4, 8} for U-Nets, {2, 4} for ENet.

        Raises ModelError when there are fewer than two.
        """
        both = set(self.encoder_strides) & set(self.decoder_strides)
        found = sorted(stride for stride in both if stride <= _COARSEST)[-2:]
        if len(found) < 2:
            raise ModelError("teacher and student share fewer than two layer pairs. Choose another teacher.")
        return found

    def features(self) -> list[tuple[Tensor, Tensor]]:
        """(student, teacher) features at every shared stride of both sides."""
        encoder = [(self.student.encoder[s], self.teacher.encoder[s]) for s in self.encoder_strides]
        return encoder + [(self.student.decoder[s], self.teacher.decoder[s]) for s in self.decoder_strides]


def per_sample_mean(x: Tensor) -> Tensor:
    """(B, …) → (B,)."""
    return x.flatten(1).mean(dim=1)


def dilated(mask: Tensor, size: int) -> Tensor:
    """A 0/1 map (B, 1, h, w) grown by a square of ``size`` px (odd)."""
    return functional.max_pool2d(mask, size, stride=1, padding=size // 2)


def _in_float32(output: Output, *, detach: bool) -> Output:
    def plain(x: Tensor) -> Tensor:
        return x.detach().float() if detach else x.float()

    return Output(
        plain(output.logits),
        {stride: plain(x) for stride, x in output.encoder.items()},
        {stride: plain(x) for stride, x in output.decoder.items()},
    )
