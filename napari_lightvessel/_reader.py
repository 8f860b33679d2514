"""napari's way in: files and folders become Image layers through ``read_cine``; refusals are one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_lightvessel._layers import layer_data
from src_training import read_cine
from src_training.cine import is_claimed
from src_training.errors import LightVesselError

LayerData = tuple[Any, dict[str, Any], str]
_NOTHING: list[Any] = [(None,)]  # npe2's sentinel: read, and there is no layer to add


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """The reader for these paths, or None when they hold no angiogram that we read: their first bytes decide."""
    paths = [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
    return read if paths and all(is_claimed(one) for one in paths) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Each path as one cine; a folder is one acquisition, its files are the frames."""
    paths = [path] if isinstance(path, str) else list(path)
    layers = [layer for one in paths for layer in _read_one(Path(one))]
    return layers or _NOTHING


def _read_one(path: Path) -> list[LayerData]:
    try:
        return [layer_data(read_cine(path, as_cine=path.is_dir()), tell=_say)]
    except LightVesselError as error:
        _say(str(error))
        return []


def _say(line: str) -> None:
    from napari.utils.notifications import show_error

    show_error(line)
