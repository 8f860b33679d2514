"""The index of a disc (DICOMDIR): where it lies, and which of the files that it lists are there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from src_training.cine.apart import ask_file
from src_training.errors import UnreadableCine

_INDEX = "DICOMDIR"


@dataclass(frozen=True)
class Listed:
    """What an index lists, each as the parts of its path: images, and reports, presentations or PDFs."""

    folder: Path
    images: list[list[str]]
    others: list[list[str]]


def is_index(path: Path) -> bool:
    """Whether a path is called as an index is, in any case of letters."""
    return path.name.upper() == _INDEX


def index_of(folder: Path) -> Path | None:
    """The DICOMDIR of a disc; None where there is none."""
    entries = folder.iterdir() if folder.is_dir() else ()
    return next((one for one in entries if is_index(one) and one.is_file()), None)


def read_index(index: Path) -> Listed:
    """What an index lists; UnreadableCine where it is none or damaged."""
    facts = ask_file(index, {"ask": "disc"}).facts
    return Listed(index.parent, facts["images"], facts["others"])


def leads_to_an_image(index: Path) -> bool:
    """Whether any image that an index lists is there; of one that cannot be read it is believed."""
    try:
        listed = read_index(index)
    except UnreadableCine:
        return True
    return any(file_at(listed.folder, parts) is not None for parts in listed.images)


def file_at(folder: Path, parts: list[str]) -> Path | None:
    """The file of these parts, in whatever case of letters the disc was copied with; none that leads out of it."""
    at = folder
    for part in parts:
        if not part or part in (".", "..") or re.search(r"[/\\:\0]", part):
            return None
        names = {entry.name.split(";")[0].casefold(): entry for entry in _entries(at)}
        entry = names.get(part.casefold())
        if entry is None:
            return None
        at = entry
    real = Path(os.path.realpath(at))
    return at if at.is_file() and Path(os.path.realpath(folder)) in real.parents else None


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
