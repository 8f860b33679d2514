"""The measuring process of ``soak_runs.py``: ``python runs_harness.py quick|full FOLDER [BUG]``, a figure a line.

Its runs are forks of it, so that Python and torch are loaded once, and a planted bug is in them too; all that is
the run's own (its entry, its folder, its signals, its fine-tuning and comparison) is the product's.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any
from unittest import mock

import numpy as np
import torch
from durable_disks import RefusingDisk, SmallDisk, used_bytes
from forking import forked
from model_folders import QUICK_TUNING, go_live_with_tiny, told
from soak_table import Figure, Size, all_of, measured, none_of

import src_training.models.contest
import src_training.training.finetune  # both loaded before the forks
from src_training import Workspace, durable, samples, synthetic_cine
from src_training.dataset import Frame
from src_training.evaluation import home_panel
from src_training.evaluation.metrics import frame_metrics
from src_training.inference.runtimes import import_openvino
from src_training.models.gate import decide
from src_training.runs import Run, child, recording
from src_training.runs import run as run_module
from src_training.runs.launching import LOG_FILE, PROCESS_FILE, vouch
from src_training.runs.process import Identity
from src_training.training import checkpoint, loop, objectives, pausing, replay

_INTERRUPTED = {"quick": 2, "full": 12}
_STEPS = 24
_SETTINGS = QUICK_TUNING | {"steps": _STEPS, "validate_every": 6, "device": "cpu"}
_EXPECTED = {signal.SIGKILL: "interrupted", signal.SIGTERM: "cancelled"}
_PATIENCE_S = 120.0


@dataclass
class Process:
    """A run's process, and what is known of it from outside; ``steps`` tells each step it takes."""

    run: Run
    pid: int
    steps: IO[str]


@dataclass
class Looks:
    """What readers were told, against what this process knows of its children."""

    count: int = 0
    wrong: list[str] = field(default_factory=list)

    def check(self, right: bool, what: str) -> None:
        self.count += 1
        if not right:
            self.wrong.append(what)


