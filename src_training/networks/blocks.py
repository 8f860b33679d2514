"""Building blocks of the product students: re-parameterisable 3x3 convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from src_training.networks.families import CONTEXT_KERNEL


class RepBlock(nn.Module):
    """relu(BN(3x3) + BN(1x1) [+ BN(identity)]) while training; one 3x3 convolution once fused.

    Source: Ding et al., RepVGG, CVPR 2021, eq. 1-3: the three branches are linear, so their sum is
    one 3x3 convolution with bias. (B, C_in, h, w) → (B, C_out, h, w).
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv3 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(channels_out)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.norm0 = nn.BatchNorm2d(channels_out) if channels_in == channels_out else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm3(self.conv3(x)) + self.norm1(self.conv1(x))
        if self.norm0 is not None:
            y = y + self.norm0(x)
        return torch.relu(y)

    def fused(self) -> FusedBlock:
        """The same function with running statistics, as one convolution."""
        kernel, bias = _scaled(self.conv3.weight, self.norm3)
        kernel1, bias1 = _scaled(nn.functional.pad(self.conv1.weight, (1, 1, 1, 1)), self.norm1)
        kernel, bias = kernel + kernel1, bias + bias1
        if self.norm0 is not None:
            kernel0, bias0 = _scaled(_identity_kernel(self.conv3), self.norm0)
            kernel, bias = kernel + kernel0, bias + bias0
        return FusedBlock.of(kernel, bias)


class FusedBlock(nn.Module):
    """One 3x3 convolution and a ReLU: what a `RepBlock` is at inference."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)

    @classmethod
    def of(cls, kernel: Tensor, bias: Tensor) -> FusedBlock:
        block = cls(kernel.shape[1], kernel.shape[0])
        block.conv.weight.data = kernel.detach().clone()
        block.conv.bias.data = bias.detach().clone()  # type: ignore[union-attr]
        return block

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x))


class FloatConv2d(nn.Conv2d):
    """A convolution that never takes part in mixed precision.

    oneDNN's bfloat16 gradient of a dilated depthwise kernel is garbage, often infinite, for channels-last maps
    32 wide (torch 2.13, AVX-512 BF16).
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, h, w) of any floating type → (B, C_out, h', w') of the weights' type."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class ContextBlock(nn.Module):
    """x + BN(1x1(relu(BN(5x5 depthwise, dilated)))): looks far around at little cost. (B, C, h, w) → the same.

    It begins as the identity (the last norm's weight is zero: Goyal et al., arXiv 1706.02677, §5.1), so that a
    trained network may get such blocks and go on from where it was.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        reach = CONTEXT_KERNEL // 2 * dilation
        last = nn.BatchNorm2d(channels)
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(
            FloatConv2d(
                channels, channels, CONTEXT_KERNEL, 1, reach, dilation=dilation, groups=channels, bias=False
            ),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
            last,
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


def _scaled(kernel: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Fold a batch norm with running statistics into the convolution before it."""
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return kernel * scale[:, None, None, None], norm.bias - norm.running_mean * scale


def _identity_kernel(conv: nn.Conv2d) -> Tensor:
    kernel = torch.zeros_like(conv.weight)
    channels = torch.arange(conv.out_channels)
    kernel[channels, channels, 1, 1] = 1.0
    return kernel


def conv_bn_relu(
    channels_in: int,
    channels_out: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    cap: float | None = None,
) -> nn.Sequential:
    """Convolution, batch norm, ReLU (clipped at ``cap``); the size shrinks by ``stride`` only."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU() if cap is None else nn.Hardtanh(0.0, cap),
    )


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, linear 1x1; added to its input where the shapes agree.

    Source: Sandler et al., MobileNetV2, CVPR 2018, figure 4.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, stride: int, expansion: int, kernel: int = 3
    ) -> None:
        super().__init__()
        wide = channels_in * expansion
        expand = conv_bn_relu(channels_in, wide, kernel=1, cap=6) if expansion != 1 else ()
        self.layers = nn.Sequential(
            *expand,
            *conv_bn_relu(wide, wide, kernel=kernel, stride=stride, groups=wide, cap=6),
            nn.Conv2d(wide, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.adds = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.adds else y
