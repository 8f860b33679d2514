"""What the plugin remembers between sessions (last workspace, decisions): one small JSON file of the user's own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from src_training import durable
from src_training.annotator import SETTINGS
from src_training.dataset import check_pseudonym
from src_training.json_objects import json_bytes, json_object
from src_training.turns import patient_turn
from src_training.workspace import user_config_dir

_lock = threading.Lock()
_news: dict[Path, dict[str, Any]] = {}  # by file: what is not in it yet
_writer = ThreadPoolExecutor(1, thread_name_prefix="preferences")  # Python ends when it has written


def get(key: str, default: Any = None) -> Any:
    """A remembered value, or ``default``."""
    path = _path()
    with _lock:
        news = dict(_news.get(path, {}))
    return {**_read(path), **news}.get(key, default)


def put(key: str, value: Any) -> None:
    """Remember a value, written beside the GUI thread.

    A folder that cannot be written only means that it is forgotten at the end.
    """
    path = _path()
    with _lock:
        _news.setdefault(path, {})[key] = value
    _writer.submit(_write, path)


def _write(path: Path) -> None:
    with _lock:
        news = dict(_news.get(path, {}))
    try:
        durable.make_dir(path.parent, private=True)
        with patient_turn(path.parent / ".turns", "remembering settings"):  # another window may, too
            content = json_bytes({**_read(path), **news}, indent=1)
            durable.replace(path, content, private=True)  # it may hold what a person typed about patients
    except OSError:
        return
    with _lock:
        _news[path] = {key: value for key, value in _news[path].items() if news.get(key) is not value}


def annotator() -> str:
    """The pseudonym under which this person's work and decisions are recorded; empty until one is chosen."""
    return get("annotator", "")


def choose_annotator(name: str) -> None:
    """Record this person's work and decisions under ``name`` from now on.

    Raises DatasetError for what is no pseudonym.
    """
    check_pseudonym(name)
    put("annotator", name)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json_object(path.read_bytes()) or {}
    except OSError:
        return {}


def _path() -> Path:
    return user_config_dir() / SETTINGS
