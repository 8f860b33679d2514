"""What several tests of the model store begin with."""

from __future__ import annotations

import pytest
from deep_trees import dig, fill_in
from model_folders import stage_tiny, told

from src_training import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "workspace")


@pytest.fixture
def deep():
    """Makes folders in folders, and takes them away again: pytest cannot."""
    made = []

    def dig_one(path, depth):
        made.append(path)
        dig(path, depth)

    yield dig_one
    for path in made:
        fill_in(path)


@pytest.fixture
def store(workspace):
    return workspace.models


@pytest.fixture
def model_id(store, tmp_path):
    """A model that was compared with the live one, on too few patients to tell."""
    model = store.add(stage_tiny(tmp_path / "staged"))
    store.keep_comparison(told(model.id))
    return model.id
