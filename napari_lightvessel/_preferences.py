"""What the plugin remembers between sessions (last workspace, decisions): one small JSON file of the user's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src_training.workspace import user_config_dir


def get(key: str, default: Any = None) -> Any:
    """A remembered value, or ``default``."""
    return _read().get(key, default)


def put(key: str, value: Any) -> None:
    """Remember a value; a folder that cannot be written only means that it is forgotten."""
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**_read(), key: value}, indent=1, sort_keys=True, ensure_ascii=False)
        path.write_text(text, encoding="utf-8")
    except OSError:
        return


def annotator() -> str:
    """The pseudonym under which this person's work and decisions are recorded; empty until one is chosen."""
    return get("annotator", "")


def _read() -> dict[str, Any]:
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _path() -> Path:
    return user_config_dir() / "plugin.json"
