"""napari's way in: files and folders become Image layers through ``read_cine``; refusals are one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_lightvessel._layers import layer_data
from napari_lightvessel._runs_dialog import choose_run
from src_training import Cine, read_cine
from src_training.errors import LightVesselError

LayerData = tuple[Any, dict[str, Any], str]
_NOTHING: list[Any] = [(None,)]  # npe2's sentinel: read, and there is no layer to add

_ALWAYS_OURS = {".dcm", ".dicom", ".ima", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp", ".npy"}


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """The reader for these paths, or None when they are not ours (a file without suffix that is no DICOM)."""
    paths = [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
    return read if paths and all(_is_ours(one) for one in paths) else None


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
        return []
    _tell_remarks(cine)
    return [layer]


def _chosen_of_disc(path: Path) -> Cine | None:
    """The run of a disc that a person chooses: which one is meant is not for us to guess."""
    from src_training.exchange import opened_disc

    with opened_disc(path) as disc:
        for line in disc.remarks:
            _say(line)
        place = choose_run(path.name, [run.description for run in disc.runs])
        return None if place is None else disc.runs[place].cine


def _tell_remarks(cine: Cine) -> None:
    """What was read otherwise than the file says: it opened all the same, so this is no error."""
    from napari.utils.notifications import show_info

    for line in cine.remarks:
        show_info(line)


def _say(line: str) -> None:
    from napari.utils.notifications import show_error

    show_error(line)


def _is_ours(path: Path) -> bool:
    return path.is_dir() or path.suffix.lower() in _ALWAYS_OURS or _is_dicom(path)


def _is_dicom(path: Path) -> bool:
    if not path.is_file():  # to open a pipe would wait for ever
        return False
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False
