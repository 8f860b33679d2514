"""Promises on a GPU: what is trained, taught, resumed and predicted there is what the CPU makes of it."""

import itertools

import numpy as np
import pytest
import torch
from test_loop import TINY, drawn_samples, run, settings

from src_training.distillation.recipe import METHODS
from src_training.errors import Cancelled
from src_training.inference import Predictor
from src_training.networks import build_network, network_named
from src_training.training.augment_settings import Augmentation
from src_training.training.loop import fit
from src_training.training.objectives import TaskObjective
from src_training.training.progress import Watcher
from src_training.training.sampler import Sampler, Source
from src_training.training.settings import TaughtSettings
from src_training.training.teaching import taught
from src_training.training.validation import Validator

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this computer has no CUDA device")


def test_it_learns_to_find_a_stripe_with_loaders(tmp_path):
    samples = drawn_samples()
    network = run(tmp_path, steps=60, samples=samples, device="cuda", loaders=2)
    assert next(network.parameters()).is_cuda
    assert Validator(samples)(network)["dice"] > 0.7


def test_a_cancelled_run_resumes_to_nearly_the_weights_of_an_unbroken_one(tmp_path):
    unbroken = run(tmp_path / "unbroken", device="cuda").state_dict()
    asked = itertools.count()
    with pytest.raises(Cancelled, match="step 14"):
        run(tmp_path / "broken", Watcher(cancelled=lambda: next(asked) >= 13), device="cuda")
    resumed = run(tmp_path / "broken", device="cuda").state_dict()
    off = max(float((resumed[name] - unbroken[name]).abs().max()) for name in unbroken)
    print(f"resumed on the GPU, weights differ by at most {off:.2e}")
    assert off < 0.05  # kernels add in any order, which bf16 makes visible


def test_memory_that_runs_out_on_the_gpu_is_met_with_smaller_parts(tmp_path):
    events = []
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(0).total_memory
    used = torch.cuda.memory_reserved()
    torch.cuda.set_per_process_memory_fraction((used + 1.2 * 2**30) / whole)
    try:
        network = build_network(network_named("small"))
        samples = [*drawn_samples(8)]
        sampler = Sampler(
            [Source(samples, 1.0)],
            seed=0,
            batch_pixels=32 * 512**2,
            crop_sizes=(512,),
            augmentation=Augmentation(),
        )
        chosen = settings(
            steps=2, validate_every=2, device="cuda", batch_pixels=32 * 512**2, crop_sizes=(512,)
        )
        fit(
            network, sampler, TaskObjective(0.5), Validator(samples[:1]), chosen, tmp_path,
            Watcher(emit=events.append),
        )  # fmt: skip
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    said = [event["message"] for event in events if event["event"] == "log"]
    print(said)
    assert said and all(line.startswith("out of memory: from now on") for line in said)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_takes_steps_on_the_gpu(tmp_path, method):
    torch.manual_seed(0)
    student, teacher = build_network(TINY), build_network(network_named("lite0-unet"))
    samples = drawn_samples()
    sampler = Sampler(
        [Source(samples, 1.0)], seed=0, batch_pixels=64**2, crop_sizes=(32,), augmentation=Augmentation()
    )
    chosen = TaughtSettings(
        **settings(steps=4, validate_every=4, device="cuda").model_dump(), method=method, projector_steps=3
    )
    objective = taught(student, TaskObjective(0.5), teacher.fused(), sampler, chosen, Watcher())
    told = []
    watcher = Watcher(emit=told.append)
    fit(student, sampler, objective, Validator(samples), chosen, tmp_path, watcher)
    terms = next(event["terms"] for event in told if event["event"] == "progress")
    assert method in terms and np.isfinite(list(terms.values())).all()


@pytest.mark.parametrize("model", ["small-syntax", "teacher-syntax"])
def test_a_prediction_on_the_gpu_is_that_of_the_cpu(model):
    rng = np.random.default_rng(0)
    frame = rng.normal(120, 20, (300, 420)).clip(0, 255).astype(np.uint8)
    frame[100:106, 40:380] = 60
    there, here = (
        Predictor.load(model, runtime="torch", device=device).probability(frame) for device in ("cuda", "cpu")
    )
    off = float(np.abs(there - here).max())
    print(f"{model}: GPU and CPU differ by at most {off:.2e} in vessel probability")
    assert off < 1e-3
