"""The comparisons of candidates with live models: all stay, so that none is written over while it is judged."""

from __future__ import annotations

from pathlib import Path

from src_training import confined
from src_training.errors import ModelError, Refused
from src_training.evaluation import Comparison
from src_training.ledger import Ledger
from src_training.models.records import parsed, read_record
from src_training.models.seals import Seals


class Comparisons:
    """``comparisons/CANDIDATE/00000001/comparison.json``; ``CANDIDATE.json`` is of older versions, and older."""

    def __init__(self, folder: Path, seals: Seals) -> None:
        self.folder, self._seals = folder, seals

    def add(self, comparison: Comparison) -> None:
        """Remember one, as the newest; OSError when the disk refuses."""
        ledger, record = self._of(comparison.candidate), comparison.as_dict()
        record |= {"seals": self._seals.of(record)}
        while not ledger.add(ledger.newest() + 1, record):
            pass

    def newest(self, model_id: str, current: str | None = None) -> Comparison:
        """The newest of a model: with ``current``, if there is one with it.

        Raises Refused where there is none, or it was made elsewhere (`Seals`), ModelError where it is damaged.
        """
        cure = f"Run: lightvessel models compare WORKSPACE {model_id}"
        ledger = self._of(model_id)
        try:
            numbers = ledger.numbers()
        except OSError as error:
            raise ModelError(f"{self.folder.name}/{model_id}: damaged. {cure}") from error
        newest = self._told(ledger, max(numbers, default=0), model_id, cure)
        if current is None or newest.current == current:
            return newest
        for number in (
            *reversed(numbers[:-1]),
            *([0] if numbers and confined.is_there(self._of_older_version(model_id)) else []),
        ):
            if (told := self._told(ledger, number, model_id, cure)).current == current:
                return told
        return newest

    def _told(self, ledger: Ledger, number: int, model_id: str, cure: str) -> Comparison:
        if number:
            path = ledger.place(number) / ledger.name
            record = parsed((ledger.read(number) or b"").decode("utf-8", "replace"))
        else:
            path = self._of_older_version(model_id)
            if not confined.is_there(path):
                raise Refused(f"{model_id} was not compared yet. {cure}")
            record = read_record(path)
        if record is None:
            raise ModelError(f"{path.relative_to(self.folder.parent).as_posix()}: damaged. {cure}")
        found = Comparison.from_dict(record)
        if not (self._seals.hold(record) if number else self._seals.believes(record)):
            raise Refused(f"{model_id} was compared elsewhere, and its figures are not believed. {cure}")
        return found

    def _of(self, model_id: str) -> Ledger:
        return Ledger(self.folder / model_id, "comparison.json")

    def _of_older_version(self, model_id: str) -> Path:
        return self.folder / f"{model_id}.json"
