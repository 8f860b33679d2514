"""Networks, built from a small typed spec; importing this package does not import torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from src_training.models.card import Architecture
from src_training.networks.families import FAMILIES, NETWORKS, check_family, network_named, stride_of
from src_training.networks.shapes import fused_cost, weight_shapes

if TYPE_CHECKING:
    from src_training.networks.network import Network

__all__ = [
    "FAMILIES",
    "NETWORKS",
    "Architecture",
    "build_network",
    "fused_cost",
    "network_named",
    "stride_of",
    "weight_shapes",
]

_CLASSES = {
    "s2d-repunet": ("student", "S2dRepUNet"),
    "mobilenetv2-unet": ("mobilenet", "MobileNetV2UNet"),
    "enet": ("enet", "ENet"),
    "erfnet": ("erfnet", "ERFNet"),
    "sk-unet": ("sk_unet", "SKUNet"),
    "res-unet": ("res_unet", "ResUNet"),
    "lite0-unet": ("lite_unet", "LiteUNet"),
    "lite1-unet": ("lite_unet", "LiteUNet"),
    "lite2-unet": ("lite_unet", "LiteUNet"),
}


def build_network(architecture: Architecture) -> Network:
    """The trainable network of ``architecture``; raises ModelError for an unknown family."""
    check_family(architecture)
    module, name = _CLASSES[architecture.family]
    network: Network = getattr(importlib.import_module(f"src_training.networks.{module}"), name)(architecture)
    return network
