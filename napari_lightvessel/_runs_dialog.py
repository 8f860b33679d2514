"""The question which run of a disc is to be opened."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QInputDialog


def choose_run(disc: str, runs: Sequence[str]) -> int | None:
    """The place of the chosen one among ``runs``, a line each; None when nobody wants any. One alone is taken."""
    if len(runs) == 1:
        return 0
    chosen, wanted = QInputDialog.getItem(None, f"Runs on {disc}", "Open the run:", list(runs), 0, False)
    return runs.index(chosen) if wanted else None
