"""Several decide about models, start and hand over at once, and are killed: nothing passes unjudged or unseen."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

from deciders import KINDS, Deed, deed, live_id, told_of, unjudged
from durable_disks import RefusingDisk, frame, mask
from forking import forked
from model_folders import stage_tiny
from soak_table import Figure, Part, Size, all_of, none_of

from src_training import ModelStore, Workspace, durable
from src_training.dataset import Dataset
from src_training.dataset.outbox import Outbox
from src_training.errors import DatasetError, RunError
from src_training.ledger import Ledger
from src_training.runs import RunStore
from src_training.runs import run as run_module

_DECIDERS = {"quick": (4, 25, 6), "full": (8, 2_000, 200)}  # processes, decisions each, kills
_ROUNDS = {"quick": 3, "full": 100}
_AT_ONCE = 4


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Decisions about models with kills, and then starts and handing over, several processes at a time."""
    yield from _decided(*_DECIDERS[size], folder / "models")
    yield from _started(_ROUNDS[size], folder / "runs")
    yield from _handed_over(_ROUNDS[size], folder / "outbox")


# -- decisions about models --------------------------------------------------------------------------------


def _decided(processes: int, each: int, kills: int, folder: Path) -> Iterator[Figure]:
    store = ModelStore(folder)
    for name in ("first", "second", "third"):
        store.add(stage_tiny(folder.parent / "staged" / name, name))
    crowd = _Crowd(folder, processes, each)
    crowd.let_decide(kills)
    heard, there, records = crowd.heard(), told_of(store), list(store.history())
    what = f"{processes} processes x {each:,} decisions, {crowd.killed} kill -9"
    yield none_of(f"{what}: acknowledged, and not in the history", len(set(heard) - set(there)), len(heard))
    wrong, live = unjudged(records)
    yield none_of(f"{what}: not judged on the state before them", wrong, len(records))
    twice = len(there) - len(set(there)) + (live != live_id(store))
    yield none_of(f"{what}: in the history twice, or live without a decision", twice, len(there))
    unheard = len(there) - len(heard)
    yield none_of(
        f"{what}: in the history, and of nobody who was killed", max(0, unheard - crowd.killed), len(there)
    )
    unread = store.history_warning() is not None
    yield none_of(f"{what}: records that cannot be read", unread, len(records))
    yield none_of(f"{what}: tracebacks", crowd.failed, crowd.ended)
    yield none_of(f"{what}: looks at what is live that find it damaged", crowd.unsound, crowd.looks)


class _Crowd:
    """Processes that decide; one that is killed is replaced by another that does what was left to it."""

    def __init__(self, folder: Path, processes: int, each: int) -> None:
        self.folder, self.each = folder, each
        self.killed = self.failed = self.ended = self.looks = self.unsound = 0
        self._said = [folder.parent / f"said-{number}" for number in range(processes)]
        self._children: dict[int, int] = {}
        self._born = 0

    def let_decide(self, kills: int) -> None:
        rng, store = random.Random(0), ModelStore(self.folder)
        for number in range(len(self._said)):
            self._begin(number)
        in_all, before, decisions = self.each * len(self._said), 0, self.folder / "decisions"
        while self._children:
            time.sleep(0.005)
            self._reap()
            done = len(os.listdir(decisions)) if decisions.exists() else 0
            if (
                self._children
                and self.killed < kills
                and done >= before + in_all / (1.5 * kills) * rng.random()
            ):
                before = done
                self._kill(rng.choice([*self._children]))
            self.looks += 1
            self.unsound += store.warning() is not None

    def heard(self) -> list[Deed]:
        """What was acknowledged; a line that a kill has torn was not."""
        lines = [line for path in self._said if path.exists() for line in path.read_text().split("\n")[:-1]]
        return [(by, action, model) for by, action, model in (line.split("\t") for line in lines)]

    def _begin(self, number: int) -> None:
        self._born += 1
        work = partial(_decide, self.folder, self._said[number], self.each, f"p{number}-{self._born}")
        self._children[forked(work)] = number

    def _kill(self, child: int) -> None:
        os.kill(child, signal.SIGKILL)
        ended = os.waitpid(child, 0)[1]
        number = self._children.pop(child)
        if os.WIFSIGNALED(ended):
            self.killed += 1
            self._begin(number)
        else:
            self.ended, self.failed = self.ended + 1, self.failed + (ended != 0)

    def _reap(self) -> None:
        for child in [*self._children]:
            gone, ended = os.waitpid(child, os.WNOHANG)
            if gone:
                del self._children[child]
                self.ended, self.failed = self.ended + 1, self.failed + (ended != 0)


