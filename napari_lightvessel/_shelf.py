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
    unjudged: Model | None = None  # came active with the workspace, and waits for a person's word

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
    own, unjudged = tuple(store.list()), store.unjudged()
    warning = None if unjudged else store.warning()  # of which the dock asks
    return Shelf(builtin, own, store.current(), store.previous(), warning, unjudged)
