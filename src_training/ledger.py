"""Numbered records of which none is ever changed: of several who write the next number, one succeeds."""

from __future__ import annotations

import errno
import os
import re
import secrets
from pathlib import Path
from typing import Any

from src_training import confined, durable
from src_training.json_objects import json_bytes
from src_training.regular import read_regular

_NUMBER = re.compile(r"[0-9]{8}")
_HIGHEST = 10**8 - 1
_LARGEST = 16 * 2**20  # of our own the largest hold a line for every frame that got worse


class Ledger:
    """``FOLDER/00000018/NAME``: a folder a record, claimed in one step (`durable.claim`).

    Who has judged by record n and finds n + 1 taken judges anew: compare and swap, without a lock that somebody
    who was killed could leave behind.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    def numbers(self) -> list[int]:
        """Those that are there, ascending; none where there is no such folder, OSError where it cannot be listed.

        There may be gaps of any size: who goes through the records goes through these.
        """
        return [number for name in self._names() if _NUMBER.fullmatch(name) and (number := int(name))]

    def newest(self) -> int:
        """The highest number; 0 where there is none."""
        return next((int(name) for name in reversed(self._names()) if _NUMBER.fullmatch(name)), 0)

    def place(self, number: int) -> Path:
        """The folder of a record."""
        return self.folder / f"{number:08d}"

    def read(self, number: int) -> bytes | None:
        """A record as it was written; None for what cannot be read, or is no ordinary file of at most 16 MiB."""
        try:
            return read_regular(self.place(number) / self.name, _LARGEST)
        except OSError:
            return None

    def add(self, number: int, record: dict[str, Any]) -> bool:
        """Write record ``number``, durable when this returns; False when somebody else has written it.

        Raises OSError when the disk refuses: nothing is acknowledged then.
        """
        if number > _HIGHEST:
            last = f"{self.folder.name}/{_HIGHEST:08d} is the last number that there can be"
            raise OSError(errno.EOVERFLOW, last, str(self.place(_HIGHEST)))
        durable.make_dir(self.folder)
        own = record | {"nonce": secrets.token_hex(8)}  # two people may decide the same in the same second
        data = json_bytes(own, indent=1) + b"\n"
        if len(data) > _LARGEST:  # nobody could read it
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        try:
            durable.claim(self.place(number), self.name, data)
        except FileExistsError:
            return False
        return True

    def _names(self) -> list[str]:
        try:
            return confined.names_in(self.folder)  # sorted: the numbers are of one length
        except FileNotFoundError:
            return []
