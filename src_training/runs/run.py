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
from src_training.runs.autopsy import SILENCE_S, cause_of_end, no_sign_of_life, overdue
from src_training.runs.events import EVENTS_FILE, Event, latest_events, passed_over, read_events
from src_training.runs.launching import LAUNCH_FILE, LOG_FILE, PROCESS_FILE, spawn, vouch
from src_training.runs.log import tail
from src_training.runs.process import Identity
from src_training.runs.reading import read_record
from src_training.runs.state import RunState
from src_training.runs.told_settings import MOST_THREADS, check_settings
from src_training.runs.writing import cancelled_event, failed_event, launched_event, writing

CONFIG_FILE = "config.json"
KIND = re.compile(r"[a-z][a-z0-9_]{0,30}")
_POLL_S = 0.2
_ASKED = "asked to stop; it is on another computer,"
_AGAIN = "If it gives no sign of life, cancel it once more: then it is ended here."
_GLANCE_BYTES = 16 << 10


class Run:
    """A run folder. Several processes may hold the same run; all see what the folder says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.id = folder.name
        self._lock = threading.Lock()  # the widget asks from worker threads
        self._state, self._read_to = RunState(), 0
        self._looked = False
        self._grew: float | None = None  # when its events grew while we looked, by a clock that nobody sets

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
        if latest_events(path, _GLANCE_BYTES):
            return ""
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
            state.message = cause_of_end(self.folder, process, self.folder / EVENTS_FILE)
        return state

    def glance(self) -> RunState:
        """`status` for a list: of an ended run from its last events alone, without the curves."""
        state = RunState().fold(latest_events(self.folder / EVENTS_FILE, _GLANCE_BYTES))
        return state if state.ended else self.status()

    def events(self, since_byte: int = 0) -> tuple[list[Event], int]:
        """Events after ``since_byte``, some at a time, and where to go on: the same place when there are no more.

        A half-written last line waits for the next call.
        """
        return read_events(self.folder / EVENTS_FILE, since_byte)

    def log_tail(self, n: int = 20) -> str:
        """The last ``n`` lines of what the run has printed."""
        return tail(self.folder / LOG_FILE, n)

    def cancel(self, by: str = "") -> str:
        """Ask the run to stop after its step, on a full disk too; one that has ended is left alone.

        One on another computer that was asked before is ended here, with an event that says so: whether it still runs
        cannot be told from here, and if it does, it finds the request. ``by`` is a pseudonym.

        Returns one line on what is to be expected; empty for the usual. Raises RunError when the disk refuses.
        """
        if self.status().ended:
            return ""
        process = self._process()
        elsewhere = process is not None and not process.is_here
        asked = confined.is_there(self.folder / reserve.CANCEL_FILE)
        with writing(self.id):
            if not (elsewhere and asked):
                reserve.ask_to_stop(self.folder)
                return f"{_ASKED} {process.host[:60]}. {_AGAIN}" if elsewhere and process else ""
            assert process is not None
            silent = no_sign_of_life(process, self.folder / EVENTS_FILE)
            message = f"ended by {by or 'a person'}: {silent}"
            durable.append_line(self.folder / EVENTS_FILE, cancelled_event(message), sync=True)
        return message

    def resume(self) -> None:
        """Start the run again where its last checkpoint left it.

        Raises RunError when it runs or has finished, or when another of its kind runs.
        """
        self._check_resumable()
        from src_training.runs.store import starting

        config = self.config()
        with starting(self, config["kind"], self._check_resumable):
            self._start(detach=True, threads=self._threads())

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

    def _threads(self) -> int:
        """Of its numerical libraries; RunError when the run's settings, which may come from elsewhere, will not do."""
        config = self.config()
        check_settings(self.id, config["kind"], config["settings"])
        threads = config.get("threads") or 1
        if type(threads) is not int or not 1 <= threads <= MOST_THREADS:
            raise RunError(
                f"{self.id}: {CONFIG_FILE}: threads is no number from 1 to {MOST_THREADS}. Start a new run."
            )
        return threads

    def _check_resumable(self) -> None:
        status = self.status().status
        if status in ("queued", "running"):
            raise RunError(f"{self.id} is still {status}. Cancel it first, or wait for its end.")
        if status == "finished":
            raise RunError(f"{self.id} has finished: there is nothing to resume. Start a new run.")

    def _fold(self) -> RunState:
        with self._lock:
            path, before = self.folder / EVENTS_FILE, -1
            while before != self._read_to:
                before = self._read_to
                events, self._read_to = self.events(passed_over(path, before))
                if self._looked and self._read_to != before:
                    self._grew = time.monotonic()
                self._state.fold(events)
            self._looked = True
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
        if process.is_here:
            return False
        seen = self._grew is not None and time.monotonic() - self._grew < SILENCE_S
        return seen or not overdue(self.folder / EVENTS_FILE)
