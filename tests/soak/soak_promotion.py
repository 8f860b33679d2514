"""Promoting and rolling back are killed at any moment: the live model is there, and the record tells what happened."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from unittest import mock

from durable_disks import DyingDisk
from forking import forked
from model_folders import stage_tiny, told
from soak_table import Figure, Part, Size, all_of, measured, none_of

from src_training import ModelStore, Workspace, builtin_models, durable
from src_training.ledger import Ledger
from src_training.models.gate import decide
from src_training.models.loading import CARD_FILE

_KILLS = {"quick": 30, "full": 300}
_MODELS = ("first", "second")
Switch = tuple[str, str]  # what was done, and which model is live since


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Kills at random moments, kills at every step that writes, and how long a roll back takes."""
    yield from _killed(_KILLS[size], folder / "killed")
    yield from _timed(folder / "timed", from_shell=size == "full")


def _killed(kills: int, folder: Path) -> Iterator[Figure]:
    store = _tiny_store(folder)
    acknowledged: dict[int, Switch] = {}
    looks = unresolved = 0
    rng = random.Random(0)
    for _ in range(kills):
        told_by_child, looked = _killed_child(folder, rng)
        acknowledged |= told_by_child
        looks, unresolved = looks + len(looked), unresolved + looked.count(False)
    at_steps = 0
    for told_by_child in _killed_at_every_step(folder):
        acknowledged |= told_by_child
        at_steps, looks = at_steps + 1, looks + 1
        unresolved += not _resolves(store)
    what = f"{kills} kill -9 at random, {at_steps} at every step that writes"
    yield none_of(f"{what}: looks at the live model without one", unresolved, looks)
    in_effect = _in_effect(store)
    lost = [seq for seq, switch in acknowledged.items() if in_effect.get(seq) != switch]
    yield none_of(f"{what}: acknowledged promotions and roll backs lost", len(lost), len(acknowledged))
    seq, live = _live(store)
    known = list(in_effect) == [*range(1, seq + 1)] and in_effect[seq][1] == live
    yield all_of(f"{what}: switches with exactly one decision", len(in_effect) if known else 0, seq)


def _killed_child(folder: Path, rng: random.Random) -> tuple[dict[int, Switch], list[bool]]:
    """A process that promotes and rolls back until it is killed; what it acknowledged, and what a reader saw."""
    told_by_child, tell = os.pipe()
    seed = rng.randrange(2**32)
    child = forked(lambda: _switch_for_ever(folder, seed, tell))
    os.close(tell)
    store, looked = ModelStore(folder), []
    with os.fdopen(told_by_child) as lines:
        acknowledged = [lines.readline() for _ in range(rng.randrange(4))]
        until = time.monotonic() + rng.uniform(0.0, 0.03)
        while time.monotonic() < until:
            looked.append(_resolves(store))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        acknowledged += lines.readlines()
    looked.append(_resolves(store))
    return _parsed(acknowledged), looked


def _killed_at_every_step(folder: Path) -> Iterator[dict[int, Switch]]:
    """Child k dies at its k-th operation while it promotes and rolls back, until one comes through."""
    for step in count():
        told_by_child, tell = os.pipe()
        child = forked(partial(_switch_and_die, folder, step, tell))
        os.close(tell)
        with os.fdopen(told_by_child) as lines:
            acknowledged = lines.readlines()
        ended = os.waitpid(child, 0)[1]
        yield _parsed(acknowledged)
        if not os.WIFSIGNALED(ended):
            return


def _switch_and_die(folder: Path, step: int, tell: int) -> None:
    durable.disk = DyingDisk(step)
    store = ModelStore(folder)
    _acknowledge(store, "promoted", _promote(store), tell)
    _acknowledge(store, "rolled back", store.rollback().id, tell)


def _switch_for_ever(folder: Path, seed: int, tell: int) -> None:
    store, rng = ModelStore(folder), random.Random(seed)
    while True:
        if rng.random() < 0.4 and store.previous() is not None:
            _acknowledge(store, "rolled back", store.rollback().id, tell)
        else:
            _acknowledge(store, "promoted", _promote(store), tell)


def _promote(store: ModelStore) -> str:
    """Make another model live than the one that is."""
    _, live = _live(store)
    candidate = next(model_id for model_id in store.ids() if model_id != live)
    return store.promote(candidate, decide(told(candidate, live, patients=12))).id


def _acknowledge(store: ModelStore, action: str, model_id: str, tell: int) -> None:
    os.write(tell, f"{json.dumps([_live(store)[0], action, model_id])}\n".encode())


def _parsed(lines: list[str]) -> dict[int, Switch]:
    """By their numbers; a line that the kill has torn was not heard."""
    heard = [json.loads(line) for line in lines if line.endswith("\n")]
    return {seq: (action, model_id) for seq, action, model_id in heard}


def _live(store: ModelStore) -> tuple[int, str]:
    """Number of the last switch, and what is live since."""
    state = store._log.state()
    return state.seq, state.model or "small"


def _resolves(store: ModelStore) -> bool:
    return store.warning() is None and store.current() is not None


def _in_effect(store: ModelStore) -> dict[int, Switch]:
    """What the record says was done, by number; twice the same number is one too many."""
    switches: dict[int, Switch] = {}
    for record in store.history():
        if record["action"] in ("promoted", "rolled back"):
            again = record["seq"] in switches
            switches[record["seq"]] = ("twice", "") if again else (record["action"], record["model"])
    return switches


def _tiny_store(folder: Path) -> ModelStore:
    """A store of two models, one of them live."""
    staged = folder.parent / "staged"
    store = ModelStore(folder)
    for name in _MODELS:
        store.add(stage_tiny(staged / name, name))
    _promote(store)
    return store


def _timed(folder: Path, *, from_shell: bool) -> Iterator[Figure]:
    """With models of the shipped size."""
    workspace = Workspace.create(folder)
    store = workspace.models
    for name in _MODELS:
        staged = shutil.copytree(builtin_models()[0].folder, folder.parent / "shipped" / name)
        card = json.loads((staged / CARD_FILE).read_text(encoding="utf-8"))
        (staged / CARD_FILE).write_text(json.dumps(card | {"name": name}), encoding="utf-8")
        store.add(staged)
        _promote(store)
    began = time.monotonic()
    store.rollback()
    yield measured("roll back, shipped size", time.monotonic() - began, "< 2 s")
    if not from_shell:
        return
    began = time.monotonic()
    command = [sys.executable, "-m", "src_training", "models", "rollback", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    yield measured("roll back from the shell, start of Python included", time.monotonic() - began, "< 2 s")


def _in_place() -> contextlib.AbstractContextManager[object]:
    """A decision's folder made under its name, and then filled."""

    def claim(folder: Path, name: str, data: bytes) -> None:
        durable.disk.mkdir(folder)
        fd = durable.disk.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        durable.disk.write(fd, data)
        durable.disk.sync(fd)
        os.close(fd)

    return mock.patch.object(durable, "claim", claim)


def _shown_before() -> contextlib.AbstractContextManager[object]:
    """What is live shown to older versions first, and its decision when there is time."""
    add = Ledger.add

    def show_first(ledger: Ledger, number: int, record: dict) -> bool:
        state = record["state"] | {"previous": None, "number": number}
        durable.replace(ledger.folder.parent / "current.json", json.dumps(state).encode())
        return add(ledger, number, record)

    return mock.patch.object(Ledger, "add", show_first)


PART = Part(run, {"decisions written in place": _in_place, "shown before it is decided": _shown_before})
