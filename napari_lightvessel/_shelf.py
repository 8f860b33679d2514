"""The models that can be chosen."""

from __future__ import annotations

from dataclasses import dataclass

from src_training import Model, Workspace, builtin_models
from src_training.models import DEFAULT_MODEL


@dataclass(frozen=True)
class Shelf:
    """The models there are, read beside the GUI thread: reading one checks its weights."""

    builtin: tuple[Model, ...] = ()
    own: tuple[Model, ...] = ()
    live: Model | None = None
    previous: Model | None = None
    warning: str | None = None

    @property
    def live_id(self) -> str:
        """The model that is used unless another is chosen: the live one, else the built-in student."""
        return self.live.id if self.live else DEFAULT_MODEL


def read_shelf(workspace: Workspace | None) -> Shelf:
    """The shipped models, and those of a workspace; checks the weights of each."""
    builtin = tuple(builtin_models())
    if workspace is None:
        return Shelf(builtin)
    store = workspace.models
    return Shelf(builtin, tuple(store.list()), store.current(), store.previous(), store.warning())
