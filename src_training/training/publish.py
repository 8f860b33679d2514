"""From a trained network to a model folder: weights, OpenVINO network and the card that names them all."""

from __future__ import annotations

import hashlib
import importlib.metadata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from src_training.inference.export import write_ir
from src_training.models.card import ModelCard
from src_training.networks import fused_cost
from src_training.networks.network import Network
from src_training.training.weights import WEIGHTS_FILE, load_network, weight_bytes

CARD_FILE = "card.json"


def stage_model(network: Network, folder: Path, **card: Any) -> ModelCard:
    """Write ``weights.safetensors``, ``openvino.xml``/``.bin`` and ``card.json`` into ``folder``.

    The OpenVINO network is made from the weights as stored, so that both runtimes agree. ``card``
    gives the fields of ModelCard that the network cannot tell (name, protocol, threshold, metrics…).
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(weight_bytes(network))
    write_ir(load_network(folder, network.architecture), folder)
    parameters, gflop = fused_cost(network.architecture)
    record = ModelCard(
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        architecture=network.architecture,
        parameters=parameters,
        gflop_512=round(gflop, 2),
        versions=_versions(),
        files={
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
            if path.name != CARD_FILE
        },
        **card,
    )
    (folder / CARD_FILE).write_text(record.to_json(), encoding="utf-8")
    return record


def _versions() -> dict[str, str]:
    names = ("torch", "openvino", "numpy")
    return {"napari-lightvessel": _own_version()} | {n: importlib.metadata.version(n) for n in names}


def _own_version() -> str:
    from src_training import __version__

    return __version__
