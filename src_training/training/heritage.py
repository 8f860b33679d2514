"""What a fine-tuned model's card takes over from its parent's: of bounded length, however many ancestors there are."""

from __future__ import annotations

from src_training.models.card import LONGEST_NAME, ModelCard
from src_training.texts import line

_MOST = 1500  # letters of what it was trained on
_OURS = "the corrected frames are the workspace owner's"


def inherited(parent: ModelCard, frames: int, *, taught: bool) -> dict[str, str]:
    """Name, ``trained_on`` and ``data_licence`` of a model that was made from ``parent`` with so many frames."""
    name = f"{parent.name}-{'kd' if taught else 'ft'}"
    before = f"{frames} corrected frames and ARCADE's replay pack; before: {parent.trained_on}"
    licence = parent.data_licence
    return {
        "name": name if len(name) <= LONGEST_NAME else parent.name,  # the id tells them apart
        "trained_on": line(before, _MOST),
        "data_licence": licence if licence.endswith(_OURS) else f"{licence}; {_OURS}",
    }
