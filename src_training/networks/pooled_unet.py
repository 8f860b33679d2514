"""What the U-Nets that are trained from scratch to teach share: all but their stages."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from src_training.models.card import Architecture
from src_training.networks.network import Network, Output, encoded, upsampled


class PooledUNet(Network):
    """``depth`` poolings behind a space-to-depth stem of ``stem_factor`` (1: full resolution), concat skips, nearest
    upsampling, depth-to-space head.

    Channels double at each level from ``base_channels``. A subclass builds the stages, which keep height and width.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.factor = architecture.stem_factor
        widths = [architecture.base_channels * 2**level for level in range(architecture.depth + 1)]
        self.stem_channels = widths[0]
        self.encoder = nn.ModuleList(
            self.encoder_stage(below, width)
            for below, width in zip([self.factor**2, *widths], widths, strict=False)
        )
        self.decoder = nn.ModuleList(self.decoder_stage(3 * width, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], self.factor**2, 1)

    def encoder_stage(self, channels_in: int, channels_out: int) -> nn.Module:
        """(B, C_in, h, w) → (B, C_out, h, w)."""
        raise NotImplementedError

    def decoder_stage(self, channels_in: int, channels_out: int) -> nn.Module:
        """(B, C_in, h, w) → (B, C_out, h, w); fed with the encoder's features and, enlarged, with what lies below."""
        raise NotImplementedError

    def forward(self, x: Tensor, channel_keep: Tensor | None = None) -> Output:
        encoder = encoded(self.encoder, x, self.factor, channel_keep)
        x = encoder[max(encoder)]
        decoder: dict[int, Tensor] = {}
        for level in reversed(range(len(self.decoder))):
            skip = encoder[self.factor * 2**level]
            x = self.decoder[level](torch.cat([skip, upsampled(x, skip)], dim=1))
            decoder[self.factor * 2**level] = x
        return Output(functional.pixel_shuffle(self.head(x), self.factor), encoder, decoder)
