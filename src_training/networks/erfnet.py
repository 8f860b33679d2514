"""ERFNet: residual blocks of one-dimensional convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src_training.models.card import Architecture
from src_training.networks.network import Network, Output, kept

_DROPOUT = {4: 0.03, 8: 0.3}  # of the paper
_DILATIONS = (2, 4, 8, 16, 2, 4, 8, 16)


class ERFNet(Network):
    """Romera et al., ERFNet, IEEE T-ITS 2018: encoder to stride 8, decoder of transposed convolutions.

    ``base_channels`` 16 is the published width.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.stem_channels = base = architecture.base_channels
        self.down2 = _Down(1, base)
        self.down4 = _Down(base, 4 * base)
        self.stage4 = nn.Sequential(*(NonBottleneck1d(4 * base, 1, _DROPOUT[4]) for _ in range(5)))
        self.down8 = _Down(4 * base, 8 * base)
        self.stage8 = nn.Sequential(*(NonBottleneck1d(8 * base, d, _DROPOUT[8]) for d in _DILATIONS))
        self.up4 = _up(8 * base, 4 * base)
        self.refine4 = nn.Sequential(*(NonBottleneck1d(4 * base, 1, 0.0) for _ in range(2)))
        self.up2 = _up(4 * base, base)
        self.refine2 = nn.Sequential(*(NonBottleneck1d(base, 1, 0.0) for _ in range(2)))
        self.head = nn.ConvTranspose2d(base, 1, 2, stride=2)

    def forward(self, x: Tensor, channel_keep: Tensor | None = None) -> Output:
        two = kept(self.down2(x), channel_keep)
        four = self.stage4(self.down4(two))
        eight = self.stage8(self.down8(four))
        up4 = self.refine4(self.up4(eight))
        up2 = self.refine2(self.up2(up4))
        return Output(self.head(up2), {2: two, 4: four, 8: eight}, {4: up4, 2: up2})


class NonBottleneck1d(nn.Module):
    """3x1, 1x3, dilated 3x1, dilated 1x3, added to the input (figure 2c of the paper)."""

    def __init__(self, channels: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, (3, 1), padding=(1, 0)),
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, 3), padding=(0, 1), bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, (3, 1), padding=(dilation, 0), dilation=(dilation, 1)),
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, 3), padding=(0, dilation), dilation=(1, dilation), bias=False),
            nn.BatchNorm2d(channels),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.layers(x))


class _Down(nn.Module):
    """Strided convolution beside max pooling, joined (the paper's downsampler block)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out - channels_in, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(torch.cat([self.conv(x), nn.functional.max_pool2d(x, 2)], dim=1)))


def _up(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )
