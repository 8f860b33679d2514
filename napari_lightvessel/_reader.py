"""napari's way in: files and folders become Image layers through ``read_cine``; refusals are one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_lightvessel._layers import layer_data
from src_training import Cine, read_cine
from src_training.cine.sniff import DICOM_SUFFIXES, recognise
from src_training.errors import LightVesselError

LayerData = tuple[Any, dict[str, Any], str]
_STORES = (".zarray", ".zgroup", ".zattrs", "zarr.json")
_NOTHING: list[Any] = [(None,)]  # npe2's sentinel: read, and there is no layer to add


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """The reader for these paths, or None when they hold no angiogram that we read: their first bytes decide."""
    paths = [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
    return read if paths and all(_is_ours(one) for one in paths) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Each path as one cine; a folder is one acquisition, its files are the frames."""
    paths = [path] if isinstance(path, str) else list(path)
    layers = [layer for one in paths for layer in _read_one(Path(one))]
    return layers or _NOTHING


def _read_one(path: Path) -> list[LayerData]:
    try:
        cine = read_cine(path, as_cine=path.is_dir())
        layer = layer_data(cine, tell=_say)
    except LightVesselError as error:
        _say(str(error))
        return []
    _tell_remarks(cine)
    return [layer]


def _tell_remarks(cine: Cine) -> None:
    """What was read otherwise than the file says: it opened all the same, so this is no error."""
    from napari.utils.notifications import show_info

    for line in cine.remarks:
        show_info(line)


def _say(line: str) -> None:
    from napari.utils.notifications import show_error

    show_error(line)


def _is_ours(path: Path) -> bool:
    try:
        if path.is_dir():
            return _has_images(path)
        # Of a file that calls itself DICOM we know the reason why it is none; to open a pipe would wait for ever.
        return path.is_file() and (path.suffix.lower() in DICOM_SUFFIXES or recognise(path) is not None)
    except OSError:
        return False


def _has_images(folder: Path) -> bool:
    """Whether an image lies directly in a folder, which is no array store of others (zarr)."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_file()]
    is_store = any((folder / name).exists() for name in _STORES)
    return not is_store and any(recognise(entry) is not None for entry in entries)
