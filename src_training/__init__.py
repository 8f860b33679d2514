"""LightVessel's headless core: read angiograms, segment, keep a dataset, train; its public names load lazily."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Cine": "cine",
    "Calibration": "cine",
    "Projection": "cine",
    "array_cine": "cine",
    "find_inputs": "cine",
    "read_cine": "cine",
    "synthetic_cine": "cine",
    "Polarity": "cine",
    "polarity_of": "cine",
    "vessels_look_bright": "cine",
    "Dataset": "dataset",
    "Frame": "dataset",
    "Origin": "dataset",
    "Revision": "dataset",
    "read_mask": "dataset",
    "judge_frame": "dataset.plausible",
    "Workspace": "workspace",
    "Model": "models",
    "ModelCard": "models",
    "ModelStore": "models",
    "builtin_models": "models",
    "default_model": "models",
    "load_model": "models",
    "Predictor": "inference",
    "mask_from_probability": "inference",
    "FinetuneSettings": "training.settings",
    "TrainSettings": "training.settings",
    "Run": "runs",
    "RunStore": "runs",
    "LightVesselError": "errors",
    "UnreadableCine": "errors",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return __all__
