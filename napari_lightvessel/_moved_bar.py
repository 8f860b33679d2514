"""The question about frames that wait for a workspace which lay elsewhere when they were kept."""

from __future__ import annotations

from pathlib import Path

from napari_lightvessel._marks import count_words
from napari_lightvessel._parts import AskBar
from napari_lightvessel._posting import Postman
from src_training import Workspace
from src_training.dataset import Moved


class MovedBar(AskBar):
    """Asked until it is answered, once for each workspace in this window; till then the frames stay where they are."""

    def __init__(self, postman: Postman) -> None:
        super().__init__()
        self._postman = postman
        self._left: set[Path] = set()  # a person wants nothing saved there
        self._asking: Path | None = None
        postman.moved.connect(self._on_moved)
        postman.session.workspace_changed.connect(self._on_workspace)

    def _on_workspace(self, _workspace: object) -> None:
        self._asking = None
        self.hide()

    def _on_moved(self, workspace: Workspace, moved: Moved) -> None:
        place, session = workspace.path, self._postman.session
        if not session.is_here(workspace) or place in self._left or self._asking == place:
            return
        self._asking = place
        waits = "wait" if moved.count > 1 else "waits"
        former = str(moved.place.parent) if moved.place.name else "an unknown place"
        self.ask(
            f"{count_words(moved.count)} {waits} on this computer for this workspace as it was at {former}, where it "
            "is not now. Save here only if this is the same one.",
            "Save here",
            "Leave",
            self._save,
            lambda: self._left.add(place),
            unasked=True,
        )

    def _save(self) -> None:
        self._asking = None  # what the disk refuses is asked about again
        self._postman.try_now(moved=True)
