"""The settings that a folder was begun with, kept in it, so that what others made is never gone on with."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from src_training import durable
from src_training.errors import LightVesselError
from src_training.regular import read_regular

SETTINGS_FILE = "settings.json"
_LARGEST = 1 << 20
# They may change on the way.
OF_THE_COMPUTER = {"device", "devices", "loaders", "threads", "checkpoint_minutes"}


def keep_settings(path: Path, told: dict[str, Any], *, begun: bool) -> None:
    """Write ``told`` to ``path`` durably; where other settings are there, raise LightVesselError that names them.

    Unless anything has ``begun`` under the settings that are there: then they are replaced.
    """
    folder = path.parent
    content = json.dumps(told, indent=1).encode()
    try:
        durable.make_dir(folder)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not begun:
            durable.replace(path, content)
        elif not path.is_file():
            durable.write_new(path, content)
        before = json.loads(read_regular(path, _LARGEST))
    except NotADirectoryError as error:
        raise LightVesselError(f"{folder}: is a file, or lies below one. Give a folder.") from error
    except OSError as error:
        raise LightVesselError(f"{folder}: cannot be written to: {durable.cure_for(error)}") from error
    except (ValueError, RecursionError) as error:
        raise LightVesselError(f"{path}: is damaged. Give another folder.") from error
    _check_equal(folder, before, json.loads(content))


def differing(before: dict[str, Any], told: dict[str, Any]) -> list[str]:
    """Names of the settings that are others now, but for those of the computer."""
    names = sorted((before.keys() | told.keys()) - OF_THE_COMPUTER)
    return [name for name in names if before.get(name) != told.get(name)]


def _check_equal(folder: Path, before: Any, told: dict[str, Any]) -> None:
    if other := differing(before if isinstance(before, dict) else {}, told):
        raise LightVesselError(
            f"{folder}: was begun with other settings ({', '.join(other)}). "
            "Give another folder, or the same settings."
        )
