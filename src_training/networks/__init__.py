"""Networks, built from a small typed spec; importing this package does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src_training.models.card import Architecture
from src_training.networks.shapes import check_family, fused_cost, weight_shapes

if TYPE_CHECKING:
    from src_training.networks.student import S2dRepUNet

__all__ = ["Architecture", "build_network", "fused_cost", "weight_shapes"]


def build_network(architecture: Architecture) -> S2dRepUNet:
    """The trainable network of ``architecture``; raises ModelError for an unknown family."""
    check_family(architecture)
    from src_training.networks.student import S2dRepUNet

    return S2dRepUNet(architecture)
