"""Run by test_ahead.py in a process of its own, which may fork: one case, and a folder for it."""

import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from src_training.errors import RunError
from src_training.training.ahead import batches
from src_training.training.augment_settings import Augmentation
from src_training.training.sampler import Sampler, Source
from tests.training.test_loop import drawn_samples, run


class DyingSampler(Sampler):
    """Its third batch kills the process that draws it."""

    def batch(self, step, rank=0, world=1):
        if step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(step, rank, world)


def sampler(kind=Sampler):
    sources = [Source(drawn_samples(), 1.0)]
    return kind(sources, seed=3, batch_pixels=2 * 32**2, crop_sizes=(32,), augmentation=Augmentation())


def same_batches(_folder):
    """Those of the training itself, in order."""
    ahead = list(batches(sampler(), range(5, 11), rank=1, world=2, loaders=2))
    for step, batch in zip(range(5, 11), ahead, strict=True):
        expected = sampler().batch(step, 1, 2)
        assert torch.equal(batch.image, expected.image) and torch.equal(batch.valid, expected.valid)


def same_weights(folder):
    """At the end of a training with loaders as of one without."""
    without = run(folder / "without").state_dict()
    ahead = run(folder / "with", loaders=2).state_dict()
    assert all(torch.equal(ahead[name], without[name]) for name in without)


def killed_loader(_folder):
    """Ends the training with a cure."""
    with pytest.raises(RunError, match="loaders=0"):
        list(batches(sampler(DyingSampler), range(6), loaders=1))


CASES = {case.__name__: case for case in (same_batches, same_weights, killed_loader)}

if __name__ == "__main__":
    CASES[sys.argv[1]](Path(sys.argv[2]))
