"""Weights on disk: safetensors in half precision (statistics in full), loaded into exactly the card's network."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from src_training.errors import ModelError
from src_training.models.card import Architecture, ModelCard
from src_training.networks import build_network
from src_training.networks.network import Network

WEIGHTS_FILE = "weights.safetensors"


def weight_bytes(network: Network) -> bytes:
    """The file content: kernels as float16, biases and batch-norm statistics as float32."""
    return save(
        {
            name: (tensor.half() if tensor.ndim == 4 else tensor.float()).contiguous()
            for name, tensor in network.cpu().state_dict().items()
            if tensor.is_floating_point()
        }
    )


def load_network(folder: Path, architecture: Architecture) -> Network:
    """The trainable network with the folder's weights, in float32 and evaluation mode.

    Raises ModelError when names, shapes or values are not those of the architecture.
    """
    network = build_network(architecture)
    try:
        tensors = load_file(folder / WEIGHTS_FILE)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{folder.name}/{WEIGHTS_FILE}: cannot be read ({error}).") from error
    counters = {name: t for name, t in network.state_dict().items() if not t.is_floating_point()}
    state = {name: tensor.float() for name, tensor in tensors.items()} | counters
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{folder.name}/{WEIGHTS_FILE}: does not fit its card's architecture ({reason})."
        ) from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise ModelError(f"{folder.name}/{WEIGHTS_FILE}: holds non-finite values. Train this model again.")
    return network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def load_fused(folder: Path, card: ModelCard) -> Network:
    """The inference form of `load_network`."""
    return load_network(folder, card.architecture).fused()
