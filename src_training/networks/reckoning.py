"""What a network takes, reckoned from its spec before anything of it is built: never less than it really takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from src_training.models.card import Architecture
from src_training.networks.families import PRODUCT, check_family, stride_of
from src_training.networks.shapes import fused_cost, weight_shapes

_FLOAT = 4  # bytes
_SIZE = 512  # px: the side at which the figures below were counted
# Of the families whose plan is that of a paper: values (training form) and GFLOP at their usual width.
_COUNTED = {
    "mobilenetv2-unet": (32, 2_520_000, 6.3),
    "enet": (16, 370_000, 3.7),
    "erfnet": (16, 2_080_000, 26.5),
    "lite0-unet": (32, 3_880_000, 11.8),
    "lite1-unet": (32, 4_700_000, 15.0),
    "lite2-unet": (48, 6_060_000, 22.3),
}
# Maps of the finest level's size that are alive at a time, measured: at most 15 of them while a frame is segmented,
# 21 in the plans of papers.
_MAPS, _MAPS_OF_A_PAPERS_FRAME = 16, 24
_PLANES = 8  # what a frame takes whatever the width: input, logits, probability and their copies
# The same for a training step: at most 18 for each block of a level, and 120 in the paper's plans.
_MAPS_A_BLOCK, _MAPS_BESIDE = 20, 20
_MAPS_OF_A_PAPER = 128
_COPIES = 6  # of the weights: file, network, its fused form, what is made of that
_COPIES_TRAINING = 10  # gradient, AdamW's two, the average, the anchor, ...


@dataclass(frozen=True)
class Cost:
    """What one network takes.

    ``values``: numbers in its weights; ``gflop``, ``frame_bytes``: of one frame of ``side`` x ``side`` px segmented;
    ``pixel_bytes``: of one pixel of a batch that it is trained on.
    """

    values: int
    gflop: float
    frame_bytes: int
    pixel_bytes: int

    @property
    def weight_bytes(self) -> int:
        """What the weights take while a model is loaded."""
        return _COPIES * _FLOAT * self.values

    def training_bytes(self, pixels: int) -> int:
        """What training takes on batches of ``pixels``."""
        return _COPIES_TRAINING * _FLOAT * self.values + pixels * self.pixel_bytes


def reckoned(architecture: Architecture, side: int) -> Cost:
    """The cost of a network on frames whose longer side is ``side`` px; raises ModelError for an unknown family."""
    check_family(architecture)
    stride = stride_of(architecture)
    side += -side % stride  # the padding
    values, gflop = _values_and_gflop(architecture)
    pixel = _finest_pixel(architecture)
    maps = _MAPS_OF_A_PAPERS_FRAME if architecture.family in _COUNTED else _MAPS
    return Cost(
        values=values,
        gflop=gflop * (side / _SIZE) ** 2,
        frame_bytes=round((maps * pixel + _PLANES * _FLOAT) * side**2),
        pixel_bytes=round(_training_maps(architecture) * pixel) + _PLANES * _FLOAT,
    )


def _finest_pixel(architecture: Architecture) -> float:
    """Bytes of the finest level's map for one pixel of the frame."""
    if architecture.family in _COUNTED:
        usual, *_ = _COUNTED[architecture.family]
        return _FLOAT * max(usual, architecture.base_channels) / 4  # they begin at half resolution
    return _FLOAT * architecture.base_channels / architecture.stem_factor**2


def _training_maps(architecture: Architecture) -> int:
    if architecture.family in _COUNTED:
        return _MAPS_OF_A_PAPER
    return _MAPS_A_BLOCK * architecture.blocks + _MAPS_BESIDE


def _values_and_gflop(architecture: Architecture) -> tuple[int, float]:
    if architecture.family == PRODUCT:
        shapes = (weight_shapes(architecture) or {}).values()
        return sum(map(_product, shapes)), fused_cost(architecture, _SIZE)[1]
    if architecture.family in _COUNTED:
        usual, values, gflop = _COUNTED[architecture.family]
        wider = max(1.0, architecture.base_channels / usual) ** 2
        return round(values * wider), gflop * wider
    values, multiply_adds = 0, 0.0
    for weights, channels, level in _convolutions(architecture):
        values += weights + 5 * channels  # bias, and what a batch norm keeps
        multiply_adds += weights * (_SIZE / (architecture.stem_factor * 2**level)) ** 2
    return values, 2 * multiply_adds / 1e9


def _convolutions(architecture: Architecture) -> Iterator[tuple[int, int, int]]:
    """(weights, channels out, level) of every convolution of a pooled U-Net, or of several taken together."""
    below, selective = architecture.stem_factor**2, architecture.family == "sk-unet"
    for level in range(architecture.depth + 1):
        width = architecture.base_channels * 2**level
        if selective:
            squeezed = max(16, width // 8)
            yield 9 * below * width, width, level
            one_unit = 18 * width**2 + 2 * width * squeezed
            yield architecture.blocks * one_unit, 4 * architecture.blocks * width, level
        else:
            yield 9 * below * width + 9 * width**2 + below * width, 3 * width, level
            yield (architecture.blocks - 1) * 18 * width**2, 2 * architecture.blocks * width, level
        if level < architecture.depth:
            yield (36 if selective else 39) * width**2, 3 * width, level
        below = width
    yield architecture.base_channels * architecture.stem_factor**2, architecture.stem_factor**2, 0


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product
