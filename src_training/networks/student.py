"""The product student: a U-Net of re-parameterisable 3x3 blocks behind a space-to-depth stem."""

from __future__ import annotations

import copy
import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from src_training.models.card import Architecture
from src_training.networks.blocks import ContextBlock, FusedBlock, RepBlock
from src_training.networks.network import Network, Output, encoded, fold_batch_norms


class S2dRepUNet(Network):
    """Space-to-depth stem, `depth` poolings, concat skips, nearest upsampling after a 1x1, depth-to-space head.

    Channels double at each level; behind the coarsest one ``context`` blocks look ever farther around.
    No convolution runs at full resolution, which is what makes it quick on a CPU. ``fused=True`` builds the
    inference form.
    """

    def __init__(self, architecture: Architecture, *, fused: bool = False) -> None:
        super().__init__(architecture)
        self.factor = architecture.stem_factor
        widths = [architecture.base_channels * 2**level for level in range(architecture.depth + 1)]
        self.stem_channels = widths[0]
        block = FusedBlock if fused else RepBlock

        def stage(channels_in: int, channels_out: int) -> nn.Sequential:
            sizes = [channels_in] + [channels_out] * architecture.blocks
            return nn.Sequential(*(block(a, b) for a, b in itertools.pairwise(sizes)))

        self.encoder = nn.ModuleList(
            stage(a, b) for a, b in zip([self.factor**2, *widths], widths, strict=False)
        )
        self.context = nn.Sequential(
            *(ContextBlock(widths[-1], 2 ** (1 + i)) for i in range(architecture.context))
        )
        self.up = nn.ModuleList(nn.Conv2d(2 * w, w, 1) for w in widths[:-1])
        self.decoder = nn.ModuleList(stage(2 * w, w) for w in widths[:-1])
        self.head = nn.Conv2d(widths[0], self.factor**2, 1)

    def forward(self, x: Tensor, channel_keep: Tensor | None = None) -> Output:
        """``channel_keep`` (B, C, 1, 1), if given, drops channels after the first stage while training."""
        encoder = encoded(self.encoder, x, self.factor, channel_keep)
        x = self.context(encoder[max(encoder)])
        decoder: dict[int, Tensor] = {}
        for level in reversed(range(len(self.decoder))):
            stride = self.factor * 2**level
            x = functional.interpolate(self.up[level](x), scale_factor=2.0, mode="nearest")
            x = self.decoder[level](torch.cat([encoder[stride], x], dim=1))
            decoder[stride] = x
        return Output(functional.pixel_shuffle(self.head(x), self.factor), encoder, decoder)

    def fused(self) -> S2dRepUNet:
        """The inference form: equal outputs, a third of the convolutions."""
        fused = S2dRepUNet(self.architecture, fused=True).to(self.head.weight.device)
        for side in ("encoder", "decoder"):
            for stage, trained in zip(getattr(fused, side), getattr(self, side), strict=True):
                for index, block in enumerate(trained):
                    stage[index] = block.fused()
        fused.context = fold_batch_norms(copy.deepcopy(self.context).eval())
        fused.up.load_state_dict(self.up.state_dict())
        fused.head.load_state_dict(self.head.state_dict())
        return fused.eval()
