"""napari's way in: files and folders become Image layers through ``read_cine``; refusals are one line."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from psygnal import SignalInstance

from napari_lightvessel._layers import layer_data
from napari_lightvessel._runs_dialog import choose_run
from napari_lightvessel._texts import notify
from src_training import Cine, read_cine
from src_training.cine import is_claimed
from src_training.errors import LightVesselError

refused = SignalInstance((str,), name="refused")  # the line of a file that is not opened
LayerData = tuple[Any, dict[str, Any], str]
_NOTHING: list[Any] = [(None,)]  # npe2's sentinel: read, and there is no layer to add


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """The reader for these paths, or None when they hold no angiogram that we read: their first bytes decide."""
    paths = [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
    return read if paths and all(is_claimed(one) or _is_disc(one) for one in paths) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Each path as one cine; a folder is one acquisition, its files are the frames."""
    paths = [path] if isinstance(path, str) else list(path)
    layers = [layer for one in paths for layer in _read_one(Path(one))]
    return layers or _NOTHING


def _read_one(path: Path) -> list[LayerData]:
    from src_training.exchange import is_disc

    try:
        cine = _chosen_of_disc(path) if is_disc(path) else read_cine(path, as_cine=path.is_dir())
        if cine is None:
            return []
        layer = layer_data(cine, tell=_say)
    except LightVesselError as error:
        _say(str(error))
        refused.emit(str(error))
        return []
    _tell_remarks(cine)
    return [layer]


def _is_disc(path: Path) -> bool:
    from src_training.exchange import looks_like_disc

    return looks_like_disc(path)


def _chosen_of_disc(path: Path) -> Cine | None:
    """The run of a disc that a person chooses: which one is meant is not for us to guess."""
    from src_training.exchange import opened_disc

    with contextlib.ExitStack() as stack:
        disc = stack.enter_context(opened_disc(path))
        for line in disc.remarks:
            _say(line)
        place = choose_run(path.name, [run.description for run in disc.runs])
        if place is None:
            return None
        cine = disc.runs[place].cine
        # What a ZIP was unpacked into is read frame by frame as long as anybody looks at the cine.
        weakref.finalize(cine, stack.pop_all().close)
        return cine


def _tell_remarks(cine: Cine) -> None:
    """What was read otherwise than the file says: it opened all the same, so this is no error."""
    for line in cine.remarks:
        notify(line)


def _say(line: str) -> None:
    notify(line, error=True)
