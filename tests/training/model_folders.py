"""Model folders to try things on: a tiny one made without torch, a forger's hand, comparisons as they are told."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from src_training import Workspace
from src_training.dataset.sources import Source, Sources
from src_training.evaluation import Comparison
from src_training.models.card import Architecture, ModelCard
from src_training.models.gate import decide
from src_training.models.loading import CARD_FILE, WEIGHTS_FILE
from src_training.networks import weight_shapes
from src_training.workspace import user_config_dir

TINY = Architecture(base_channels=4, depth=2, blocks=1)
QUICK_TUNING = {  # of a fine-tuning that goes all its ways in a moment
    "steps": 4,
    "validate_every": 4,
    "batch_pixels": 64**2,
    "crop_sizes": [32],
    "average_steps": [1.0],
}
SLIGHT_TUNING = QUICK_TUNING | {
    "learning_rate": 1e-6
}  # and makes no worse model, which could not be promoted


def stage_tiny(folder: Path, name: str = "tiny") -> Path:
    """A sound model folder of 64 px input with random weights, and without an OpenVINO network."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    tensors = {weight: _fresh(weight, shape, rng) for weight, shape in (weight_shapes(TINY) or {}).items()}
    save_file(tensors, folder / WEIGHTS_FILE)
    card = ModelCard(
        name=name,
        created_utc="2026-01-01T00:00:00+00:00",
        architecture=TINY,
        input_size=64,
        label_protocol="full-tree",
        files={WEIGHTS_FILE: ""},
    )
    (folder / CARD_FILE).write_text(card.to_json(), encoding="utf-8")
    rehash(folder)
    return folder


def worked_in(workspace: Workspace) -> None:
    """This user has put a case into the workspace with a version that knew no seals."""
    shutil.rmtree(user_config_dir() / "sealed-datasets", ignore_errors=True)
    Sources(workspace.dataset).remember("0" * 24, Source())


def go_live_with_tiny(workspace: Workspace, staged: Path) -> None:
    """Promote a tiny model, which learns and is compared in seconds."""
    model = workspace.models.add(stage_tiny(staged))
    workspace.models.promote(model.id, decide(told(model.id, patients=12)))


def rehash(folder: Path) -> None:
    """Make the card agree with the files again, as a forger would."""
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    card["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in card["files"]
        if (folder / name).exists()
    }
    (folder / CARD_FILE).write_text(json.dumps(card), encoding="utf-8")


def put_endless_network(folder: Path) -> None:
    """Give a model folder an OpenVINO network that loops for ever, with a card that agrees and no golden answer."""
    import openvino
    from openvino import opset13 as ops

    image, inner = (ops.parameter([-1, 1, -1, -1], np.float32) for _ in range(2))
    step = ops.sigmoid(inner)
    go_on = ops.constant(np.array([True]))
    loop = ops.loop(ops.constant(np.array(-1, np.int64)), ops.constant(np.array(True)))
    loop.set_function(openvino.Model([step, go_on], [inner], "body"))
    loop.set_merged_input(inner, image.output(0), step.output(0))
    loop.set_special_body_ports([-1, 1])
    endless = openvino.Model([loop.get_iter_value(step.output(0), -1)], [image], "endless")
    openvino.save_model(endless, folder / "openvino.xml", compress_to_fp16=False)
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    (folder / CARD_FILE).write_text(json.dumps(card | {"golden": []}), encoding="utf-8")
    rehash(folder)


def read_weights(folder: Path) -> tuple[dict, bytes]:
    """Header and data of the weights."""
    content = (folder / WEIGHTS_FILE).read_bytes()
    begins = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:begins]), content[begins:]


def write_weights(folder: Path, header: str, data: bytes) -> None:
    """Weights with a header as it is given, true or not."""
    text = header.encode()
    (folder / WEIGHTS_FILE).write_bytes(len(text).to_bytes(8, "little") + text + data)


def told(candidate: str, current: str = "small", patients: int = 3, home: float = 0.75) -> Comparison:
    """A comparison that candidate has won on ``patients`` patients."""
    return Comparison(
        candidate=candidate,
        current=current,
        frames=patients,
        patients=patients,
        delta_dice=0.02,
        dice_interval=(0.01, 0.03),
        delta_cldice=0.02,
        cldice_interval=(0.01, 0.03),
        worse_patients=0,
        worst_patient=0.0,
        home_dice_candidate=home,
        home_dice_current=0.75,
    )


def _fresh(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if len(shape) == 4:
        return rng.normal(0, np.sqrt(1 / np.prod(shape[1:])), shape).astype(np.float32)
    one = name.endswith(("running_var", "norm0.weight", "norm1.weight", "norm3.weight"))
    return np.full(shape, float(one), np.float32)
