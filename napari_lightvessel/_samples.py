"""Samples under File > Open Sample: a synthetic beating cine, and a few licensed frames."""

from __future__ import annotations

from typing import Any

from napari_lightvessel._layers import layer_data
from src_training import read_cine, synthetic_cine

#: The synthetic sample: its generator knows the exact masks.
SAMPLE: dict[str, Any] = {"seed": 7, "n_frames": 24, "shape": (512, 512)}


def beating_cine() -> list[tuple[Any, dict[str, Any], str]]:
    """A synthetic cine: contrast washes in and out while the heart beats."""
    cine = synthetic_cine(**SAMPLE).cine
    data, settings, kind = layer_data(cine)
    return [(data, {**settings, "name": "synthetic cine"}, kind)]


def arcade_frames() -> list[tuple[Any, dict[str, Any], str]]:
    """Real frames of the ARCADE set (Popov et al., 2024), each its own layer."""
    from src_training.samples import sample_frames

    return [layer_data(read_cine(path)) for path in sample_frames()]
