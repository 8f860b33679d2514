"""ENet: an early-shrinking encoder of bottlenecks, and unpooling by remembered positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from src_training.models.card import Architecture
from src_training.networks.network import Network, Output, kept

# Table 1 of the paper: what each bottleneck of stages 2 and 3 does.
_STAGE = ("regular", 2, "asymmetric", 4, "regular", 8, "asymmetric", 16)
_DROPOUT = {4: 0.01, 8: 0.1}
_SQUEEZE = 4


class ENet(Network):
    """Paszke et al., ENet, 2016 (arXiv 1606.02147). ``base_channels`` 16 is the published width."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.stem_channels = base = architecture.base_channels
        self.initial = nn.Conv2d(1, base - 1, 3, stride=2, padding=1, bias=False)
        self.initial_norm = nn.Sequential(nn.BatchNorm2d(base), nn.PReLU(base))
        self.down4 = _Down(base, 4 * base, _DROPOUT[4])
        self.stage4 = nn.Sequential(*(Bottleneck(4 * base, "regular", _DROPOUT[4]) for _ in range(4)))
        self.down8 = _Down(4 * base, 8 * base, _DROPOUT[8])
        self.stage8 = nn.Sequential(*(Bottleneck(8 * base, kind, _DROPOUT[8]) for kind in 2 * _STAGE))
        self.up4 = _Up(8 * base, 4 * base)
        self.refine4 = nn.Sequential(*(Bottleneck(4 * base, "regular", _DROPOUT[8]) for _ in range(2)))
        self.up2 = _Up(4 * base, base)
        self.refine2 = Bottleneck(base, "regular", _DROPOUT[8])
        self.head = nn.ConvTranspose2d(base, 1, 2, stride=2)

    def forward(self, x: Tensor, channel_keep: Tensor | None = None) -> Output:
        two = self.initial_norm(torch.cat([self.initial(x), functional.max_pool2d(x, 2)], dim=1))
        two = kept(two, channel_keep)
        four, at2 = self.down4(two)
        four = self.stage4(four)
        eight, at4 = self.down8(four)
        eight = self.stage8(eight)
        up4 = self.refine4(self.up4(eight, at4))
        up2 = self.refine2(self.up2(up4, at2))
        return Output(self.head(up2), {2: two, 4: four, 8: eight}, {4: up4, 2: up2})


class Bottleneck(nn.Module):
    """1x1 squeeze, a 3x3 (regular, dilated by ``kind``, or asymmetric 5), 1x1, added to the input."""

    def __init__(self, channels: int, kind: str | int, dropout: float) -> None:
        super().__init__()
        inner = channels // _SQUEEZE
        dilation = kind if isinstance(kind, int) else 1
        if kind == "asymmetric":
            middle = [
                nn.Conv2d(inner, inner, (5, 1), padding=(2, 0), bias=False),
                nn.Conv2d(inner, inner, (1, 5), padding=(0, 2), bias=False),
            ]
        else:
            middle = [nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation, bias=False)]
        self.layers = nn.Sequential(
            *_projection(channels, inner),
            *middle,
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.Dropout2d(dropout),
        )
        self.activation = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + self.layers(x))


class _Down(nn.Module):
    """Max pooling, padded with zero channels, plus a strided bottleneck; also the positions of the maxima."""

    def __init__(self, channels_in: int, channels_out: int, dropout: float) -> None:
        super().__init__()
        inner = channels_in // _SQUEEZE or 1
        self.missing = channels_out - channels_in
        self.layers = nn.Sequential(
            nn.Conv2d(channels_in, inner, 2, stride=2, bias=False),
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, inner, 3, padding=1, bias=False),
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.Dropout2d(dropout),
        )
        self.activation = nn.PReLU(channels_out)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled, positions = functional.max_pool2d(x, 2, return_indices=True)
        padded = functional.pad(pooled, (0, 0, 0, 0, 0, self.missing))
        return self.activation(padded + self.layers(x)), positions


class _Up(nn.Module):
    """A 1x1 unpooled to the remembered positions, plus a bottleneck with a transposed convolution."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        inner = channels_in // _SQUEEZE
        self.project = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out)
        )
        self.layers = nn.Sequential(
            *_projection(channels_in, inner),
            nn.ConvTranspose2d(inner, inner, 2, stride=2, bias=False),
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.activation = nn.PReLU(channels_out)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        return self.activation(_unpooled(self.project(x), positions) + self.layers(x))


def _projection(channels: int, inner: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.PReLU(inner)]


def _unpooled(x: Tensor, positions: Tensor) -> Tensor:
    """``x`` (B, C, h, w) written to the positions (B, C, h, w) of a map twice as large, zero elsewhere."""
    batch, channels, height, width = x.shape
    flat = torch.zeros((batch, channels, 4 * height * width), dtype=x.dtype, device=x.device)
    filled = flat.scatter(2, positions.flatten(2), x.flatten(2))
    return filled.view(batch, channels, 2 * height, 2 * width)
