"""Promises about lines of fine-tuned models: each card can be written and read, however many came before."""

from __future__ import annotations

import pytest

from src_training import builtin_models
from src_training.models.card import ModelCard
from src_training.training.heritage import inherited


def child(parent, taught=False):
    """The card of a model that was made from another, read as from its file."""
    told = parent.model_dump() | inherited(parent, 128, taught=taught)
    return ModelCard.model_validate_json(ModelCard(**told).to_json())


@pytest.mark.parametrize("model", builtin_models(), ids=lambda model: model.id)
def test_a_line_of_two_hundred_generations_goes_on(model):
    cards = [model.card]
    for number in range(200):
        cards.append(child(cards[-1], taught=number % 2 == 1))
    first, last = cards[1], cards[-1]
    assert first.name == f"{model.card.name}-ft" and first.trained_on.endswith(
        f"before: {model.card.trained_on}"
    )
    assert (
        first.data_licence
        == last.data_licence
        == (f"{model.card.data_licence}; the corrected frames are the workspace owner's")
    )
    assert (
        last.trained_on.startswith("128 corrected frames") and model.card.trained_on[-40:] in last.trained_on
    )


def test_a_card_that_an_older_version_wrote_after_many_generations_is_read():
    card = builtin_models()[0].card
    story = "128 corrected frames and ARCADE's replay pack; before: " * 60 + card.trained_on
    told = card.model_dump() | {
        "trained_on": story,
        "data_licence": "; the corrected frames are the owner's" * 60,
    }
    assert ModelCard.model_validate_json(ModelCard(**told).to_json()).trained_on == story
