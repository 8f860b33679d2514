"""Workspaces that mean no good are used as any other: nothing outside changes, nothing runs, hangs or breaks."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from forking import forked
from hostile_workspaces import (
    KINDS,
    VALUES,
    entries,
    everything,
    forge,
    forgeries,
    kept,
    make_sound,
    own_files,
)
from soak_table import Figure, Part, Size, none_of

import src_training.workspace  # noqa: F401 - before the forks: each would read it anew
from src_training import cli, confined
from src_training.cli import build_app
from src_training.runs import launching

_TRIED = {"quick": 12, "full": 5_000}
_HANG_S, _MOST_KIB = 10.0, 1536 << 10
#: What is tried first: a link of each kind that has done harm.
_FIRST = (
    ("dataset/cases", "a link to what it was"),
    ("dataset/snapshots", "a link to a folder"),
    ("models/decisions", "a link to what it was"),
    ("runs/2*/events.jsonl", "a second name"),
    ("runs/2*/log.txt", "a link to a start-up file"),
    ("runs/2*/config.json", "endless"),
    ("dataset/dataset.json", "a link to a device"),
)
Words = list[str]
Plant = Callable[[Path, Path], None]


class Hangs(BaseException):
    """A command took longer than it may."""


@dataclass
class Found:
    """What all attempts did."""

    tried: int = 0
    calls: int = 0
    bad: dict[str, list[str]] = field(
        default_factory=lambda: {
            kind: [] for kind in ("outside", "ran", "hung", "traceback", "memory", "lost")
        }
    )


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Every file and folder in turn as a link, a pipe and so on; every value of every record as another."""
    sound = make_sound(folder / "made" / "ws")
    found = Found()
    for number, (name, plant) in enumerate(_attempts(sound, _TRIED[size])):
        place = folder / str(number)
        _attempt(sound, place, name, plant, number, found)
        shutil.rmtree(place, ignore_errors=True)
    what = f"{found.tried:,} hostile workspaces, {found.calls:,} commands on them"
    for promise, kind in (
        ("in which something outside was written, moved or removed", "outside"),
        ("in which something of theirs ran", "ran"),
        ("in which a command took over 10 s", "hung"),
        ("in which a command ended in a traceback, or without its exit code", "traceback"),
        ("in which a command took over 1.5 GiB", "memory"),
        ("that ended otherwise", "lost"),
    ):
        yield none_of(f"{what}: {promise}", len(found.bad[kind]), found.tried)


# -- what is tried -------------------------------------------------------------------------------------------


