"""Files that would run something, were they unpickled."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import torch


def hostile_files(folder: Path, mark: Path) -> list[Path]:
    """More than forty, plain and in torch's own form, each of which would leave ``mark`` behind."""
    folder.mkdir()
    files = []
    for number, data in enumerate(_hostile(mark)):
        plain, zipped = folder / f"{number}.pt", folder / f"{number}z.pt"
        plain.write_bytes(data)
        _as_zip(zipped, data)
        files += [plain, zipped]
    return files


class _Payload:
    """Unpickles to a call."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _hostile(mark: Path) -> list[bytes]:
    touch = f"open({str(mark)!r}, 'w')"
    calls = [
        (os.system, f"touch {mark}"),
        (eval, touch),
        (exec, touch),
        (open, str(mark), "w"),
        (os.mkdir, str(mark)),
        (os.popen, f"touch {mark}"),
        (os.makedirs, str(mark)),
        (torch.load, str(mark)),
    ]
    files = []
    for function, *arguments in calls:
        payload = _Payload(function, *arguments)
        files += [pickle.dumps(payload, protocol) for protocol in (0, 2, 4)]
        files.append(pickle.dumps({"state_dict": {"a": payload}}, 2))
    return files


def _as_zip(path: Path, data: bytes) -> None:
    """A hostile pickle in the form that torch writes today."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")
