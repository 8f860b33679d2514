"""Promises of the networks: shapes, cost, fusing, features by stride."""

import pytest
import torch

from src_training.errors import ModelError
from src_training.models.card import Architecture
from src_training.networks import build_network, fused_cost, weight_shapes

SMALL = Architecture()
ARCHITECTURES = [
    SMALL,
    Architecture(base_channels=16, depth=2, blocks=1),
    Architecture(base_channels=8, depth=3, blocks=1, stem_factor=4),
]


def randomised(architecture: Architecture):
    """A network whose batch norms have seen data."""
    torch.manual_seed(1)
    network = build_network(architecture)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.normal_(1, 0.2)
            module.bias.data.normal_(0, 0.2)
    return network.eval()


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_fusing_changes_outputs_by_less_than_a_ten_thousandth(architecture):
    network = randomised(architecture)
    frame = torch.randn(2, 1, 2 * network.stride, 3 * network.stride)
    with torch.no_grad():
        assert (network.fused()(frame).logits - network(frame).logits).abs().max() < 1e-4


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_weight_shapes_are_those_of_the_built_network(architecture):
    state = build_network(architecture).state_dict()
    built = {name: tuple(t.shape) for name, t in state.items() if t.is_floating_point()}
    assert built == weight_shapes(architecture)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_reckoned_cost_counts_every_fused_parameter(architecture):
    fused = build_network(architecture).fused()
    assert fused_cost(architecture)[0] == sum(p.numel() for p in fused.parameters())


def test_reckoned_flop_equal_torchs_own_count():
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        build_network(SMALL).fused()(torch.zeros(1, 1, 512, 512))
    assert fused_cost(SMALL)[1] == pytest.approx(counter.get_total_flops() / 1e9, rel=1e-6)


def test_the_default_student_is_small():
    parameters, gflop = fused_cost(SMALL)
    assert parameters < 500_000
    assert gflop < 5


def test_features_come_back_by_stride_on_both_sides():
    output = build_network(SMALL)(torch.zeros(1, 1, 64, 96))
    assert {s: tuple(f.shape) for s, f in output.encoder.items()} == {
        2: (1, 16, 32, 48),
        4: (1, 32, 16, 24),
        8: (1, 64, 8, 12),
        16: (1, 128, 4, 6),
    }
    assert {s: tuple(f.shape) for s, f in output.decoder.items()} == {
        2: (1, 16, 32, 48),
        4: (1, 32, 16, 24),
        8: (1, 64, 8, 12),
    }
    assert output.logits.shape == (1, 1, 64, 96)


def test_an_unknown_family_is_refused_in_one_line():
    with pytest.raises(ModelError, match="'transformer' is not known"):
        build_network(Architecture(family="transformer"))
