"""The large teacher: a U-Net of residual blocks on both sides, trained from scratch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from src_training.models.card import Architecture
from src_training.networks.blocks import conv_bn_relu
from src_training.networks.network import Network, Output, decoded, encoded


class ResUNet(Network):
    """``depth`` poolings behind a space-to-depth stem of ``stem_factor``, concat skips, depth-to-space head.

    Channels double at each level from ``base_channels``; ``blocks`` residual blocks an encoder stage, one
    a decoder stage.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.factor = architecture.stem_factor
        widths = [architecture.base_channels * 2**level for level in range(architecture.depth + 1)]
        self.stem_channels = widths[0]
        self.encoder = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(below, width),
                *(ResidualBlock(width, width) for _ in range(architecture.blocks - 1)),
            )
            for below, width in zip([self.factor**2, *widths], widths, strict=False)
        )
        self.decoder = nn.ModuleList(ResidualBlock(3 * width, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], self.factor**2, 1)

    def forward(self, x: Tensor, channel_keep: Tensor | None = None) -> Output:
        encoder = encoded(self.encoder, x, self.factor, channel_keep)
        decoder = decoded(self.decoder, encoder, self.factor)
        logits = functional.pixel_shuffle(self.head(decoder[self.factor]), self.factor)
        return Output(logits, encoder, decoder)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, added to the input: by a 1x1 where the channels differ.

    Source: He et al., Deep Residual Learning, CVPR 2016, eq. 1-2. (B, C_in, h, w) → (B, C_out, h, w).
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *conv_bn_relu(channels_in, channels_out),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = (
            nn.Identity()
            if channels_in == channels_out
            else nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.shortcut(x) + self.layers(x))
