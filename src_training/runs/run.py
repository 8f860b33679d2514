"""One run: its folder, read while its process writes, and the requests one can leave in it."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import threading
import time
from pathlib import Path
from typing import Any

from src_training import confined, durable
from src_training.errors import RunError
from src_training.runs import reserve
from src_training.runs.autopsy import cause_of_end, overdue
from src_training.runs.events import EVENTS_FILE, Event, read_events
from src_training.runs.launching import LAUNCH_FILE, LOG_FILE, PROCESS_FILE, spawn, vouch
from src_training.runs.log import tail
from src_training.runs.process import Identity
from src_training.runs.reading import read_record
from src_training.runs.state import RunState
from src_training.runs.writing import failed_event, launched_event, writing

CONFIG_FILE = "config.json"
KIND = re.compile(r"[a-z][a-z0-9_]{0,30}")
_POLL_S = 0.2
_MOST_THREADS = 256


class Run:
    """A run folder. Several processes may hold the same run; all see what the folder says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name
        self._lock = threading.Lock()  # the widget asks from worker threads
        self._state, self._read_to = RunState(), 0

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    def config(self) -> dict[str, Any]:
        """What was asked for: ``kind``, ``settings``, ``threads``, ``tool_version``, ``created``."""
        config = read_record(self.folder / CONFIG_FILE) or {}
        kind = config.get("kind")
        if isinstance(kind, str) and KIND.fullmatch(kind) and isinstance(config.get("settings"), dict):
            return config
        raise RunError(f"{self.id}: {CONFIG_FILE} is missing or damaged. Start a new run.")

    def damage(self) -> str:
        """One line when its folder cannot be read as that of a run; empty for a sound one."""
        try:
            self.config()
        except RunError as error:
            return str(error)
        path = self.folder / EVENTS_FILE
        nothing_understood = self._fold() == RunState() and self._read_to > 0
        if nothing_understood or (confined.is_there(path) and not confined.is_file(path)):
            return f"{self.id}: {EVENTS_FILE} is damaged. Start a new run."
        return ""

    def status(self) -> RunState:
        """What the run has come to; *interrupted* when it has not ended and its process is gone."""
        state = self._fold()
        if state.ended:
            return state
        process = self._process()
        if process is not None and (process.is_alive or self._is_elsewhere(process)):
            return state
        state = self._fold()  # it may have ended between the two looks
        if not state.ended:
            state.status, state.eta_s = "interrupted", None
            state.message = cause_of_end(self.folder, process)
        return state

    def events(self, since_byte: int = 0) -> tuple[list[Event], int]:
        """Events after ``since_byte``, and where to go on; a half-written last line waits for the next call."""
        return read_events(self.folder / EVENTS_FILE, since_byte)

    def log_tail(self, n: int = 20) -> str:
        """The last ``n`` lines of what the run has printed."""
        return tail(self.folder / LOG_FILE, n)

    def cancel(self) -> None:
        """Ask the run to stop after its step, on a full disk too; one that has ended is left alone."""
        if not self.status().ended:
            with writing(self.id):
                reserve.ask_to_stop(self.folder)

    def resume(self) -> None:
        """Start the run again where its last checkpoint left it.

        Raises RunError when it runs or has finished, or when another of its kind runs.
        """
        self._check_resumable()
        from src_training.runs.store import starting

        config = self.config()
        with starting(self, config["kind"], self._check_resumable):
            self._start(detach=True, threads=_threads(config.get("threads")))

    def wait(self, timeout: float | None = None) -> RunState:
        """Wait for the end, at most ``timeout`` seconds; the state then, which says whether it has ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (state := self.status()).ended:
            if deadline is not None and time.monotonic() >= deadline:
                break
            time.sleep(_POLL_S)
        return state

    def _start(self, *, detach: bool, threads: int) -> None:
        """Say that a process is coming, and start it; the order keeps every reader from a false end."""
        try:
            with writing(self.id):
                self._announce()
        except RunError:  # else it would be waited for as long as this process lives
            self._remove(LAUNCH_FILE)
            raise
        try:
            spawn(self.folder, detach=detach, threads=threads)
        except RunError as error:
            with writing(self.id):
                durable.append_line(self.folder / EVENTS_FILE, failed_event(str(error)), sync=True)
            raise

    def _announce(self) -> None:
        reserve.put_by(self.folder)
        for name in (reserve.CANCEL_FILE, PROCESS_FILE):  # of an earlier start
            self._remove(name)
        vouch(self.folder, Identity.of())
        durable.append_line(self.folder / EVENTS_FILE, launched_event(), sync=True)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            confined.remove(self.folder / name)

    def _check_resumable(self) -> None:
        status = self.status().status
        if status in ("queued", "running"):
            raise RunError(f"{self.id} is still {status}. Cancel it first, or wait for its end.")
        if status == "finished":
            raise RunError(f"{self.id} has finished: there is nothing to resume. Start a new run.")

    def _fold(self) -> RunState:
        with self._lock:
            events, self._read_to = self.events(self._read_to)
            self._state.fold(events)
            return dataclasses.replace(
                self._state, losses=list(self._state.losses), validations=list(self._state.validations)
            )

    def _process(self) -> Identity | None:
        """Who answers for the run: its own process, and before that whoever started it."""
        for name in (PROCESS_FILE, LAUNCH_FILE):
            identity = Identity.from_json(read_record(self.folder / name))
            if identity is not None:
                return identity
        return None

    def _is_elsewhere(self, process: Identity) -> bool:
        """A run of another machine on a shared disk: believed as long as it gives signs of life."""
        return not process.is_here and not overdue(self.folder / EVENTS_FILE)


def _threads(asked: Any) -> int:
    """As the run was started with; the record may come from elsewhere."""
    return asked if type(asked) is int and 0 < asked <= _MOST_THREADS else 1
