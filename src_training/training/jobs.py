"""What a background run can do, by name; called in the run's own process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from src_training.errors import RunError

if TYPE_CHECKING:
    from src_training.runs import RunContext


def execute(kind: str, settings: dict[str, Any], context: RunContext) -> str | None:
    """Run the job ``kind``; return the id of the model it made, if any.

    Raises RunError for an unknown kind, and what the job raises.
    """
    if kind == "finetune":
        return _finetune(settings, context)
    raise RunError(f"unknown kind of run: {kind!r} (known: finetune). Update napari-lightvessel.")


def _finetune(settings: dict[str, Any], context: RunContext) -> str:
    from src_training.models.contest import contest
    from src_training.models.library import stored_model
    from src_training.runs.store import STORED_MODELS
    from src_training.training.finetune import finetune
    from src_training.training.progress import Watcher
    from src_training.training.settings import FinetuneSettings, checked

    for field in filter(settings.get, STORED_MODELS):
        stored_model(
            settings[field], context.workspace
        )  # the settings may come from elsewhere, and name any folder
    watcher = Watcher(context.emit, context.cancelled)
    model = finetune(context.workspace, checked(FinetuneSettings, settings), context.folder, watcher)
    context.emit({"event": "log", "message": f"comparing {model.id} with the active model"})
    check = partial(watcher.check, "comparing it with the active model")
    decision = contest(context.workspace, model, check=check)
    compared = decision.comparison.as_dict() | {"decision": decision.as_dict()}
    context.emit({"event": "compared", **compared})
    return model.id
