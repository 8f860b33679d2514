"""The settings of a run that may have come from elsewhere: checked where they are read, before a process starts."""

from __future__ import annotations

from typing import Any

from src_training.errors import LightVesselError, RunError

MOST_THREADS = 256


def check_settings(run_id: str, kind: str, settings: dict[str, Any]) -> None:
    """Raise RunError when a fine-tuning's settings are not such; of other kinds the job itself knows.

    What they would take of the computer is reckoned by the job, which knows the model (`models.bounds`).
    """
    if kind != "finetune":
        return
    from src_training.training.settings import FinetuneSettings, checked

    try:
        checked(FinetuneSettings, settings)
    except LightVesselError as error:
        finding = str(error).partition(" Known settings:")[0]
        raise RunError(f"{run_id}: {finding} Start a new run.") from error
