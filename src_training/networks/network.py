"""What every network is: features of both sides by stride, and no hooks to get at them."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from src_training.models.card import Architecture
from src_training.networks.families import stride_of

Module = TypeVar("Module", bound=nn.Module)


class Output(NamedTuple):
    """What every network returns: logits (B, 1, H, W) and its features by stride, encoder and decoder side."""

    logits: Tensor
    encoder: dict[int, Tensor]
    decoder: dict[int, Tensor]


class Network(nn.Module):
    """Input (B, 1, H, W), H and W multiples of ``stride``; returns an `Output`.

    ``channel_keep`` (B, ``stem_channels``, 1, 1), if given, multiplies the first stage's output: the
    channel dropout of training.
    """

    stem_channels: int

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture

    @property
    def stride(self) -> int:
        """Height and width of the input must be multiples of this."""
        return stride_of(self.architecture)

    def forward(self, x: Tensor, channel_keep: Tensor | None = None) -> Output:
        raise NotImplementedError

    def fused(self) -> Network:
        """The inference form: equal outputs, batch norms folded into the convolutions before them."""
        import copy

        return fold_batch_norms(copy.deepcopy(self).eval())


def kept(x: Tensor, channel_keep: Tensor | None) -> Tensor:
    """``x`` with whole channels dropped, where training asks for it."""
    return x if channel_keep is None else x * channel_keep


def encoded(
    stages: nn.ModuleList, x: Tensor, stem_factor: int, channel_keep: Tensor | None
) -> dict[int, Tensor]:
    """Features by stride of encoder stages behind a space-to-depth stem, each pooled from the one before."""
    features: dict[int, Tensor] = {}
    x = functional.pixel_unshuffle(x, stem_factor)
    for level, stage in enumerate(stages):
        x = stage(functional.max_pool2d(x, 2) if level else x)
        if level == 0:
            x = kept(x, channel_keep)
        features[stem_factor * 2**level] = x
    return features


def upsampled(x: Tensor, like: Tensor) -> Tensor:
    """Nearest-neighbour enlargement to the size of ``like``."""
    return functional.interpolate(x, size=like.shape[-2:], mode="nearest")


def fold_batch_norms(network: Module) -> Module:
    """Fold every batch norm that follows a convolution in a Sequential; in place."""
    for sequence in [m for m in network.modules() if isinstance(m, nn.Sequential)]:
        for index in range(len(sequence) - 1):
            layer, norm = sequence[index], sequence[index + 1]
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
                transposed = isinstance(layer, nn.ConvTranspose2d)
                sequence[index] = torch.nn.utils.fusion.fuse_conv_bn_eval(layer, norm, transposed)
                sequence[index + 1] = nn.Identity()
    return network
