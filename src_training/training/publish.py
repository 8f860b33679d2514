"""From a trained network to a model folder: weights, OpenVINO network and the card that names them all."""

from __future__ import annotations

import hashlib
import importlib.metadata
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from src_training.inference.export import remember_ir, write_ir
from src_training.inference.golden import golden_answer
from src_training.models.card import ModelCard
from src_training.networks import fused_cost
from src_training.networks.network import Network
from src_training.training.weights import WEIGHTS_FILE, load_network, weight_bytes

CARD_FILE = "card.json"


def stage_model(network: Network, folder: Path, **card: Any) -> ModelCard:
    """Write ``weights.safetensors``, ``openvino.xml``/``.bin`` and ``card.json`` into ``folder``.

    The OpenVINO network is made from the weights as stored, so that both runtimes agree. ``card``
    gives the fields of ModelCard that the network cannot tell (name, protocol, threshold, metrics…).
    This computer also keeps the OpenVINO network for itself: it runs none that it has not made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(weight_bytes(network))
    stored = load_network(folder, network.architecture)
    write_ir(stored, folder)
    parameters, gflop = fused_cost(network.architecture)
    record = ModelCard(
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        architecture=network.architecture,
        parameters=parameters,
        gflop_512=round(gflop, 2),
        versions=_versions(),
        golden=golden_answer(partial(_probability, stored.fused())),
        files={
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
            if path.name != CARD_FILE
        },
        **card,
    )
    (folder / CARD_FILE).write_text(record.to_json(), encoding="utf-8")
    remember_ir(folder, record)
    return record


def _probability(network: Network, image: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return torch.sigmoid(network(torch.from_numpy(image)[None, None]).logits)[0, 0].numpy()


def _versions() -> dict[str, str]:
    names = ("torch", "openvino", "numpy")
    return {"napari-lightvessel": _own_version()} | {n: importlib.metadata.version(n) for n in names}


def _own_version() -> str:
    from src_training import __version__

    return __version__
