"""The power is cut before every operation on the disk, and every state it may be found in is judged."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from durable_disks import PowerCutDisk, ScratchDisk, everything, frame, mask

from src_training import Origin, durable
from src_training.dataset import Dataset, Revision, outbox
from src_training.dataset.blobs import mask_hash
from src_training.dataset.outbox import Outbox
from src_training.dataset.verify import verify_folder
from src_training.errors import DatasetError

#: Does something in a folder with ``dataset`` and ``config``; what must be there from then on, in words.
Action = Callable[[Path], list[str]]


class JudgedDisk(PowerCutDisk):
    """Judges ``cuts`` of the states that a power cut could leave before every operation below ``root``."""

    def __init__(self, root: Path, scratch: Path, cuts: int) -> None:
        super().__init__(root)
        self.scratch, self.cuts = scratch, cuts
        self.acknowledged: set[str] = set()
        self.states = 0
        self.lacking = 0  # states without something that was acknowledged
        self.invalid: list[str] = []

    def at(self, step: int, name: str, *arguments) -> None:
        with mock.patch.object(durable, "disk", ScratchDisk()):
            for _ in range(self.cuts):
                self._judge()

    def _judge(self) -> None:
        kind, self.states = self.states % 4, self.states + 1
        rng = random.Random(self.states) if kind >= 2 else None
        self.scratch.mkdir()
        self.after_power_cut(self.scratch, rng, names_survive=kind == 1)
        # It is the disk that was there, and lies where it lay: that the test looks at it elsewhere is the test's own.
        same_place = mock.patch.object(outbox, "_same_place", return_value=True)
        with at_home(self.scratch), same_place:
            self.invalid += wrong_in(self.scratch, created="dataset" in self.acknowledged)
            self.lacking += not self.acknowledged <= standing(self.scratch)
        shutil.rmtree(self.scratch)


def cut_everywhere(folder: Path, actions: list[Action], cuts: int) -> JudgedDisk:
    """Run the actions one after the other; what was lost or invalid, over all states."""
    root = folder / "disk"
    root.mkdir(parents=True)
    disk = JudgedDisk(root, folder / "found", cuts)
    with mock.patch.object(durable, "disk", disk), at_home(root):
        for action in actions:
            disk.acknowledged |= set(action(root))
        disk.at(disk.steps, "end")
    return disk


@contextlib.contextmanager
def at_home(root: Path) -> Iterator[None]:
    """The user's own folder is on this disk."""
    with mock.patch.dict(os.environ, {"LIGHTVESSEL_CONFIG_DIR": str(root / "config")}):
        yield


def wrong_in(root: Path, *, created: bool) -> list[str]:
    """What is damaged on a disk that came back, and what can no longer be done with it."""
    folder = root / "dataset"
    if not created and not (folder / "dataset.json").exists():
        return _refused(lambda: Dataset.create(folder))
    problems = verify_folder(folder, deep=True).problems
    problems += _refused(lambda: list(Outbox(Dataset.open(folder)).publish()))
    return problems + _refused(lambda: Dataset.open(folder).append(frame(999), mask(999)))


def standing(root: Path) -> set[str]:
    """Everything that a program finds whole there, in the words of the actions."""
    found: set[str] = set()
    with contextlib.suppress(DatasetError):
        dataset = Dataset.open(root / "dataset")
        found |= {"dataset", f"key {dataset.site_key().hex()}", *everything(dataset)}
        found |= {_frame(head.case, head.record["mask"]["pixels_sha256"]) for head in _all_of(dataset)}
        for path in (dataset.folder / "snapshots").glob("*.json"):
            found.add(f"snapshot {path.stem} {dataset.load_snapshot(path.stem).sha256}")
    return found


def _refused(act: Callable[[], object]) -> list[str]:
    try:
        act()
    except DatasetError as error:
        return [str(error)]
    return []


def _all_of(dataset: Dataset) -> Iterator[Revision]:
    for case in dataset.cases():
        yield from dataset.revisions(case)


def _frame(case: str, mask_sha: str) -> str:
    return f"frame {case} with mask {mask_sha[:16]}"


# -- actions ---------------------------------------------------------------------------------------------------


def create(root: Path) -> list[str]:
    """A dataset, and this user's first site key."""
    return ["dataset", f"key {Dataset.create(root / 'dataset').site_key().hex()}"]


def append(seed: int) -> Action:
    """A new case."""
    return lambda root: [_name(_open(root).append(frame(seed), mask(seed)))]


def correct(seed: int) -> Action:
    """Another mask for a case."""
    return lambda root: [_name(_open(root).append(frame(seed), mask(seed + 500)))]


def reject(seed: int) -> Action:
    """A case that is deleted: a revision that says so."""
    return lambda root: [_name(_open(root).revise(_stored(root, seed), Origin("rejected")))]


def conflict(seed: int) -> Action:
    """Two people correct the same revision."""

    def act(root: Path) -> list[str]:
        before = _stored(root, seed)
        ours, theirs = (_open(root).revise(before, Origin(), mask(seed + more)) for more in (600, 700))
        return [_name(ours), _name(theirs)]

    return act


def resolve(seed: int) -> Action:
    """One of them is taken for both."""
    return lambda root: [_name(_open(root).append(frame(seed), mask(seed + 600), resolve=True))]


def snapshot(name: str) -> Action:
    """All heads of now, frozen."""

    def act(root: Path) -> list[str]:
        frozen = _open(root).snapshot(name, _open(root).heads())
        return [f"snapshot {name} {frozen.sha256}"]

    return act


def keep(seed: int) -> Action:
    """A frame that waits in the outbox: it must reach the dataset, whenever it is handed over."""

    def act(root: Path) -> list[str]:
        prepared = _open(root).prepare(frame(seed), mask(seed))
        Outbox(_open(root)).keep(prepared)
        return [_frame(prepared.case, mask_hash(prepared.mask))]

    return act


def publish(root: Path) -> list[str]:
    """What waits is handed over."""
    return [_name(revision) for _entry, revision in Outbox(_open(root)).publish()]


#: Every kind of durable work, once or twice.
ALL = [
    create,
    append(1),
    append(2),
    correct(1),
    conflict(2),
    snapshot("first"),
    resolve(2),
    reject(1),
    keep(3),
    keep(1),
    append(4),
    publish,
    snapshot("second"),
]


def _open(root: Path) -> Dataset:
    return Dataset.open(root / "dataset")


def _stored(root: Path, seed: int) -> Revision:
    found = _open(root).find(frame(seed))
    assert found is not None
    return found


def _name(revision: Revision) -> str:
    return f"{revision.case} {revision.name}"
