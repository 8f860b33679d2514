"""Frames on which a candidate did worse than the live model, with what both drew on them, to be looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from src_training.errors import DatasetError
from src_training.evaluation import frame_metrics
from src_training.inference import Predictor
from src_training.models.library import stored_model

if TYPE_CHECKING:
    from src_training.dataset import Dataset, Revision
    from src_training.evaluation import Comparison
    from src_training.workspace import Workspace


@dataclass(frozen=True)
class Drawn:
    """What one model drew on a frame: mask (Y, X) of 0/1, and its Dice against the accepted one."""

    mask: NDArray[np.uint8]
    dice: float


@dataclass(frozen=True)
class LosingFrame:
    """A frame (Y, X) as it is shown, the accepted mask (Y, X) of 0, 1 and 255 = ignore, and two models' masks."""

    name: str
    frame: NDArray
    accepted: NDArray[np.uint8]
    live: Drawn
    candidate: Drawn


def losing_frames(
    workspace: Workspace, comparison: Comparison, cancelled: Callable[[], bool] = lambda: False
) -> Iterator[LosingFrame | DatasetError]:
    """Segment the frames that a comparison names, worst first, with both of its models.

    A frame that the workspace does not hold any more is an error in its place. Raises ModelError when one of
    the models is gone.
    """
    current, candidate = (
        Predictor.load(stored_model(model_id, workspace))
        for model_id in (comparison.current, comparison.candidate)
    )
    for name, _change in comparison.losing_frames:
        if cancelled():
            return
        try:
            revision = judged_revision(workspace.dataset, name)
            frame, accepted = revision.frame(), revision.mask()
        except DatasetError as error:
            yield error
            continue
        yield LosingFrame(
            name, frame, accepted, _drawn(current, frame, accepted), _drawn(candidate, frame, accepted)
        )


def judged_name(revision: Revision) -> str:
    """What a comparison calls a frame."""
    return f"{revision.case} frame {revision.frame_index}"


def judged_revision(dataset: Dataset, name: str) -> Revision:
    """The newest revision of the frame that a comparison calls so; DatasetError when its case is gone."""
    head = dataset.head(name.split(" ")[0])
    if head is None:
        raise DatasetError(f"{name}: not in this workspace any more. Compare the models again.")
    return head


def _drawn(predictor: Predictor, frame: NDArray, accepted: NDArray[np.uint8]) -> Drawn:
    probability = predictor.probability(frame)
    mask = predictor.mask(probability)
    return Drawn(mask, frame_metrics(probability, mask, accepted, ("dice",))["dice"])
