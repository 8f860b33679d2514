"""Run by a process of its own: distill `small` on eight crops of 256 px; prints the peak memory in MiB."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch

from src_training.models.card import Normalisation
from src_training.networks import build_network, network_named
from src_training.training.augment_settings import Augmentation
from src_training.training.loop import fit
from src_training.training.objectives import TaskObjective
from src_training.training.progress import Watcher
from src_training.training.sampler import Sampler, Source
from src_training.training.samples import make_sample
from src_training.training.settings import TaughtSettings
from src_training.training.teaching import taught
from src_training.training.validation import Validator


def main() -> None:
    """Three steps with the default teacher family and the full method."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (512, 512)).astype(np.uint8)
    label = (frame > 230).astype(np.uint8)
    sample = make_sample("noise", frame, label, normalisation=Normalisation(), input_size=512, stride=32)
    settings = TaughtSettings(
        steps=3, batch_pixels=8 * 256**2, crop_sizes=(256,), validate_every=3, device="cpu"
    )
    sampler = Sampler(
        [Source([sample], 1.0)],
        seed=0,
        batch_pixels=settings.batch_pixels,
        crop_sizes=settings.crop_sizes,
        augmentation=Augmentation(),
    )
    student, teacher = build_network(network_named("small")), build_network(network_named("lite0-unet"))
    objective = taught(student, TaskObjective(0.5), teacher, sampler, settings, Watcher())
    fit(student, sampler, objective, Validator([sample]), settings, Path(mkdtemp()), Watcher())
    print(round(peak_mib()))


def peak_mib() -> float:
    """Largest resident memory of this process since it was started; rusage would count its parent's too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
