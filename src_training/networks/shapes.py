"""What a network's weight file must contain, and what the network costs; for the product family without torch."""

from __future__ import annotations

from src_training.models.card import Architecture
from src_training.networks.families import CONTEXT_KERNEL, PRODUCT, check_family, stride_of

Shapes = dict[str, tuple[int, ...]]


def weight_shapes(architecture: Architecture) -> Shapes | None:
    """Name → shape of every floating-point tensor in ``weights.safetensors`` (the un-fused training form).

    None for the families that only torch can tell; there the weights are checked when a network takes them.
    Raises ModelError for an unknown family.
    """
    check_family(architecture)
    if architecture.family != PRODUCT:
        return None
    shapes: Shapes = {}
    for prefix, channels_in, channels_out in _blocks(architecture):
        shapes[f"{prefix}.conv3.weight"] = (channels_out, channels_in, 3, 3)
        shapes[f"{prefix}.conv1.weight"] = (channels_out, channels_in, 1, 1)
        norms = ("norm3", "norm1", "norm0") if channels_in == channels_out else ("norm3", "norm1")
        for norm in norms:
            shapes |= _norm(f"{prefix}.{norm}", channels_out)
    widest = _widest(architecture)
    for index in range(architecture.context):
        prefix = f"context.{index}.layers"
        shapes[f"{prefix}.0.weight"] = (widest, 1, CONTEXT_KERNEL, CONTEXT_KERNEL)
        shapes[f"{prefix}.3.weight"] = (widest, widest, 1, 1)
        shapes |= _norm(f"{prefix}.1", widest) | _norm(f"{prefix}.4", widest)
    for level in range(architecture.depth):
        width = architecture.base_channels * 2**level
        shapes[f"up.{level}.weight"] = (width, 2 * width, 1, 1)
        shapes[f"up.{level}.bias"] = (width,)
    shapes["head.weight"] = (architecture.stem_factor**2, architecture.base_channels, 1, 1)
    shapes["head.bias"] = (architecture.stem_factor**2,)
    return shapes


def fused_cost(architecture: Architecture, size: int = 512) -> tuple[int, float]:
    """(parameters, GFLOP for one size x size frame) of the inference form; a multiply-add is two FLOP."""
    check_family(architecture)
    return _reckoned(architecture, size) if architecture.family == PRODUCT else _counted(architecture, size)


def _counted(architecture: Architecture, size: int) -> tuple[int, float]:
    """By torch's own counter, on tensors without memory."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from src_training.networks import build_network

    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network = build_network(architecture).fused()
        network(torch.zeros(1, 1, size, size))
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops() / 1e9


def _reckoned(architecture: Architecture, size: int) -> tuple[int, float]:
    parameters, flop = 0, 0.0
    for prefix, channels_in, channels_out in _blocks(architecture):
        side = size / (architecture.stem_factor * 2 ** int(prefix.split(".")[1]))
        parameters += 9 * channels_in * channels_out + channels_out
        flop += 2 * 9 * channels_in * channels_out * side**2
    widest, side = _widest(architecture), size / stride_of(architecture)
    parameters += architecture.context * widest * (CONTEXT_KERNEL**2 + widest + 2)
    flop += architecture.context * 2 * widest * (CONTEXT_KERNEL**2 + widest) * side**2
    for level in range(architecture.depth):
        width = architecture.base_channels * 2**level
        side = size / (architecture.stem_factor * 2 ** (level + 1))
        parameters += 2 * width * width + width
        flop += 4 * width * width * side**2
    outputs = architecture.stem_factor**2
    parameters += architecture.base_channels * outputs + outputs
    flop += 2 * architecture.base_channels * outputs * (size / architecture.stem_factor) ** 2
    return parameters, flop / 1e9


def _norm(prefix: str, channels: int) -> Shapes:
    return {f"{prefix}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}


def _widest(architecture: Architecture) -> int:
    return architecture.base_channels * 2**architecture.depth


def _blocks(architecture: Architecture) -> list[tuple[str, int, int]]:
    widths = [architecture.base_channels * 2**level for level in range(architecture.depth + 1)]
    stages = [
        (f"encoder.{level}", a, b)
        for level, (a, b) in enumerate(zip([architecture.stem_factor**2, *widths], widths, strict=False))
    ]
    stages += [(f"decoder.{level}", 2 * w, w) for level, w in enumerate(widths[:-1])]
    return [
        (f"{prefix}.{index}", channels_in if index == 0 else channels_out, channels_out)
        for prefix, channels_in, channels_out in stages
        for index in range(architecture.blocks)
    ]
