"""Which file, frame and patient a case came from, as this user knows it: in the user's folder, never in a workspace."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from src_training import durable
from src_training.dataset.keyring import user_config_dir
from src_training.dataset.store import Dataset
from src_training.errors import DatasetError
from src_training.json_objects import json_object
from src_training.regular import read_regular

_LARGEST = 64 << 20
_LONGEST = 200


@dataclass(frozen=True)
class Source:
    """Where a case comes from.

    ``label`` is what the user called it, else the name of its file; ``frame`` its position in the cine, None for a
    single image; ``patient`` the pseudonym as it was typed, empty where the file named the patient or nobody did.
    """

    label: str = ""
    frame: int | None = None
    patient: str = ""


def sources_file(uuid: str) -> Path:
    """Where the sources of a dataset's cases are; there once this user has put a case into it."""
    name = hashlib.sha256(uuid.encode()).hexdigest()[:24]
    return user_config_dir() / "sources" / f"{name}.jsonl"


class Sources:
    """The sources of one dataset's cases that were made on this computer; losing them harms nothing."""

    def __init__(self, dataset: Dataset) -> None:
        self.path = sources_file(str(dataset.facts["uuid"]))

    def remember(self, case: str, source: Source) -> None:
        """Note where a case comes from; a label that the user gave stays. OSError when the disk refuses."""
        self._add({"case": case, **asdict(source)})

    def call(self, case: str, label: str) -> None:
        """Give a case a name of the user's own, or with an empty one that of its file back.

        Raises DatasetError when the user's folder cannot be written.
        """
        try:
            self._add({"case": case, "called": " ".join(label.split())[:_LONGEST]})
        except OSError as error:
            raise DatasetError(f"{self.path.parent}: not written. {durable.cure_for(error)}") from error

    def read(self) -> dict[str, Source]:
        """By case; what cannot be read is left out."""
        found: dict[str, Source] = {}
        called: dict[str, str] = {}
        for record in self._records():
            case = record["case"]
            if isinstance(record.get("called"), str):
                called[case] = record["called"]
            else:
                found[case] = _source(record)
        for case, label in called.items():
            if label:
                found[case] = replace(found.get(case, Source()), label=label)
        return found

    def _add(self, record: dict[str, Any]) -> None:
        durable.make_dir(self.path.parent, private=True)
        with contextlib.suppress(FileExistsError):
            durable.write_new(self.path, b"", private=True)  # names of files may name patients
        durable.append_line(self.path, record, sync=True)

    def _records(self) -> list[dict[str, Any]]:
        try:
            lines = read_regular(self.path, _LARGEST).split(b"\n")
        except OSError:
            return []
        records = (json_object(line) or {} for line in lines)
        return [record for record in records if isinstance(record.get("case"), str)]


def _source(record: dict[str, Any]) -> Source:
    label, frame, patient = record.get("label"), record.get("frame"), record.get("patient")
    return Source(
        label if isinstance(label, str) else "",
        frame if type(frame) is int else None,
        patient if isinstance(patient, str) else "",
    )
