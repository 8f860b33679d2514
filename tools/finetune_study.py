"""What each ingredient of fine-tuning gains at a simulated new hospital and costs at home.

New hospitals, made of frames that no model was trained on:
- `restyled`: ARCADE's held-out frames at 300 px with another look (gamma, edge enhancement, vignette, noise);
- `drawn`: the synthetic cine generator's other style, with exact full trees.
Home is ARCADE's validation part. Usage: python tools/finetune_study.py ARCADE_FOLDER MODEL OUT.json [variant…]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from src_training.cine import synthetic_cine
from src_training.inference.preprocess import resample
from src_training.models import load_model
from src_training.models.card import ModelCard
from src_training.training.arcade import LabelledFrame, read_split, split_holdout
from src_training.training.finetune import Material, tune
from src_training.training.progress import Watcher
from src_training.training.replay import replay_samples
from src_training.training.ridges import ignore_unlabelled_vessels
from src_training.training.samples import Sample, make_sample
from src_training.training.settings import FinetuneSettings
from src_training.training.validation import Validator
from src_training.training.weights import load_network

CORRECTED, CHOOSING = 16, 4  # frames a person corrected; of the new hospital's others, 60 judge
HOME_FRAMES = 100

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "no anchor": {"anchor_weight": 0.0},
    "no replay": {"replay_share": 0.0},
    "no averaging": {"average_steps": (1.0,)},
    "naive (neither)": {"anchor_weight": 0.0, "average_steps": (1.0,)},
    "anchor x 3": {"anchor_weight": 3.0},
    "lr x 1/3": {"learning_rate": 1e-4},
    "lr x 3": {"learning_rate": 1e-3},
    "no augmentation": {
        "augmentation": {"gamma": 0, "contrast": 0, "bias_field": 0, "noise": 0, "blur": 0, "blades": 0}
    },
    "replay 0.75": {"replay_share": 0.75},
    "moving batch-norm": {"freeze_statistics": False},
}


def main(arcade: Path, model: str, out: Path, names: list[str]) -> None:
    """Run the variants that ``out`` does not hold yet, and print the table."""
    entry = load_model(model)
    network = load_network(entry.folder, entry.card.architecture)
    held_out = split_holdout(read_split(arcade, "train"), 100)[1]
    home = Validator(
        [as_sample(f, entry.card, network.stride) for f in read_split(arcade, "val")[:HOME_FRAMES]]
    )
    home_before = home.at(network, entry.card.threshold)
    results = json.loads(out.read_text()) if out.exists() else {}
    for hospital, frames in (("restyled", restyled(held_out)), ("drawn", drawn())):
        samples = [as_sample(frame, entry.card, network.stride) for frame in frames]
        judge = Validator(samples[CORRECTED + CHOOSING :])
        before = judge.at(network, entry.card.threshold)
        for name in names or list(VARIANTS):
            key = f"{hospital} / {name}"
            if key in results:
                continue
            started = time.monotonic()
            tuned, choice = one_run(entry.folder, entry.card, samples, FinetuneSettings(**VARIANTS[name]))
            results[key] = {
                "gain": round(judge.at(tuned, choice.threshold) - before, 4),
                "new_before": round(before, 4),
                "home": round(home.at(tuned, choice.threshold) - home_before, 4),
                "home_before": round(home_before, 4),
                "share": choice.share,
                "threshold": choice.threshold,
                "seconds": round(time.monotonic() - started),
            }
            out.write_text(json.dumps(results, indent=1))
            print(key, results[key], flush=True)


def one_run(
    folder: Path, card: ModelCard, samples: list[Sample], settings: FinetuneSettings
) -> tuple[Any, Any]:
    """Fine-tune a fresh copy of the model on the first frames of the hospital."""
    network = load_network(folder, card.architecture)
    replay = replay_samples(card, network.stride)
    material = Material(
        new_train=samples[:CORRECTED],
        new_val=samples[CORRECTED : CORRECTED + CHOOSING],
        base_train=[s for index, s in enumerate(replay) if index % 4],
        base_val=replay[::4],
    )
    with tempfile.TemporaryDirectory() as checkpoints:
        return tune(network, card, material, settings, Path(checkpoints), Watcher())[:2]


def as_sample(frame: LabelledFrame, card: ModelCard, stride: int) -> Sample:
    """The frame at working scale under the model's label protocol."""
    partial = card.label_protocol == "full-tree" and not frame.name.startswith("drawn")
    label = ignore_unlabelled_vessels(frame.image, frame.mask) if partial else frame.mask
    return make_sample(
        frame.name,
        frame.image,
        label,
        normalisation=card.normalisation,
        input_size=card.input_size,
        stride=stride,
    )


def restyled(frames: list[LabelledFrame]) -> list[LabelledFrame]:
    """Held-out frames as another machine would show them."""
    return [_restyled(frame, np.random.default_rng(int(frame.name))) for frame in frames]


def drawn() -> list[LabelledFrame]:
    """80 frames of 20 synthetic cines in the other style: each with a full tree."""
    frames = []
    for seed in range(20):
        made = synthetic_cine(1000 + seed, n_frames=16, shape=(384, 384), style="other-hospital")
        filled = np.argsort(-made.masks.sum(axis=(1, 2)))[:4]
        frames += [
            LabelledFrame(f"drawn-{seed}-{t}", made.cine.frame(int(t)).astype(np.uint8), made.masks[t])
            for t in filled
        ]
    return frames


def _restyled(frame: LabelledFrame, rng: np.random.Generator) -> LabelledFrame:
    small = resample(frame.image.astype(np.float32), (300, 300)) / 255
    sharp = small + 1.5 * (small - ndimage.gaussian_filter(small, 3))
    look = np.clip(sharp, 0, 1) ** 1.8 * _vignette(300) + rng.normal(0, 0.04, small.shape)
    mask = resample(frame.mask.astype(np.float32), (300, 300)) > 0.5
    return LabelledFrame(frame.name, (np.clip(look, 0, 1) * 255).astype(np.uint8), mask.astype(np.uint8))


def _vignette(side: int) -> NDArray[np.float64]:
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    return np.where(np.hypot(y, x) < 1.02, 1 - 0.35 * np.hypot(y, x) ** 2, 0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
