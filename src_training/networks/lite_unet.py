"""The compact teacher: a U-Net whose encoder is an EfficientNet-Lite, optionally started from ImageNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from src_training.models.card import Architecture
from src_training.networks.blocks import InvertedResidual, conv_bn_relu
from src_training.networks.network import Network, Output, kept, upsampled

# Tan & Le, EfficientNet, ICML 2019, table 1, without squeeze-and-excitation and swish ("Lite"):
# repeats, channels, stride, expansion, kernel.
_B0 = (
    (1, 16, 1, 1, 3),
    (2, 24, 2, 6, 3),
    (2, 40, 2, 6, 5),
    (3, 80, 2, 6, 3),
    (3, 112, 1, 6, 5),
    (4, 192, 2, 6, 5),
    (1, 320, 1, 6, 3),
)
_SCALE = {"lite0-unet": (1.0, 1.0), "lite1-unet": (1.0, 1.1), "lite2-unet": (1.1, 1.2)}  # width, depth
_STEM = 32
_SKIP_STAGES = {2: 0, 4: 1, 8: 2, 16: 4}  # stride → the last stage at it
_DECODER = {16: 4, 8: 2, 4: 1.5, 2: 1}  # stride → width in units of base_channels


class LiteUNet(Network):
    """EfficientNet-Lite encoder (strides 2 to 32), two 3x3 convolutions a decoder level, depth-to-space head.

    ``base_channels`` is the width of the finest decoder level.
    """

    stem_channels = _STEM

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        plan = stage_plan(architecture.family)
        self.stem = conv_bn_relu(1, _STEM, stride=2, cap=6)
        widths = [_STEM, *(channels for _, channels, *_ in plan)]
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    InvertedResidual(
                        channels_in if index == 0 else channels,
                        channels,
                        stride=stride if index == 0 else 1,
                        expansion=expansion,
                        kernel=kernel,
                    )
                    for index in range(repeats)
                )
            )
            for channels_in, (repeats, channels, stride, expansion, kernel) in zip(widths, plan, strict=False)
        )
        self.decoder = nn.ModuleDict()
        below = widths[-1]
        for stride, share in _DECODER.items():
            width = round(architecture.base_channels * share)
            skip = plan[_SKIP_STAGES[stride]][1]
            self.decoder[str(stride)] = nn.Sequential(
                *conv_bn_relu(below + skip, width), *conv_bn_relu(width, width)
            )
            below = width
        self.head = nn.Conv2d(below, 4, 1)

    def forward(self, x: Tensor, channel_keep: Tensor | None = None) -> Output:
        x = kept(self.stem(x), channel_keep)
        staged = []
        for stage in self.stages:
            x = stage(x)
            staged.append(x)
        encoder = {stride: staged[index] for stride, index in _SKIP_STAGES.items()} | {32: x}
        decoder: dict[int, Tensor] = {}
        for stride in _DECODER:
            skip = encoder[stride]
            x = self.decoder[str(stride)](torch.cat([skip, upsampled(x, skip)], dim=1))
            decoder[stride] = x
        return Output(functional.pixel_shuffle(self.head(x), 2), encoder, decoder)


def stage_plan(family: str) -> list[tuple[int, int, int, int, int]]:
    """(repeats, channels, stride, expansion, kernel) of each stage; first and last stage keep their depth."""
    width, depth = _SCALE[family]
    last = len(_B0) - 1
    return [
        (
            repeats if index in (0, last) else _rounded_up(repeats * depth),
            _to_eighths(channels * width),
            stride,
            expansion,
            kernel,
        )
        for index, (repeats, channels, stride, expansion, kernel) in enumerate(_B0)
    ]


def _rounded_up(repeats: float) -> int:
    return int(-(-repeats // 1))


def _to_eighths(channels: float) -> int:
    """The nearest multiple of 8 that loses at most a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
