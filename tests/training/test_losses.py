"""Promises of the task losses: ignored pixels count for nothing, samples count alike, gradients are sound."""

import pytest
import torch

from src_training.training.losses import bce, skeleton_recall, soft_dice

LOSSES = [bce, soft_dice, skeleton_recall]


def crop(count=4, size=32, seed=0):
    """(logits, vessel, valid) of random crops, a third of the pixels ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, 1, size, size, generator=generator)
    vessel = (torch.rand(count, 1, size, size, generator=generator) > 0.9).float()
    valid = (torch.rand(count, 1, size, size, generator=generator) > 0.33).float()
    return logits, vessel, valid


@pytest.mark.parametrize("loss", LOSSES)
def test_what_lies_under_ignored_pixels_does_not_matter(loss):
    logits, vessel, valid = crop()
    other_logits = torch.where(valid > 0, logits, -logits)
    other_vessel = torch.where(valid > 0, vessel, 1 - vessel)
    assert loss(logits, vessel, valid) == pytest.approx(
        loss(other_logits, other_vessel, valid).item(), abs=1e-6
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_is_the_mean_of_its_halves(loss):
    logits, vessel, valid = crop()
    halves = [loss(logits[part], vessel[part], valid[part]) for part in (slice(0, 2), slice(2, 4))]
    assert loss(logits, vessel, valid) == pytest.approx(torch.stack(halves).mean().item(), abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_perfect_prediction_costs_almost_nothing(loss):
    _, vessel, valid = crop()
    assert loss(40 * (vessel - 0.5), vessel, valid) < 1e-3


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_gradients_of_extreme_crops_are_finite(loss, share):
    logits = (50 * torch.randn(2, 1, 16, 16)).requires_grad_()
    label = torch.full((2, 1, 16, 16), share)
    for valid in (torch.ones_like(label), torch.zeros_like(label)):
        (gradient,) = torch.autograd.grad(loss(logits, label, valid), logits)
        assert torch.isfinite(gradient).all()
