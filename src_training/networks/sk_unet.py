"""The paper's kind of teacher: a U-Net whose encoder is built of selective-kernel blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src_training.networks.blocks import conv_bn_relu
from src_training.networks.pooled_unet import PooledUNet

_REDUCTION = 8
_LEAST_ATTENTION = 16


class SKUNet(PooledUNet):
    """``blocks`` selective-kernel units an encoder stage, two 3x3 convolutions a decoder stage.

    As published it has no stem: ``stem_factor`` 1.
    """

    def encoder_stage(self, channels_in: int, channels_out: int) -> nn.Module:
        return nn.Sequential(
            conv_bn_relu(channels_in, channels_out),
            *(SelectiveKernelUnit(channels_out) for _ in range(self.architecture.blocks)),
        )

    def decoder_stage(self, channels_in: int, channels_out: int) -> nn.Module:
        return nn.Sequential(
            *conv_bn_relu(channels_in, channels_out), *conv_bn_relu(channels_out, channels_out)
        )


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
