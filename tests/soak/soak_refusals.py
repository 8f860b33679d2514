"""What is no angiogram is refused with the promised line, and what only has a strange name opens."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cine_files as files
import numpy as np
from played_decoders import decoding_with, patiently
from refused_files import NAMES, REFUSALS, is_as_promised, line_for
from soak_table import Figure, Part, Size, all_of

from src_training.cine import read_cine
from src_training.errors import UnreadableCine
from src_training.processes import clean_environment

_ROUNDS = {"quick": 1, "full": 5}
_FRAMES = files.grey()


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """The tables of the reading tests, some times over."""
    refused = opened = 0
    with patiently():
        for number in range(_ROUNDS[size]):
            here = folder / str(number)
            refused += sum(_is_refused(what, here / str(place)) for place, what in enumerate(REFUSALS))
            opened += sum(_opens(here, name) for name in NAMES)
    yield all_of(
        f"{len(REFUSALS)} kinds of files that are no angiogram: refused with exactly the promised line",
        refused,
        _ROUNDS[size] * len(REFUSALS),
    )
    yield all_of("sound files with strange names: opened", opened, _ROUNDS[size] * len(NAMES))
    told = _told_in_the_shell([folder / "0" / name for name in NAMES])
    yield all_of("sound files with strange names: told of by lightvessel info --json", told, len(NAMES))


def _is_refused(what: str, folder: Path) -> bool:
    folder.mkdir(parents=True)
    try:
        line = line_for(what, folder / "thing.dcm")
    except Exception as error:  # noqa: BLE001 - whatever else it is breaks the promise
        line = repr(error)
    if not (held := is_as_promised(what, folder / "thing.dcm", line)):
        print(f"# refusals: {what}: {line}", file=sys.stderr)
    return held


def _told_in_the_shell(paths: list[Path]) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "src_training", "info", "--json", "--", *map(str, paths)],
        capture_output=True,
        env=clean_environment(threads=1),
    )
    told = {json.loads(line)["file"] for line in done.stdout.splitlines()}
    return len(told & set(map(str, paths))) if done.returncode == 0 else 0


def _opens(folder: Path, name: str) -> bool:
    try:
        cine = read_cine(files.write_dicom(folder / name, _FRAMES))
    except UnreadableCine as refusal:
        print(f"# refusals: {refusal}", file=sys.stderr)
        return False
    return cine.name == name and bool(np.array_equal(cine.frame(1), _FRAMES[1]))


_ANY_NUMBER = """
from src_training.cine import budget
budget.FRAMES = (0, 1 << 40)
"""
_NAMES_BELIEVED = """
from src_training.cine import formats, sniff
formats.recognise = lambda path: "dicom" if path.suffix == ".dcm" else sniff.recognise(path)
"""

PART = Part(
    run,
    {
        "frames are not counted": lambda: decoding_with(_ANY_NUMBER),
        "names are believed": lambda: decoding_with(_NAMES_BELIEVED),
    },
)
