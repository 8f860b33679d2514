"""Which computer this is: an id of our own, which stays when its name on the network changes."""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
from pathlib import Path

from src_training import durable
from src_training.dataset.keyring import user_config_dir

_OWN_FILE = "machine-id"
_SYSTEM_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def machine_id() -> str:
    """32 hex digits of this computer and user, which give no other id away; empty where none can be kept.

    Both parts are needed: a home folder may be shared by computers, a container often has no id but the one we keep.
    """
    return _machine_id(user_config_dir())


def boot_id() -> str:
    """What changes when the computer starts anew; empty where the system does not tell."""
    return _text(Path("/proc/sys/kernel/random/boot_id"))


def process_space() -> str:
    """Within what a process number means one process: containers count their own; empty where there is one only."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


@functools.lru_cache
def _machine_id(folder: Path) -> str:
    system = next(filter(None, map(_text, map(Path, _SYSTEM_FILES))), "")
    both = f"{system}|{_own_id(folder / _OWN_FILE)}"
    return hashlib.sha256(f"lightvessel machine|{both}".encode()).hexdigest()[:32] if both != "|" else ""


def _own_id(path: Path) -> str:
    try:
        if not path.exists():
            durable.make_dir(path.parent, private=True)
            durable.write_new(path, secrets.token_hex(16).encode(), private=True)
    except OSError:
        pass  # a disk that refuses, or another process was quicker
    return _text(path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
