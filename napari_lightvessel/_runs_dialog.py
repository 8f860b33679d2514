"""The question which run of a disc is to be opened."""

from __future__ import annotations

from collections.abc import Sequence

from napari_lightvessel._texts import choose


def choose_run(disc: str, runs: Sequence[str]) -> int | None:
    """The place of the chosen one among ``runs``, a line each; None when nobody wants any. One alone is taken."""
    if len(runs) == 1:
        return 0
    return choose(f"Runs on {disc}", "Open the run:", runs)
