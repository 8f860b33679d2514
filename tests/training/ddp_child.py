"""Run by two processes, or by one: a short training with frozen statistics, its loss curve as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from src_training.distillation.objective import DistillationObjective
from src_training.distillation.pair import Pair
from src_training.distillation.recipe import parse_method
from src_training.models.card import Architecture
from src_training.networks import build_network
from src_training.training import devices
from src_training.training.augment_settings import Augmentation
from src_training.training.loop import fit
from src_training.training.objectives import TaskObjective
from src_training.training.progress import Watcher
from src_training.training.sampler import Sampler, Source
from src_training.training.settings import LoopSettings
from src_training.training.validation import Validator
from tests.training.test_loop import drawn_samples

METHOD = "fsd-map+asd-window+soft-kd+fitnet+skd"


def main(folder: Path) -> None:
    """Train for twelve steps; the first process writes ``curve.json`` and ``weights.pt``."""
    devices.has_bf16 = lambda _device: False  # both ways must compute alike
    torch.manual_seed(0)
    network = build_network(Architecture(base_channels=8, depth=2, blocks=1))
    teacher = build_network(Architecture(base_channels=16, depth=2, blocks=1))
    samples = drawn_samples(6)
    sampler = Sampler(
        [Source(samples[:4], 1.0), Source(samples[4:], 0.5, labelled=False)],
        seed=3,
        batch_pixels=8 * 32**2,
        crop_sizes=(32,),
        augmentation=Augmentation(),
        stem_channels=8,
    )
    batch = sampler.batch(0)
    with torch.no_grad():
        pair = Pair.of(network.eval()(batch.image), teacher.eval()(batch.image), batch)
    objective = DistillationObjective(TaskObjective(0.5), teacher, parse_method(METHOD), pair, ramp_steps=0)
    settings = LoopSettings(
        steps=12,
        batch_pixels=8 * 32**2,
        crop_sizes=(32,),
        validate_every=6,
        freeze_statistics=True,
        ema_decay=0.0,
        device="cpu",
    )
    curve: list[float] = []
    objective_of_step = objective.forward

    def noted(*arguments):
        terms = objective_of_step(*arguments)
        curve.append(float(torch.stack(list(terms.values())).sum().detach()))
        return terms

    objective.forward = noted  # type: ignore[method-assign]
    fit(network, sampler, objective, Validator(samples[:4]), settings, folder, Watcher())
    rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
    (folder / f"curve-{rank}.json").write_text(json.dumps(curve))
    learnt = {**network.state_dict(), **{f"helper.{n}": p for n, p in objective.named_parameters()}}
    torch.save({name: tensor.detach() for name, tensor in learnt.items()}, folder / f"weights-{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
