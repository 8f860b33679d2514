"""The paper's kind of teacher: a U-Net whose encoder is built of selective-kernel blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from src_training.models.card import Architecture
from src_training.networks.blocks import conv_bn_relu
from src_training.networks.network import Network, Output, decoded, encoded

_REDUCTION = 8
_LEAST_ATTENTION = 16


class SKUNet(Network):
    """``depth`` poolings behind a space-to-depth stem of ``stem_factor`` (1: full resolution, as published).

    Channels double at each level from ``base_channels``; ``blocks`` selective-kernel units an encoder
    stage, two 3x3 convolutions a decoder stage.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.factor = architecture.stem_factor
        widths = [architecture.base_channels * 2**level for level in range(architecture.depth + 1)]
        self.stem_channels = widths[0]
        self.encoder = nn.ModuleList(
            nn.Sequential(
                conv_bn_relu(below, width),
                *(SelectiveKernelUnit(width) for _ in range(architecture.blocks)),
            )
            for below, width in zip([self.factor**2, *widths], widths, strict=False)
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(*conv_bn_relu(3 * width, width), *conv_bn_relu(width, width))
            for width in widths[:-1]
        )
        self.head = nn.Conv2d(widths[0], self.factor**2, 1)

    def forward(self, x: Tensor, channel_keep: Tensor | None = None) -> Output:
        encoder = encoded(self.encoder, x, self.factor, channel_keep)
        decoder = decoded(self.decoder, encoder, self.factor)
        logits = functional.pixel_shuffle(self.head(decoder[self.factor]), self.factor)
        return Output(logits, encoder, decoder)


class SelectiveKernelUnit(nn.Module):
    """A 3x3 and a dilated 3x3 branch, mixed per channel by a soft choice from their global mean, added to the input.

    Source: Li et al., Selective Kernel Networks, CVPR 2019, eq. 1-6 (split, fuse, select).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = conv_bn_relu(channels, channels)
        self.far = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=2, dilation=2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        squeezed = max(_LEAST_ATTENTION, channels // _REDUCTION)
        self.squeeze = nn.Sequential(nn.Conv2d(channels, squeezed, 1), nn.ReLU())
        self.choose = nn.Conv2d(
            squeezed, channels, 1
        )  # softmax over two branches = sigmoid of one difference

    def forward(self, x: Tensor) -> Tensor:
        near, far = self.near(x), self.far(x)
        share = torch.sigmoid(self.choose(self.squeeze((near + far).mean(dim=(2, 3), keepdim=True))))
        return torch.relu(x + share * near + (1 - share) * far)
