"""The runs of a workspace: start one, list them, find one."""

from __future__ import annotations

import contextlib
import datetime
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from src_training import __version__, confined, durable
from src_training.errors import RunError
from src_training.file_clock import SKEW_S
from src_training.runs.launching import durable_json, vouch
from src_training.runs.process import Identity
from src_training.runs.run import CONFIG_FILE, KIND, Run
from src_training.runs.writing import utc_now, writing
from src_training.turns import Busy, turn

# Two fine-tunings would fight for the same cores and start from the same model.
_ALONE = frozenset({"finetune"})
RUN_NAME = re.compile(r"\d{8}T\d{6}Z?-[a-z0-9_-]{1,100}")
STORED_MODELS = ("base_model", "teacher")  # settings that name a model
_STARTS = "starts"  # no run is called so


class RunStore:
    """The folder ``WORKSPACE/runs``, one folder a run: ``<utc>-<kind>-<hex>``."""

    def __init__(self, folder: Path) -> None:
        self.folder = confined.confine(folder)

    def launch(self, kind: str, settings: dict[str, Any], *, detach: bool = True, threads: int = 1) -> Run:
        """Start a job in a process of its own, which goes on when this one ends.

        Parameters
        ----------
        kind : str
            A job of ``src_training.training.jobs``, or ``selftest``.
        settings : dict
            The job's settings, as JSON can hold them.
        detach : bool
            False leaves it in this process's group: Ctrl-C in the shell reaches it too, and cancels it.
        threads : int
            CPU threads of its numerical libraries.

        A model that the settings name by its folder is copied into the workspace's store: the run can be
        resumed from anywhere, and no folder of this computer gets into a card.

        Raises
        ------
        RunError : another fine-tuning runs here, the disk refuses, or the process cannot start.
        ModelError : a model that the settings name is missing or damaged.
        """
        settings = settings | self._stored_models(settings)
        run = self._named(kind)
        with starting(run, kind):
            self._make(kind, settings, threads, run)
            run._start(detach=detach, threads=threads)
        return run

    def list(self) -> list[Run]:
        """All runs, the oldest first."""
        folders = self._folders()
        # Whoever makes a run in it dates the folder by the file system's own clock.
        written = confined.status(self.folder).st_mtime if folders else 0.0
        now = max(time.time(), written) + SKEW_S
        ages = {path: age for path in folders if (age := _age(path, now))}
        return [Run(path) for path in sorted(ages, key=ages.__getitem__)]

    def get(self, run_id: str) -> Run:
        """The run with this id, or with the one id that begins so; RunError tells what there is instead."""
        runs = self.list()
        matching = [run for run in runs if run.id == run_id] or [
            run for run in runs if run_id and run.id.startswith(run_id)
        ]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise RunError(f"{run_id}: several runs begin so: {_names(matching)}. Give more of the id.")
        raise RunError(f"{run_id or 'no id'}: no such run. There is: {_names(runs)}.")

    def newest(self) -> Run:
        """The run that was started last; RunError when there is none."""
        runs = self.list()
        if not runs:
            raise RunError(
                f"{self.folder.parent.name}: no runs yet. Start one: lightvessel finetune WORKSPACE."
            )
        return runs[-1]

    def _stored_models(self, settings: dict[str, Any]) -> dict[str, str]:
        """The ids of the models that the settings name, each of them shipped or in the workspace's store."""
        from src_training.models import load_model
        from src_training.workspace import Workspace

        workspace = Workspace(self.folder.parent)
        stored = {}
        for field in filter(settings.get, STORED_MODELS):
            model = load_model(settings[field], workspace)
            if not model.builtin:
                try:
                    model = workspace.models.add(model.folder)
                except OSError as error:
                    raise RunError(
                        f"{model.id}: cannot be copied into the workspace: {durable.cure_for(error)}"
                    ) from error
            stored[field] = model.id
        return stored

    def _folders(self) -> Sequence[Path]:
        try:
            return [self.folder / name for name in confined.names_in(self.folder) if RUN_NAME.fullmatch(name)]
        except OSError:  # told by doctor
            return []

    def _named(self, kind: str) -> Run:
        if not KIND.fullmatch(kind):
            raise RunError(f"kind of run {kind!r}: expected a name in small letters, such as finetune.")
        return Run(self.folder / f"{_second(time.time())}-{kind}-{secrets.token_hex(3)}")

    def _make(self, kind: str, settings: dict[str, Any], threads: int, run: Run | None = None) -> Run:
        run = run or self._named(kind)
        config = {"kind": kind, "settings": settings, "threads": threads}
        stamp = {"tool_version": __version__, "created": utc_now()}
        with writing(run.id):
            durable.make_dir(run.folder)
            vouch(run.folder, Identity.of())  # before the config: from then on others list it
            durable.write_new(run.folder / CONFIG_FILE, durable_json({**config, **stamp}))
        return run


@contextlib.contextmanager
def starting(run: Run, kind: str, check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Start ``run``, or start it again: of all who start it, or one of its kind if that must be alone, one does.

    Raises RunError when another run is in the way, or ``check`` says so.
    """
    alone = kind in _ALONE
    folder = run.folder.parent / _STARTS / kind if alone else run.folder / _STARTS

    def checks() -> None:
        check()
        if alone:
            check_alone(run, kind)

    with contextlib.ExitStack() as stack:
        try:
            with writing(run.id):
                stack.enter_context(turn(folder, f"the start of {run.id}", checks))
        except Busy as error:
            raise RunError(str(error)) from error
        yield


def check_alone(run: Run, kind: str) -> None:
    """Raise RunError when another run of this kind is going on beside ``run``."""
    for other in RunStore(run.folder.parent).list():
        if other.id != run.id and f"-{kind}-" in other.id and not (state := other.glance()).ended:
            raise RunError(
                f"{other.id} is still {state.status}: one {kind} at a time. Wait for its end, or "
                f"cancel it: lightvessel runs cancel WORKSPACE {other.id}."
            )


def _age(folder: Path, now: float) -> tuple[str, int, str] | None:
    """By the second in its id, then by when its config was written; None when this is not a run.

    A date in the future is not believed: else a run from a computer whose clock is wrong would be the newest for ever.
    """
    try:
        config = confined.status(folder / CONFIG_FILE)
    except OSError:
        return None
    if not stat.S_ISREG(config.st_mode):
        return None
    second, written = folder.name.partition("-")[0], config.st_mtime_ns
    if second > _second(now):
        second = _second(written / 1e9) if written <= now * 1e9 else ""
    return second, min(written, int(now * 1e9)), folder.name


def _second(time_s: float) -> str:
    """As in an id."""
    try:
        return datetime.datetime.fromtimestamp(time_s, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, OverflowError, OSError):
        return ""


def _names(runs: list[Run]) -> str:
    latest = [run.id for run in reversed(runs)]
    more = f", and {len(latest) - 5} older" if len(latest) > 5 else ""
    return (", ".join(latest[:5]) or "no run yet") + more
