"""A card names the licence of the weights that its network started from."""

from __future__ import annotations

import pytest

from src_training.training.imagenet import LICENCE_FROM_IMAGENET
from src_training.training.settings import IMAGENET, TrainSettings
from src_training.training.train_student import licence_of


@pytest.mark.parametrize(
    ("start", "licence"),
    [
        (None, "BSD-3-Clause"),
        ("small", "BSD-3-Clause"),
        (IMAGENET, LICENCE_FROM_IMAGENET),
        ("teacher", LICENCE_FROM_IMAGENET),
        ("teacher-syntax", LICENCE_FROM_IMAGENET),
    ],
)
def test_a_trained_network_is_under_the_licence_of_what_it_started_from(start, licence):
    assert licence_of(TrainSettings().model_copy(update={"start_from": start})) == licence
