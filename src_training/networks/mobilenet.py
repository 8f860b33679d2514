"""The paper's main student: a U-Net of MobileNetV2's inverted bottlenecks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from src_training.models.card import Architecture
from src_training.networks.blocks import InvertedResidual, conv_bn_relu
from src_training.networks.network import Network, Output, kept, upsampled

# Sandler et al., MobileNetV2, CVPR 2018, table 2, per stride: (expansion, channels, repeats) after the stem.
_STAGES: dict[int, tuple[tuple[int, int, int], ...]] = {
    2: ((1, 16, 1),),
    4: ((6, 24, 2),),
    8: ((6, 32, 3),),
    16: ((6, 64, 4), (6, 96, 3)),
    32: ((6, 160, 3), (6, 320, 1)),
}
_DECODER = {16: 96, 8: 32, 4: 24, 2: 16}
_USUAL_STEM = 32


class MobileNetV2UNet(Network):
    """Encoder of MobileNetV2, decoder of inverted bottlenecks with concat skips, depth-to-space head.

    ``base_channels`` 32 is the published width; other values scale every layer.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        share = architecture.base_channels / _USUAL_STEM
        self.stem_channels = width = architecture.base_channels
        self.stem = conv_bn_relu(1, width, stride=2, cap=6)
        self.encoder, self.decoder = nn.ModuleDict(), nn.ModuleDict()
        widths: dict[int, int] = {}
        for stride, groups in _STAGES.items():
            blocks: list[nn.Module] = []
            for expansion, channels, repeats in groups:
                for index in range(repeats):
                    shrinks = stride > 2 and not blocks and index == 0
                    out = max(4, round(channels * share))
                    blocks.append(InvertedResidual(width, out, stride=1 + shrinks, expansion=expansion))
                    width = out
            self.encoder[str(stride)], widths[stride] = nn.Sequential(*blocks), width
        for stride, channels in _DECODER.items():
            out = max(4, round(channels * share))
            self.decoder[str(stride)] = nn.Sequential(
                InvertedResidual(width + widths[stride], out, stride=1, expansion=2),
                InvertedResidual(out, out, stride=1, expansion=6),
            )
            width = out
        self.head = nn.Conv2d(width, 4, 1)

    def forward(self, x: Tensor, channel_keep: Tensor | None = None) -> Output:
        x = kept(self.stem(x), channel_keep)
        encoder: dict[int, Tensor] = {}
        decoder: dict[int, Tensor] = {}
        for stride in _STAGES:
            x = encoder[stride] = self.encoder[str(stride)](x)
        for stride in _DECODER:
            skip = encoder[stride]
            x = decoder[stride] = self.decoder[str(stride)](torch.cat([skip, upsampled(x, skip)], dim=1))
        return Output(functional.pixel_shuffle(self.head(x), 2), encoder, decoder)
