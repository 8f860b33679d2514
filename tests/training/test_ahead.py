"""Promises of making batches ahead: the same batches in the same order, and one clear line when a process dies."""

import os
import signal

import pytest
import torch
from test_loop import drawn_samples, run

from src_training.errors import RunError
from src_training.training.ahead import batches
from src_training.training.augment_settings import Augmentation
from src_training.training.sampler import Sampler, Source


class DyingSampler(Sampler):
    """Its third batch kills the process that draws it."""

    def batch(self, step, rank=0, world=1):
        if step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(step, rank, world)


def sampler(kind=Sampler):
    sources = [Source(drawn_samples(), 1.0)]
    return kind(sources, seed=3, batch_pixels=2 * 32**2, crop_sizes=(32,), augmentation=Augmentation())


def test_batches_made_ahead_are_those_of_the_training_itself():
    ahead = list(batches(sampler(), range(5, 11), rank=1, world=2, loaders=2))
    assert len(ahead) == 6
    for step, batch in zip(range(5, 11), ahead, strict=True):
        expected = sampler().batch(step, 1, 2)
        assert torch.equal(batch.image, expected.image)
        assert torch.equal(batch.valid, expected.valid)


def test_a_training_with_loaders_ends_with_the_weights_of_one_without(tmp_path):
    without = run(tmp_path / "without").state_dict()
    ahead = run(tmp_path / "with", loaders=2).state_dict()
    assert all(torch.equal(ahead[name], without[name]) for name in without)


def test_a_killed_loader_ends_the_training_with_a_cure():
    with pytest.raises(RunError, match="loaders=0"):
        list(batches(sampler(DyingSampler), range(6), loaders=1))
