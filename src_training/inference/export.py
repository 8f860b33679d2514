"""From a trained network to the OpenVINO network that a cold start loads without torch."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from src_training import durable
from src_training.errors import ModelError
from src_training.inference.runtimes import IR_FILE, import_openvino

if TYPE_CHECKING:
    from src_training.models import Model
    from src_training.models.card import ModelCard
    from src_training.networks.network import Network

_EXPORT_VERSION = 1  # raise it when `write_ir` makes something else of the same weights
_IR_FILES = ("openvino.bin", IR_FILE)  # in the order they are written: the last one says that it is whole
_FULL_BYTES = 1 << 20  # with less than this left, a write that failed did so for want of space
_log = logging.getLogger(__name__)


def write_ir(network: Network, folder: Path) -> None:
    """Write ``openvino.xml`` and ``.bin``: fused, float32 arithmetic on half-precision weights, any H and W.

    Input (1, 1, H, W) normalised; output probability of the same shape. Raises OSError when the disk is full.
    """
    import torch

    class Probability(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network.fused()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(self.network(x).logits)

    openvino = import_openvino()
    example = torch.zeros(1, 1, 64, 64)
    with torch.inference_mode():
        converted = openvino.convert_model(Probability().eval(), example_input=example, input=[1, 1, -1, -1])
    try:
        openvino.save_model(converted, folder / IR_FILE, compress_to_fp16=False)
    except RuntimeError as error:  # OpenVINO does not say why it could not write
        if shutil.disk_usage(folder).free < _FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise


def cached_ir(model: Model) -> Path:
    """The OpenVINO network that this computer made of the model's weights; it is made now where there is none yet.

    Raises ModelError, in one line, where torch is needed and missing, or the cache cannot be written.
    """
    place = _place(model.card)
    if not all((place / name).is_file() for name in _IR_FILES):
        _log.warning("%s: its OpenVINO network is built from its weights on this computer, once.", model.id)
        _build(model, place)
    return place / IR_FILE


def remember_ir(folder: Path, card: ModelCard) -> None:
    """Keep the network that `write_ir` has just made in ``folder``: to use the model no torch is needed here then."""
    try:
        _keep(folder, _place(card))
    except OSError as error:  # it can be built again at any time
        _log.warning("%s: its OpenVINO network is not kept: %s", card.name, durable.cure_for(error))


def _build(model: Model, place: Path) -> None:
    try:
        from src_training.training.weights import load_network
    except ImportError as error:
        raise ModelError(
            f"{model.id}: was not made on this computer, and building its OpenVINO network needs torch once. "
            "Run: pip install torch"
        ) from error
    try:
        with tempfile.TemporaryDirectory(prefix="lightvessel-openvino-") as staging:
            write_ir(load_network(model.folder, model.card.architecture), Path(staging))
            _keep(Path(staging), place)
    except OSError as error:
        raise ModelError(
            f"{model.id}: its OpenVINO network cannot be kept in {place.parent}: {durable.cure_for(error)}"
        ) from error


def _keep(folder: Path, place: Path) -> None:
    durable.make_dir(place, private=True)
    for name in _IR_FILES:
        durable.replace(place / name, (folder / name).read_bytes())


def _place(card: ModelCard) -> Path:
    """Where the network of these weights, in this architecture, lies in the user's cache."""
    from src_training.models.loading import WEIGHTS_FILE

    base = os.environ.get("LIGHTVESSEL_CACHE_DIR") or platformdirs.user_cache_path("lightvessel")
    made_of = f"{_EXPORT_VERSION} {card.files[WEIGHTS_FILE]} {card.architecture.model_dump_json()}"
    return Path(base) / "openvino" / hashlib.sha256(made_of.encode()).hexdigest()[:32]
