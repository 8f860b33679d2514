"""The large teacher: a U-Net of residual blocks on both sides, trained from scratch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src_training.networks.blocks import conv_bn_relu
from src_training.networks.pooled_unet import PooledUNet


class ResUNet(PooledUNet):
    """``blocks`` residual blocks an encoder stage, one a decoder stage."""

    def encoder_stage(self, channels_in: int, channels_out: int) -> nn.Module:
        return nn.Sequential(
            ResidualBlock(channels_in, channels_out),
            *(ResidualBlock(channels_out, channels_out) for _ in range(self.architecture.blocks - 1)),
        )

    def decoder_stage(self, channels_in: int, channels_out: int) -> nn.Module:
        return ResidualBlock(channels_in, channels_out)


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
