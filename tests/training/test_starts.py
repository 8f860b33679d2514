"""Promises of starting together: of fine-tunings that several start, resume or hand over at once, one does."""

from __future__ import annotations

import errno
import os
from functools import partial

import pytest
from durable_disks import RefusingDisk, StepDisk, frame, mask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interleaving import Interleaving, Killed

from src_training import Workspace, durable
from src_training.dataset import Dataset
from src_training.dataset.outbox import Outbox
from src_training.errors import DatasetError, RunError
from src_training.runs import RunStore, launching
from src_training.runs import run as run_module

BURSTS = st.lists(st.tuples(st.integers(-1, 2), st.integers(1, 9)), min_size=10, max_size=50)


@pytest.fixture
def spawned(monkeypatch):
    """The runs whose process would have been started; none is."""
    found = []
    monkeypatch.setattr(run_module, "spawn", lambda folder, **_: found.append(folder.name))
    return found


def ended(store):
    """A run that was started, and has failed since."""
    run = store.launch("finetune", {})
    durable.append_line(run.folder / "events.jsonl", {"event": "failed", "message": "no"}, sync=True)
    return run


@given(bursts=BURSTS, kinds=st.lists(st.integers(0, 2), min_size=2, max_size=3))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_of_fine_tunings_that_are_started_and_resumed_together_one_runs(
    spawned, tmp_path_factory, bursts, kinds
):
    store = RunStore(Workspace.create(tmp_path_factory.mktemp("runs") / "w").path / "runs")
    old = [ended(store), ended(store)]
    spawned.clear()
    acts = [old[0].resume, old[1].resume, partial(store.launch, "finetune", {})]
    disk = Interleaving([who for who, many in bursts for _ in range(many if who >= 0 else 1)])
    came = disk.run([acts[kind] for kind in kinds])
    dead = sum(isinstance(one, Killed) for one in came)
    refused = [one for one in came if isinstance(one, RunError)]
    assert len(spawned) <= 1 and (dead or len(spawned) == 1)
    assert len(came) == len(refused) + dead + sum(not isinstance(one, BaseException) for one in came)
    assert all("\n" not in str(one) for one in refused)
    # A start that was refused leaves no run behind.
    assert dead or len(store.list()) == 2 + any(
        kinds[at] == 2 for at, one in enumerate(came) if one not in refused
    )


def test_a_run_is_not_started_twice_by_two_who_resume_it(spawned, tmp_path, monkeypatch):
    store = RunStore(Workspace.create(tmp_path / "w").path / "runs")
    run = store.launch("selftest", {})
    durable.append_line(run.folder / "events.jsonl", {"event": "failed", "message": "no"}, sync=True)
    spawned.clear()

    class Between(StepDisk):
        def at(self, step, name, *arguments):
            if step == 0:
                store.get(run.id).resume()

    monkeypatch.setattr(durable, "disk", Between())
    with pytest.raises(RunError):
        run.resume()
    assert spawned == [run.id]


def test_what_one_hands_over_no_other_does_meanwhile(tmp_path, monkeypatch):
    dataset = Dataset.create(tmp_path / "dataset")
    with monkeypatch.context() as refusing:
        refusing.setattr(durable, "disk", RefusingDisk(dataset.folder, 28))
        for seed in (1, 2):
            Outbox(dataset).keep(dataset.prepare(frame(seed), mask(seed)))
    handing = Outbox(dataset).publish()
    next(handing)
    with pytest.raises(DatasetError, match="handing over the frames that wait is under way"):
        list(Outbox(dataset).publish())
    assert len(list(handing)) == 1 and list(Outbox(dataset).publish()) == []
    assert sum(len(dataset.revisions(case)) for case in dataset.cases()) == 2
    assert os.listdir(Outbox(dataset).folder) == [".turns"]


def test_of_two_who_make_a_dataset_in_one_folder_one_does(tmp_path, monkeypatch):
    class Between(StepDisk):
        def at(self, step, name, *arguments):
            if name == "rename_new" and arguments[1].name == "dataset.json":
                monkeypatch.setattr(durable, "disk", StepDisk())
                made.append(Dataset.create(tmp_path / "w" / "dataset").facts["uuid"])

    made = []
    monkeypatch.setattr(durable, "disk", Between())
    with pytest.raises(DatasetError, match="somebody else has just made a dataset here"):
        Workspace.create(tmp_path / "w")
    assert [Workspace.open(tmp_path / "w").dataset.facts["uuid"]] == made


def test_of_two_snapshots_of_one_name_the_second_hears_of_it(tmp_path, monkeypatch):
    dataset = Dataset.create(tmp_path / "dataset")
    one, two = (dataset.append(frame(seed), mask(seed)) for seed in (1, 2))

    class Between(StepDisk):
        def at(self, step, name, *arguments):
            if name == "rename_new" and not kept:
                kept.append(None)
                kept[0] = dataset.snapshot("s", [one])

    kept = []
    monkeypatch.setattr(durable, "disk", Between())
    with pytest.raises(DatasetError, match="exists with other frames"):
        dataset.snapshot("s", [two])
    assert dataset.load_snapshot("s").sha256 == kept[0].sha256


def test_a_run_whose_process_nobody_could_note_down_goes_on(tmp_path, monkeypatch):
    def refuse(folder, identity):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(launching, "vouch", refuse)
    run = Workspace.create(tmp_path / "w").runs.launch("selftest", {"steps": 2, "seconds": 0.1})
    assert run.wait(timeout=60).status == "finished"