def _attempts(sound: Path, most: int) -> Iterator[tuple[str, Plant]]:
    names = entries(sound)
    kinds = [(name, kind) for name in names for kind in KINDS]
    forged = [(*where, value) for where in forgeries(sound) for value in VALUES]
    rng = random.Random(15)
    rng.shuffle(kinds)
    rng.shuffle(forged)
    first = [(_one(sound, pattern), kind) for pattern, kind in _FIRST]
    # Few names have many kinds, many values have one each: all of the first, and of the second what time allows.
    chosen = [*first, *kinds][: max(most // 2, min(most, len(kinds)))]
    for name, kind in chosen:
        yield f"{name}: {kind}", partial(_plant_kind, name, kind)
    for name, number, way, value in forged[: most - len(chosen)]:
        yield f"{name}: {way} {value}", partial(_plant_value, name, number, way, value)


def _one(workspace: Path, pattern: str) -> str:
    return str(next(iter(workspace.glob(pattern))).relative_to(workspace))


def _plant_kind(name: str, kind: str, workspace: Path, home: Path) -> None:
    KINDS[kind](workspace / name, home)


def _plant_value(
    name: str, number: int, way: tuple[Any, ...], value: str, workspace: Path, home: Path
) -> None:
    forge(workspace / name, number, way, VALUES[value])


def _commands(workspace: Path, place: Path, number: int) -> list[Words]:
    """What one would do with it: the looks, and of the works each in turn."""
    ws, out = str(workspace), str(place / "out")
    picture, drawn = str(place / "a.png"), str(place / "a_mask.png")
    case, run, candidate = _names(workspace)
    looks = [
        ["doctor", ws, "--json"],
        ["dataset", "verify", ws],
        ["dataset", "list", ws],
        ["models", "list", ws],
        ["models", "history", ws],
        ["models", "show", ws, candidate],
        ["runs", "list", ws],
    ]
    works = [
        ["doctor", ws, "--repair"],
        ["dataset", "append", ws, "--image", picture, "--mask", drawn, "--accept-implausible"],
        ["models", "keep", ws, candidate, "--reason", "x"],
        ["dataset", "withdraw", ws, case],
        ["runs", "cancel", ws, run],
        ["models", "promote", ws, candidate, "--override", "x"],
        ["dataset", "move", ws, case, "--patient", "p-9"],
        ["models", "rollback", ws],
        ["dataset", "export", ws, "-o", out],
        ["dataset", "label", ws, case, "mine"],
        ["dataset", "publish", ws],
        ["runs", "resume", ws, run],
    ]
    # At times all of them come one after the other, as they lead to one another.
    if number % 8 == 0 or number < len(_FIRST):
        return [*looks, *works, looks[0]]
    return [looks[number % 7], looks[number * 3 % 7], *works[number % 12 :: 5], looks[0]]


def _names(workspace: Path) -> tuple[str, str, str]:
    """A case, a run and a candidate by the names that lie there."""
    cases = sorted(path.name for path in workspace.glob("dataset/cases/*/*"))
    runs = sorted(path.name for path in workspace.glob("runs/2*"))
    models = sorted(path.name for path in workspace.glob("models/candidate-*"))
    return (cases or ["0" * 24])[0], (runs or ["0"])[0], (models or ["none"])[0]


# -- one of them ---------------------------------------------------------------------------------------------


def _attempt(sound: Path, place: Path, name: str, plant: Plant, number: int, found: Found) -> None:
    workspace = Path(shutil.copytree(sound, place / "ws"))
    home = own_files(place)
    _pictures(place)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
        plant(workspace, home)
    before, beside = everything(home), sorted(os.listdir(place))
    told = place / "told.json"
    child = forked(partial(_use, workspace, place, number, told))
    _, status = os.waitpid(child, 0)
    found.tried += 1
    if status or not told.exists():
        found.bad["lost"].append(name)
        return
    record = json.loads(told.read_text())
    found.calls += record.pop("calls")
    for kind in (kind for kind, told_of in record.items() if told_of):
        found.bad[kind].append(f"{name}: {record[kind]}")
    after, beside_now = everything(home), set(os.listdir(place)) - {"told.json", "out"}
    if not kept(before, after) or beside_now != set(beside):
        found.bad["outside"].append(name)
    if list(place.rglob("ran")):
        found.bad["ran"].append(name)
    for line in (
        f"{kind}: {lines[-1]}" for kind, lines in found.bad.items() if lines and lines[-1].startswith(name)
    ):
        print(f"# {line}", flush=True)


def _pictures(place: Path) -> None:
    import numpy as np
    from skimage.io import imsave

    rng = np.random.default_rng(0)
    imsave(place / "a.png", rng.integers(0, 255, (64, 64)).astype(np.uint8), check_contrast=False)
    imsave(place / "a_mask.png", (rng.random((64, 64)) > 0.9).astype(np.uint8), check_contrast=False)


def _use(workspace: Path, place: Path, number: int, told: Path) -> None:
    """In a process of its own, as somebody would who has just received it."""
    record: dict[str, Any] = {"calls": 0, "hung": "", "traceback": "", "memory": ""}
    with mock.patch.object(cli, "build_app", _app):
        for words in _commands(workspace, place, number):
            record["calls"] += 1
            if trouble := _called(words):
                kind, line = trouble
                record[kind] = record[kind] or line
    _end_children()
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    if most > _MOST_KIB:
        record["memory"] = f"{most >> 10} MiB"
    told.write_text(json.dumps(record))


def _called(words: Words) -> tuple[str, str] | None:
    """What should not be about a command: it hung, or it ended otherwise than it may."""
    err, called = io.StringIO(), " ".join(words[:2])
    previous = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, _HANG_S)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            code = cli.main(words)
    except Hangs:
        return "hung", called
    except BaseException as error:  # noqa: BLE001 - a traceback for whoever called it
        return "traceback", f"{called}: {type(error).__name__}: {error}"[:300]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    said = err.getvalue()
    if code not in (0, 1, 2, 3) or "Traceback" in said or "unexpected" in said:
        return "traceback", f"{called}: {code} {said[-300:]}"
    return None


def _give_up(*_: object) -> None:
    raise Hangs


def _end_children() -> None:
    """The runs that were resumed: they would go on when all of this is over."""
    for child in launching._children.values():
        until = time.monotonic() + 5
        child.terminate()
        while child.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        if child.poll() is None:
            child.kill()


@functools.cache
def _app() -> Any:
    return build_app()


# -- planted bugs --------------------------------------------------------------------------------------------


def _links_followed() -> contextlib.AbstractContextManager[object]:
    return mock.patch.object(confined, "_root_of", return_value=None)


def _second_names_taken() -> contextlib.AbstractContextManager[object]:
    from src_training import durable

    return mock.patch.object(durable, "check_sole", return_value=None)


PART = Part(run, {"links are followed": _links_followed, "second names are added to": _second_names_taken})
