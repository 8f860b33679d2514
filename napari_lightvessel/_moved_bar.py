"""The question about frames that wait for a workspace which lay elsewhere when they were kept."""

from __future__ import annotations

from pathlib import Path

from napari_lightvessel._marks import count_words
from napari_lightvessel._parts import AskBar
from napari_lightvessel._posting import Postman
from src_training import Workspace
from src_training.dataset import Moved


class MovedBar(AskBar):
    """Asked once for each workspace in this window; until it is answered the frames stay on this computer."""

    def __init__(self, postman: Postman) -> None:
        super().__init__()
        self._postman = postman
        self._asked: set[Path] = set()
        postman.moved.connect(self._on_moved)
        postman.session.workspace_changed.connect(lambda _workspace: self.hide())

    def _on_moved(self, workspace: Workspace, moved: Moved) -> None:
        here = self._postman.session.workspace
        if here is None or workspace is not here or here.path in self._asked:
            return
        self._asked.add(here.path)
        waits = "wait" if moved.count > 1 else "waits"
        former = str(moved.place.parent) if moved.place.name else "an unknown place"
        self.ask(
            f"{count_words(moved.count)} {waits} on this computer for this workspace as it was at {former}, where it "
            "is not now. Save here only if this is the same one.",
            "Save here",
            "Leave",
            lambda: self._postman.try_now(moved=True),
            unasked=True,
        )
