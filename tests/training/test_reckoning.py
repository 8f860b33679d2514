"""What a network takes is reckoned before it is built, and never less than it really takes."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from src_training.models import builtin_models
from src_training.models.bounds import FRAME_GFLOP, MODEL_BYTES, check_model, check_network
from src_training.networks import FAMILIES, NETWORKS, Architecture, build_network, fused_cost
from src_training.networks.reckoning import reckoned

FREE = ("s2d-repunet", "res-unet", "sk-unet")
# No more than so many times what was measured, where that is more than the noise of measuring it.
FACTOR, TRAINING_FACTOR, NOISE = 8, 8, 16 << 20


def specs(families=FAMILIES):
    """Any spec that can be built in a moment."""
    free = st.fixed_dictionaries(
        {
            "family": st.sampled_from([family for family in families if family in FREE]),
            "base_channels": st.integers(4, 24),
            "depth": st.integers(1, 4),
            "blocks": st.integers(1, 4),
            "stem_factor": st.sampled_from((1, 2, 4)),
        }
    )
    fixed = [family for family in families if family not in FREE]
    if not fixed:
        return free.map(lambda told: Architecture(**told))
    papers = st.fixed_dictionaries({"family": st.sampled_from(fixed), "base_channels": st.integers(4, 64)})
    return (free | papers).map(lambda told: Architecture(**told))


@given(specs())
@settings(max_examples=25, deadline=None)
def test_values_and_work_are_never_reckoned_too_few(architecture):
    cost = reckoned(architecture, 512)
    with torch.device("meta"):
        state = build_network(architecture).state_dict().values()
    assert cost.values >= sum(tensor.numel() for tensor in state if tensor.is_floating_point())
    assert cost.gflop >= 0.999 * fused_cost(architecture)[1]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_has_a_name_is_reckoned_closely(name):
    architecture = NETWORKS[name]
    cost = reckoned(architecture, 512)
    with torch.device("meta"):
        state = build_network(architecture).state_dict().values()
    values = sum(tensor.numel() for tensor in state if tensor.is_floating_point())
    assert values <= cost.values <= 1.05 * values
    assert cost.gflop <= 1.05 * fused_cost(architecture)[1]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is told by Linux")
def test_memory_is_never_reckoned_less_than_measured_nor_far_more():
    rng = random.Random(0)
    made = [
        Architecture(family=f, base_channels=rng.choice((8, 16, 24)), depth=d, blocks=b, stem_factor=s)
        for f, (d, b, s) in itertools.product(FREE, ((1, 1, 2), (2, 3, 1), (3, 2, 1), (4, 4, 2)))
    ]
    made += [NETWORKS[name] for name in ("mobilenetv2-unet", "enet", "erfnet", "lite0-unet")]
    child = Path(__file__).with_name("reckoning_child.py")
    told = subprocess.run(
        [sys.executable, child, "512", *(one.model_dump_json() for one in made)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout.splitlines()
    for architecture, line in zip(made, told, strict=True):
        cost, measured = reckoned(architecture, 512), json.loads(line)
        assert measured["frame"] <= cost.frame_bytes, architecture
        assert cost.frame_bytes <= FACTOR * max(measured["frame"], NOISE), architecture
        batch = 2 * 256**2 * cost.pixel_bytes
        assert measured["batch"] <= batch + cost.weight_bytes, architecture
        assert batch <= TRAINING_FACTOR * max(measured["batch"], NOISE), architecture


def test_what_ships_and_what_has_a_name_is_within_the_bounds():
    for model in builtin_models():
        check_model(model.card, model.id)
    for name, architecture in NETWORKS.items():
        cost = check_network(architecture, 512, name)
        assert cost.gflop <= FRAME_GFLOP / 3 and cost.weight_bytes + cost.frame_bytes <= MODEL_BYTES