def _decide(folder: Path, said: Path, until: int, name: str) -> None:
    store, rng = ModelStore(folder), random.Random(name)
    fd = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    done, at = said.read_text().count("\n"), 0
    ids = store.ids()
    while done < until:
        at += 1
        told = deed(store, rng.choice(KINDS), rng.choice(ids), f"{name}-{at}")
        if told is not None:
            os.write(fd, ("\t".join(told) + "\n").encode())
            done += 1


# -- starts, and handing over ------------------------------------------------------------------------------


def _started(rounds: int, folder: Path) -> Iterator[Figure]:
    """Two who fine-tune, and two who resume what was fine-tuned, all at once."""
    one = 0
    for number in range(rounds):
        store = RunStore(Workspace.create(folder / str(number)).path / "runs")
        with mock.patch.object(run_module, "spawn"):
            failed = [_failed(store), _failed(store)]
            acts = [failed[0].resume, failed[1].resume, *[partial(store.launch, "finetune", {})] * 2]
            one += sum(_at_once(acts, RunError)) == 1
    yield all_of(f"{len(acts)} start or resume a fine-tuning at once: one runs", one, rounds)


def _failed(store: RunStore):
    run = store.launch("finetune", {})
    durable.append_line(run.folder / "events.jsonl", {"event": "failed", "message": "no"})
    return run


def _handed_over(rounds: int, folder: Path) -> Iterator[Figure]:
    """Frames that wait, and four who hand them over at once."""
    twice = lost = frames = 0
    for number in range(rounds):
        dataset = Dataset.create(folder / str(number))
        with mock.patch.object(durable, "disk", RefusingDisk(dataset.folder, 28)):
            for seed in range(3):
                Outbox(dataset).keep(dataset.prepare(frame(seed), mask(seed)))
        _at_once([partial(_publish, dataset.folder)] * _AT_ONCE, DatasetError)
        list(Outbox(dataset).publish())
        revisions = [len(dataset.revisions(case)) for case in dataset.cases()]
        frames, twice, lost = frames + 3, twice + sum(revisions) - len(revisions), lost + 3 - len(revisions)
    yield none_of(
        f"{_AT_ONCE} hand over the same frames at once: lost, or two revisions of one", twice + lost, frames
    )


def _publish(folder: Path) -> None:
    list(Outbox(Dataset.open(folder)).publish())


def _at_once(acts: list[Callable[[], object]], refusal: type[Exception]) -> list[bool]:
    """Each in a process of its own, which stays until all are through; whether it did it."""
    told, tell = os.pipe()
    wait, go = os.pipe()
    end, over = os.pipe()

    def act(number: int) -> None:
        os.close(go), os.close(over)
        os.read(wait, 1)  # until the parent closes its end
        try:
            acts[number]()
            os.write(tell, bytes([2 * number + 1]))
        except refusal:
            os.write(tell, bytes([2 * number]))
        os.read(end, 1)

    children = [forked(partial(act, number)) for number in range(len(acts))]
    os.close(go)
    said = [os.read(told, 1) for _ in acts]
    os.close(over)
    for child in children:
        os.waitpid(child, 0)
    for fd in (told, tell, wait, end):
        os.close(fd)
    return [bool(one[0] % 2) for one in sorted(said)]


# -- planted bugs ------------------------------------------------------------------------------------------


def _looked_then_written() -> contextlib.AbstractContextManager[object]:
    """A claim as it is often written: is it there? then not."""

    def claim(folder: Path, name: str, data: bytes) -> None:
        if folder.exists():
            raise FileExistsError
        durable.make_dir(folder)
        durable.replace(folder / name, data)

    return mock.patch.object(durable, "claim", claim)


def _judged_once() -> contextlib.AbstractContextManager[object]:
    """A decision that takes the next free number, whatever was decided since it was judged."""
    add = Ledger.add

    def anyhow(ledger: Ledger, number: int, record: dict) -> bool:
        while not add(ledger, number, record):
            number = ledger.newest() + 1
        return True

    return mock.patch.object(Ledger, "add", anyhow)


PART = Part(run, {"looked, and then written": _looked_then_written, "judged once": _judged_once})
