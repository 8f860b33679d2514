"""What says of itself whose it is: a dataset's uuid, the model that came live, the id of a model; none is believed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import string
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from deciders import live_id, won
from durable_disks import RefusingDisk, frame, mask
from hostile_workspaces import everything, put, values_in
from model_folders import rehash, stage_tiny
from soak_table import Figure, Part, Size, none_of

from src_training import Workspace, durable
from src_training.dataset import facts as facts_module
from src_training.dataset import store as store_module
from src_training.dataset.outbox import Outbox, save_or_keep
from src_training.dataset.record import read_record, sealed, to_bytes
from src_training.errors import LightVesselError
from src_training.models import DEFAULT_MODEL
from src_training.models.seals import Seals
from src_training.runs.machine import machine_id

_FORGED = {"quick": 30, "full": 3_000}
_CLIMBS = (
    "../../elsewhere",
    "..",
    ".",
    "",
    "../outbox",
    "a/b",
    "C:\\x",
    "con",
    "x" * 300,
    "\0",
)


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Forged uuids with frames waiting, copies and moved workspaces, forged decisions and cards."""
    rng, count = random.Random(4), _FORGED[size]
    machine_id()  # made once, in the user's folder
    yield from _forged_datasets(folder / "datasets", rng, count)
    yield from _forged_decisions(folder / "decisions", rng, count)
    yield from _forged_models(folder / "models", rng, count // 10)


# -- whose frames ----------------------------------------------------------------------------------------------


def _forged_datasets(folder: Path, rng: random.Random, count: int) -> Iterator[Figure]:
    home = Path(os.environ["LIGHTVESSEL_CONFIG_DIR"])
    mine = Workspace.create(folder / "mine")
    disk = RefusingDisk(mine.dataset.folder, 28)
    with mock.patch.object(durable, "disk", disk):
        for seed in range(3):
            save_or_keep(mine.dataset, frame(seed), mask(seed))
    theirs = Workspace.create(folder / "theirs").path
    record = json.loads((theirs / "dataset" / "dataset.json").read_bytes())
    (folder / "beside").mkdir()
    taken, wrote, crashed = [], [], []
    for number in range(count):
        known = [*_CLIMBS, str(folder / "beside" / "x")]
        forged = known[number] if number < len(known) else _forged_uuid(rng, mine.dataset.facts["uuid"])
        _write_facts(theirs, record | {"uuid": forged})
        before = _names_outside(folder, home)
        try:
            dataset = Workspace.open(theirs).dataset
            with mock.patch.object(durable, "disk", RefusingDisk(dataset.folder, 28)):
                save_or_keep(dataset, frame(100 + number), mask(1))
            taken += [
                f for f in Outbox(dataset).publish(moved=True) if f[1].case not in _own(number, dataset)
            ]
        except (LightVesselError, OSError):
            pass
        except Exception as error:  # noqa: BLE001 - a traceback for whoever called it
            crashed.append(f"{forged!r}: {error!r}")
        if more := _names_outside(folder, home) - before:
            wrote.append(f"{forged!r}: {more}")
    waiting = len(Outbox(Workspace.open(mine.path).dataset))
    what = f"{count:,} datasets with another's uuid, or none"
    yield none_of(
        f"{what}: to which somebody else's frames were handed over", len(taken) + 3 - waiting, count
    )
    yield none_of(f"{what}: for which something was written outside the user's folders", len(wrote), count)
    yield none_of(f"{what}: that ended in a traceback", len(crashed), count)


def _forged_uuid(rng: random.Random, real: str) -> str:
    kind = rng.randrange(5)
    if kind == 0:
        return real
    if kind == 1:
        return rng.choice(_CLIMBS)
    if kind == 2:
        return "".join(rng.choice(string.printable) for _ in range(rng.randrange(40)))
    if kind == 3:
        return f"{real}{rng.choice(['/..', ' ', '.json', os.sep + 'x'])}"
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _own(number: int, dataset: Any) -> set[str]:
    return {dataset.case_of(frame(100 + number))}


def _write_facts(workspace: Path, record: dict[str, Any]) -> None:
    record = {name: value for name, value in record.items() if name != "self_sha256"}
    (workspace / "dataset" / "dataset.json").write_bytes(to_bytes(sealed(record)))


def _names_outside(folder: Path, home: Path) -> set[str]:
    """Everything but the forged workspace's cases, and what may be in the user's own folders for datasets."""
    beside = {str(path) for path in folder.rglob("*") if "cases" not in path.parts}
    own = {
        str(path)
        for path in home.rglob("*")
        if not (
            path.parent.name in ("outbox", "sources", "classes")
            or "outbox" in path.relative_to(home).parts[:1]
        )
    }
    above = {str(path) for path in home.parent.iterdir()}
    return beside | own | above


# -- whose decisions -------------------------------------------------------------------------------------------


def _forged_decisions(folder: Path, rng: random.Random, count: int) -> Iterator[Figure]:
    """Any value of any decision made another, decisions taken from elsewhere, cards that differ."""
    workspace = Workspace.create(folder / "ws")
    store = workspace.models
    for name in ("first", "second", "third"):
        model = store.add(stage_tiny(folder / name, name))
        if name != "third":
            store.promote(model.id, won(model.id, live_id(store)))
    sound = folder / "sound"
    shutil.copytree(store.folder, sound)
    last = max((sound / "decisions").iterdir()) / "decision.json"
    record, live = json.loads(last.read_text()), live_id(store)
    ways = [way for way in values_in(record) if way[0] not in ("seals", "nonce")]
    believed, crashed, tried = [], [], 0
    for _ in range(count):
        way, value = rng.choice(ways), rng.choice(_VALUES)(rng, store.ids())
        forged = put(record, way, value)
        if forged == record:
            continue
        tried += 1
        place = store.folder / last.relative_to(sound)
        place.write_text(json.dumps(forged))
        try:
            now = Workspace.open(workspace.path).models
            serves = now.current()
            if serves is not None and serves.id not in (DEFAULT_MODEL,):
                believed.append(f"{way}: {value!r}")
            now.warning(), now.history(), now.previous()
        except LightVesselError:
            pass
        except Exception as error:  # noqa: BLE001 - a traceback for whoever called it
            crashed.append(f"{way} {value!r}: {error!r}")
        place.write_text(last.read_text())
    assert live_id(Workspace.open(workspace.path).models) == live  # the sound one is believed again
    yield none_of(f"{tried:,} decisions with another value: whose model served unasked", len(believed), tried)
    yield none_of(f"{tried:,} decisions with another value: that ended in a traceback", len(crashed), tried)


_VALUES: tuple[Callable[[random.Random, list[str]], Any], ...] = (
    lambda rng, ids: rng.choice(ids),
    lambda rng, ids: rng.choice(ids)[:-1],
    lambda rng, ids: rng.choice(["promoted", "kept", "agreed", "rolled back", "refused", "small", "nano"]),
    lambda rng, ids: rng.randrange(-2, 50),
    lambda rng, ids: rng.random(),
    lambda rng, ids: [rng.choice(ids)],
    lambda rng, ids: {"a": 1},
    lambda rng, ids: None,
    lambda rng, ids: "../" + rng.choice(ids),
    lambda rng, ids: True,
)


# -- whose model -----------------------------------------------------------------------------------------------


def _forged_models(folder: Path, rng: random.Random, count: int) -> Iterator[Figure]:
    """The live model's card or weights are changed under its id; other models come under its id."""
    workspace = Workspace.create(folder / "ws")
    store = workspace.models
    model = store.add(stage_tiny(folder / "live", "live"))
    store.promote(model.id, won(model.id, live_id(store)))
    before = everything(store.folder / model.id)
    served, crashed = [], []
    for _ in range(count):
        shutil.copytree(store.folder / model.id, folder / "kept")
        _change(store.folder / model.id, rng)
        try:
            now = Workspace.open(workspace.path).models.current()
            if now is not None and everything(store.folder / model.id) != before:
                served.append(now.id)
        except LightVesselError:
            pass
        except Exception as error:  # noqa: BLE001 - a traceback for whoever called it
            crashed.append(repr(error))
        shutil.rmtree(store.folder / model.id)
        shutil.move(folder / "kept", store.folder / model.id)
    yield none_of(f"{count:,} live models that were changed: which served", len(served), count)
    yield none_of(f"{count:,} live models that were changed: that ended in a traceback", len(crashed), count)


def _change(model: Path, rng: random.Random) -> None:
    """As a forger would: the card agrees with the files."""
    card = json.loads((model / "card.json").read_text())
    kind = rng.randrange(3)
    if kind == 0:
        data = bytearray((model / "weights.safetensors").read_bytes())
        data[-1 - 4 * rng.randrange(20)] ^= 0x40
        (model / "weights.safetensors").write_bytes(data)
    elif kind == 1:
        card["threshold"] = 0.01 + 0.9 * rng.random()
    else:
        card["name"] = f"better-{rng.randrange(999)}"
    (model / "card.json").write_text(json.dumps(card))
    with contextlib.redirect_stderr(io.StringIO()):
        rehash(model)


# -- planted bugs ----------------------------------------------------------------------------------------------


def _uuid_believed() -> contextlib.AbstractContextManager[object]:
    def read(path: Path) -> dict[str, Any]:
        return read_record(path, facts_module.DATASET_SCHEMA)

    return mock.patch.object(store_module, "read_facts", read)


def _place_not_asked() -> contextlib.AbstractContextManager[object]:
    return mock.patch.object(Outbox, "_is_meant_for_here", return_value=True)


def _seals_believed() -> contextlib.AbstractContextManager[object]:
    return mock.patch.object(Seals, "hold", return_value=True)


PART = Part(
    run,
    {
        "a uuid that is any text": _uuid_believed,
        "frames for whoever has the uuid": _place_not_asked,
        "decisions believed as they come": _seals_believed,
    },
)
