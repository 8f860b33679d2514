"""The network families by name, and what is known of them without torch."""

from __future__ import annotations

from src_training.errors import ModelError
from src_training.models.card import Architecture

PRODUCT = "s2d-repunet"
# Family → whether depth and stem factor are the spec's; the others have the strides of their paper.
_FREE_STRIDES = {PRODUCT: True, "sk-unet": True, "res-unet": True}
_FIXED_STRIDES = {
    "mobilenetv2-unet": 32,
    "lite0-unet": 32,
    "lite1-unet": 32,
    "lite2-unet": 32,
    "enet": 8,
    "erfnet": 8,
}
CONTEXT_KERNEL = 5  # side of the depthwise kernels of the product family's context blocks
FAMILIES = (*_FREE_STRIDES, *_FIXED_STRIDES)


def check_family(architecture: Architecture) -> None:
    """Raise ModelError for a family this version does not know."""
    if architecture.family not in FAMILIES:
        raise ModelError(
            f"network family {architecture.family!r} is not known to this version "
            f"(known: {', '.join(FAMILIES)}). Update napari-lightvessel."
        )


def stride_of(architecture: Architecture) -> int:
    """Height and width of a network's input must be multiples of this; raises ModelError as `check_family`."""
    check_family(architecture)
    fixed = _FIXED_STRIDES.get(architecture.family)
    return fixed or architecture.stem_factor * 2**architecture.depth


NETWORKS = {
    "nano": Architecture(blocks=1, context=2),
    "small": Architecture(context=2),
    "base": Architecture(base_channels=24, context=2),
    "mobilenetv2-unet": Architecture(family="mobilenetv2-unet", base_channels=32),
    "enet": Architecture(family="enet", base_channels=16),
    "erfnet": Architecture(family="erfnet", base_channels=16),
    "sk-unet": Architecture(family="sk-unet", base_channels=32, blocks=1),
    "res-unet": Architecture(family="res-unet", base_channels=64),
    "lite0-unet": Architecture(family="lite0-unet", base_channels=32),
    "lite2-unet": Architecture(family="lite2-unet", base_channels=48),
}


def network_named(name: str) -> Architecture:
    """The spec of a named network; raises ModelError listing the names."""
    if name not in NETWORKS:
        raise ModelError(f"{name!r} is not a network. Choose one of {', '.join(NETWORKS)}.")
    return NETWORKS[name]