class Harness:
    """One workspace with a tiny live model; ``prepare`` is what a run's process does before anything else."""

    def __init__(self, folder: Path) -> None:
        self.workspace = _workspace(folder)
        self.looks, self.rng = Looks(), random.Random(0)
        self.prepare: Callable[[Path], None] = lambda folder: None
        self._started: Process | None = None
        run_module.spawn = self._spawn  # type: ignore[assignment]

    # -- processes -----------------------------------------------------------------------------------------

    def launch(self, prepare: Callable[[Path], None] = lambda folder: None) -> Process:
        self.prepare = prepare
        self.workspace.runs.launch("finetune", _SETTINGS)
        assert self._started is not None
        return self._started

    def resume(self, run: Run) -> Process:
        self.prepare = lambda folder: None
        run.resume()
        assert self._started is not None
        return self._started

    def _spawn(self, folder: Path, *, detach: bool, threads: int) -> None:
        told_by_child, tell = os.pipe()
        sys.stdout.flush()
        pid = forked(lambda: self._be_the_run(folder, tell))
        os.close(tell)
        vouch(folder, Identity.of(pid))
        self._started = Process(Run(folder), pid, os.fdopen(told_by_child))

    def _be_the_run(self, folder: Path, tell: int) -> int:
        os.setsid()
        signal.alarm(int(3 * _PATIENCE_S))  # should nobody be left to end it
        log = os.open(folder / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1), os.dup2(log, 2)
        _tell_steps(tell)
        self.prepare(folder)
        return child.main(folder)

    # -- looking on ----------------------------------------------------------------------------------------

    def until_step(self, process: Process, step: int) -> None:
        """Read along until it has taken that step, looking at its label all the while."""
        while (line := process.steps.readline()) and int(line) < step:
            self.look(process)

    def until_over(self, process: Process, status: str) -> None:
        """Wait for the process to end; from then on it is called ``status``."""
        end = time.monotonic() + _PATIENCE_S
        while _alive(process.pid):
            self.look(process, status)
            assert time.monotonic() < end, f"{process.run.id} never ends"
            time.sleep(0.05)
        os.waitpid(process.pid, 0)
        process.steps.close()
        found = Run(process.run.folder).status()
        self.looks.check(found.status == status, f"{found.status} for {status}: {found.message}")

    def look(self, process: Process, at_last: str = "") -> None:
        """A reader's look at a living process: it may say its last word a moment before it is gone."""
        before = _alive(process.pid)
        status = Run(process.run.folder).status().status
        if before and _alive(process.pid):
            self.looks.check(status in ("queued", "running", at_last), f"{status} while it ran")

    # -- measurements --------------------------------------------------------------------------------------

    def measure(self, size: Size) -> Iterator[Figure]:
        """All of it; what a planted bug breaks at once comes first."""
        yield self.labels(self.stopped(signal.SIGKILL))
        yield self.full_disk_cancelled()
        yield self.not_finite()
        yield from self.cancelled()
        unbroken = self.launch()
        self.until_over(unbroken, "finished")
        expected = _state(unbroken.run)
        _compare_no_more()
        times = _INTERRUPTED[size]
        equal = 0
        for number in range(times):
            sign = (signal.SIGKILL, signal.SIGTERM)[number % 2]
            stopped = self.stopped(sign)
            if number == 0:
                yield self.another_snapshot(stopped)
            resumed = self.resume(stopped)
            self.until_over(resumed, "finished")
            equal += _same(_state(resumed.run), expected)
        yield all_of(f"{times} runs ended by SIGKILL or SIGTERM and resumed: bit-identical", equal, times)
        yield self.full_disk(expected)
        yield none_of("looks at runs, alive and dead: mislabelled", len(self.looks.wrong), self.looks.count)

    def stopped(self, sign: signal.Signals) -> Run:
        """A run ended by a signal some milliseconds after some step."""
        process = self.launch()
        self.until_step(process, self.rng.randrange(1, _STEPS - 2))
        time.sleep(self.rng.uniform(0.0, 0.05))
        os.kill(process.pid, sign)
        self.until_over(process, _EXPECTED[sign])
        return process.run

    def labels(self, killed: Run) -> Figure:
        """A killed run whose process file names others: only who is truly that process counts as alive."""
        me = Identity.of().to_json()
        elsewhere = {"host": "elsewhere", "machine": "elsewhere", "boot": "elsewhere"}
        now, long_ago = time.time(), time.time() - 7_200
        cases = (
            ("running", me, now),
            ("interrupted", me | {"started": me["started"] - 1}, now),
            ("interrupted", me | {"boot": "another"}, now),
            ("interrupted", me | {"pid": 2**22 + 1}, now),
            ("running", me | {"host": "renamed"}, now),
            ("running", me | elsewhere, now),
            ("interrupted", me | elsewhere, long_ago),
        )
        right = 0
        for number, (expected, identity, spoke) in enumerate(cases):
            copy = shutil.copytree(killed.folder, killed.folder.parents[2] / f"copy-{number}")
            (copy / PROCESS_FILE).write_text(json.dumps(identity))
            os.utime(copy / run_module.EVENTS_FILE, (spoke, spoke))
            right += Run(copy).status().status == expected
        return all_of(
            "pid of another process, another boot, a silent host…: judged rightly", right, len(cases)
        )

    def another_snapshot(self, killed: Run) -> Figure:
        """The run is asked to go on with other frames than it began with, and then with its own again."""
        path = self.workspace.dataset.folder / "snapshots" / f"{killed.id}.json"
        own = path.read_bytes()
        path.unlink()
        self.workspace.dataset.snapshot(killed.id, self.workspace.dataset.heads()[:1])
        refused = self.resume(killed)
        self.until_over(refused, "failed")
        path.write_bytes(own)
        said = "not the one it began with" in refused.run.status().message
        return all_of("resuming with another snapshot: refused", int(said), 1)

    def full_disk(self, expected: object) -> Figure:
        """No space from some step on, and then space again."""
        process = self.launch(_full)
        paused = self.until_paused(process)
        self.look(process)
        (process.run.folder / "full").unlink()
        self.until_over(process, "finished")
        good = paused and _same(_state(process.run), expected)
        return all_of("a full disk: paused, said so, went on, bit-identical", int(good), 1)

    def full_disk_cancelled(self) -> Figure:
        process = self.launch(_full)
        paused = self.until_paused(process)
        with mock.patch.object(durable, "disk", RefusingDisk(process.run.folder, errno.ENOSPC)):
            process.run.cancel()
        self.until_over(process, "cancelled")
        return all_of("cancelled on a full disk: ended, and said so", int(paused), 1)

    def until_paused(self, process: Process) -> bool:
        end = time.monotonic() + _PATIENCE_S
        while _alive(process.pid) and time.monotonic() < end:
            if "paused" in process.run.status().message:
                return True
            time.sleep(0.02)
        return False

    def not_finite(self) -> Figure:
        """A loss that is no number: the run fails, and nothing of it can be promoted."""
        before = self.workspace.models.ids()
        process = self.launch(_not_finite)
        self.until_over(process, "failed")
        said = "can never be promoted" in process.run.status().message
        nothing = self.workspace.models.ids() == before and process.run.status().model_id is None
        return all_of("a loss that is not finite: stopped, no model made", int(said and nothing), 1)

    def cancelled(self) -> Iterator[Figure]:
        process = self.launch()
        self.until_step(process, 3)
        began = time.monotonic()
        process.run.cancel()
        while not process.run.status().ended:
            time.sleep(0.005)
        yield measured("cancel, until the run says so", time.monotonic() - began, "< 2 s")
        self.until_over(process, "cancelled")
        yield measured("cancel, until its process is gone", time.monotonic() - began, "< 10 s")


