"""Numbered records of which none is ever changed: of several who write the next number, one succeeds."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

from src_training import confined, durable
from src_training.regular import read_regular

_NUMBER = re.compile(r"[0-9]{8}")
_HIGHEST = 10**8 - 1
_LARGEST = 2**20


class Ledger:
    """``FOLDER/00000018/NAME``: a folder a record, claimed in one step (`durable.claim`).

    Who has judged by record n and finds n + 1 taken judges anew: compare and swap, without a lock that somebody
    who was killed could leave behind.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    def numbers(self) -> list[int]:
        """Ascending; none where there is no such folder, OSError where it cannot be listed."""
        try:
            return sorted(int(name) for name in confined.names_in(self.folder) if _NUMBER.fullmatch(name))
        except FileNotFoundError:
            return []

    def newest(self) -> int:
        """The highest number; 0 where there is none."""
        return max(self.numbers(), default=0)

    def place(self, number: int) -> Path:
        """The folder of a record."""
        return self.folder / f"{number:08d}"

    def read(self, number: int) -> bytes | None:
        """A record as it was written; None for what cannot be read, or is no ordinary file of at most 1 MiB."""
        try:
            return read_regular(self.place(number) / self.name, _LARGEST)
        except OSError:
            return None

    def add(self, number: int, record: dict[str, Any]) -> bool:
        """Write record ``number``, durable when this returns; False when somebody else has written it.

        Raises OSError when the disk refuses: nothing is acknowledged then.
        """
        if number > _HIGHEST:
            raise OSError(errno.EOVERFLOW, os.strerror(errno.EOVERFLOW))
        durable.make_dir(self.folder)
        own = record | {"nonce": secrets.token_hex(8)}  # two people may decide the same in the same second
        data = json.dumps(own, ensure_ascii=False, indent=1).encode() + b"\n"
        try:
            durable.claim(self.place(number), self.name, data)
        except FileExistsError:
            return False
        return True
