"""A full tour is watched for sockets, in every process of ours: nothing listens and nothing calls out."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import psutil
from soak_table import Figure, Part, Size, all_of, none_of

HERE = Path(__file__).resolve().parent
_PATHS = (HERE / "watched", HERE.parent.parent, HERE.parent / "training")
_LOG = "LIGHTVESSEL_SOCKET_LOG"
_LOOK_S = 0.3
_JOURNEY = ("segment, append, fine-tune, promote, roll back, export", [str(HERE / "sockets_journey.py")])
_TOUR = ("the window's tour", ["-m", "napari_lightvessel", "demo", "--tour", "--output"])


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Without a window; in full also the scripted tour of the real one."""
    for name, words in (_JOURNEY, _TOUR)[: 1 if size == "quick" else 2]:
        place = folder / name.split(" ")[-1]
        place.mkdir(parents=True)
        yield from _watched(name, [sys.executable, *words, str(place)], place / "sockets.jsonl")


def _watched(name: str, command: Sequence[str], log: Path) -> Iterator[Figure]:
    """By a hook in every Python, and from outside, where native code's sockets are seen as well."""
    path = os.pathsep.join([*map(str, _PATHS), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, _LOG: str(log), "OMP_NUM_THREADS": "1"}
    seen: dict[int, str] = {}
    outside: set[str] = set()
    with (log.parent / "said.txt").open("wb") as said:
        tour = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
    try:
        while tour.poll() is None and not _used(log):
            _look(tour.pid, seen, outside)
            time.sleep(_LOOK_S)
        used = _used(log)  # one is enough: the tour need not go on
        if not used:
            yield all_of(f"{name}: came to its end", int(tour.returncode == 0), 1)
            started = {line["pid"] for line in _lines(log)}
            unwatched = [words for pid, words in seen.items() if pid not in started]
            yield none_of(f"{name}: Python processes that were not watched", len(unwatched), len(started))
        of = len({line["pid"] for line in _lines(log)})
        yield none_of(f"{name}: sockets bound or connected, names looked up; of processes", len(used), of)
        yield none_of(f"{name}: internet sockets seen from outside; of processes", len(outside), len(seen))
    finally:
        _end(tour)


def _look(pid: int, seen: dict[int, str], outside: set[str]) -> None:
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                if "python" in process.name():
                    seen[process.pid] = " ".join(process.cmdline()[1:4])
                outside |= {f"{process.pid} {found.laddr}" for found in process.net_connections("inet")}


def _used(log: Path) -> list[dict]:
    return [line for line in _lines(log) if line["event"] != "started"]


def _lines(log: Path) -> list[dict]:
    text = log.read_text() if log.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _end(tour: subprocess.Popen) -> None:
    """With its children, which outlive it otherwise."""
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(tour.pid).children(recursive=True):
            process.kill()
    tour.kill()
    tour.wait()


def _calls_home() -> contextlib.AbstractContextManager[object]:
    """The process of a run connects to an address; see ``watched/sitecustomize.py``."""
    return mock.patch.dict(os.environ, {"LIGHTVESSEL_SOAK_BUG": "a run calls home"})


PART = Part(run, {"a run calls home": _calls_home})