def _workspace(folder: Path) -> Workspace:
    """Four frames, and a live model of 64 px that learns and is compared in a moment."""
    workspace = Workspace.create(folder / "workspace")
    made = synthetic_cine(seed=5, n_frames=4, shape=(96, 96))
    for t in range(4):
        workspace.dataset.append(Frame(made.cine.frame(t).astype(np.uint8), patient="p-1"), made.masks[t])
    go_live_with_tiny(workspace, folder / "staged")
    return workspace


def _compare_no_more() -> None:
    """One comparison with the live model was real; the runs that follow are measured before theirs."""
    module = sys.modules[src_training.models.contest.__name__]
    module.contest = lambda workspace, model, check: decide(told(model.id))  # type: ignore[attr-defined]


def _tell_steps(tell: int) -> None:
    keep = loop._Keeper.keep

    def keep_and_tell(keeper: Any) -> None:
        os.write(tell, f"{keeper.progress.step}\n".encode())
        keep(keeper)

    loop._Keeper.keep = keep_and_tell  # type: ignore[method-assign]


def _alive(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _state(run: Run) -> dict[str, Any]:
    """Everything that was learnt, in full precision: network, average, optimiser."""
    record = torch.load(run.folder / "checkpoints" / checkpoint.LAST, weights_only=True)
    best = torch.load(run.folder / "checkpoints" / checkpoint.BEST, weights_only=True)
    return {"best": best} | {name: record[name] for name in ("network", "average", "optimiser")}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _full(folder: Path) -> None:
    """From step 3 on no more space in the whole run folder, while it holds a file of that name."""

    class Full(SmallDisk):
        def _left(self, path: Path) -> int:
            full = (folder / "full").exists()
            if full != bool(self.capacity):
                self.capacity = {folder: used_bytes(folder)} if full else {}
            return super()._left(path)

    keep = loop._Keeper.keep

    def fill_and_keep(keeper: Any) -> None:
        if keeper.progress.step == 3:
            (folder / "full").touch()
        keep(keeper)

    loop._Keeper.keep = fill_and_keep  # type: ignore[method-assign]
    pausing._LOOK_S = recording._LOOK_S = 0.05
    durable.disk = Full({})


def _not_finite(folder: Path) -> None:
    call = objectives.AnchoredObjective.__call__

    def broken(self: Any, network: Any, batch: Any, step: int) -> dict[str, torch.Tensor]:
        terms = call(self, network, batch, step)
        return terms if step < 8 else {name: term * float("nan") for name, term in terms.items()}

    objectives.AnchoredObjective.__call__ = broken  # type: ignore[method-assign]


# -- planted bugs ------------------------------------------------------------------------------------------


def _forgets_optimiser() -> None:
    load = loop.load_checkpoint

    def without_optimiser(folder: Path, state: checkpoint.TrainingState) -> Any:
        progress = load(folder, state)
        state.optimiser.state.clear()
        return progress

    loop.load_checkpoint = without_optimiser  # type: ignore[assignment]


def _trusts_a_pid() -> None:
    def is_alive(self: Identity) -> bool:
        return self.is_here and Path(f"/proc/{self.pid}").exists()

    Identity.is_alive = property(is_alive)  # type: ignore[assignment,method-assign]


def _ends_on_a_full_disk() -> None:
    durable.is_full = lambda error: False  # type: ignore[assignment]


BUGS = {
    "the optimiser is not resumed": _forgets_optimiser,
    "a pid alone counts as alive": _trusts_a_pid,
    "a full disk ends the run": _ends_on_a_full_disk,
}


def main(size: Size, folder: Path, bug: str = "") -> None:
    """Plant the bug, measure, print."""
    _warm_up()
    # The first frames of the packs are read here, once, and stand for all of them.
    shipped = {"replay": samples.replay_frames()[:8], "home": samples.home_frames()[:4]}
    replay.replay_frames = lambda: shipped["replay"]
    sys.modules[home_panel.__module__].home_frames = lambda: shipped["home"]  # type: ignore[attr-defined]
    if bug:
        BUGS[bug]()
    for figure in Harness(folder).measure(size):
        print(json.dumps(asdict(figure)), flush=True)


def _warm_up() -> None:
    """What every run would import anew; nothing that starts a thread, which a fork would lose."""
    import_openvino()
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    torch.optim.AdamW([parameter]).step()
    frame_metrics(np.eye(32, dtype=np.float32), np.eye(32, dtype=np.uint8), np.eye(32, dtype=np.uint8))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])  # type: ignore[arg-type]
