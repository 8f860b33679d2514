"""Whose an image is: the rows of a table of patients, the images that they mean, and ids that look alike."""

from __future__ import annotations

import contextlib
import csv
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from src_training.cine.sniff import same_name
from src_training.dataset.patients import known_patient, patient_key
from src_training.errors import DatasetError
from src_training.naming import common_folder, lying, match, written
from src_training.regular import read_regular

if TYPE_CHECKING:
    from src_training.dataset.store import Dataset

_LARGEST_CSV = 64 << 20
# The surest first: in a table of files a "name" may be a person's.
_IMAGE_COLUMNS = ("image", "image_name", "imagename", "filename", "file_name", "file", "path", "name")
# Not what else is told of a patient: name, age, sex.
_PATIENT_COLUMN = re.compile(
    r"patient(en|s)?_?(id|ids|nr|no|num|number|nummer|code|key|pseudonym|identifier)?"
)
# What stands beside a name in a table of two columns and is not whose it is; others are taken, and told.
_NO_PATIENT = re.compile(
    r"((image|file|frame|row)_?)?(id|index|nr|no|number)|(.*_)?(sex|gender|geschlecht|age|alter|dob|birth\w*|date|datum"
    r"|time|split|labels?|class(es)?|status|frames?|masks?|view|projection|angle|site|hospital|device|vendor|quality"
    r"|width|height|size)"
)
_SEPARATOR = re.compile(
    r"sep=([,;\t])\s*", re.IGNORECASE
)  # the line with which Excel says how it reads a table
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_NUMBER = re.compile(r"[0-9]+")
_TEXT_FOR_EXCEL = re.compile(r'="(.*)"|\'(.*)')  # so people keep its leading zeros
_SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]+")
_WIDEST = 12  # digits, of the numbers that hospitals give
_CURE = "Write one patient in one way, or say that they are two: --distinct-patients."


@dataclass(frozen=True)
class Row:
    """A line of the table: its number, the image as it is written there, and the patient.

    ``guessed`` is the heading of the column of patients, where it does not say that it is that.
    """

    line: int
    image: str
    patient: str
    guessed: str = field(default="", compare=False)


@dataclass
class Owners:
    """The patient of every image that a row means; ``refused`` says why an image has none, a line each."""

    of_image: dict[Path, str] = field(default_factory=dict)
    refused: dict[Path, str] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)


def read_patients(path: Path) -> list[Row]:
    """The rows of a CSV of image name and patient id, with or without a header, in UTF-8 or UTF-16 with its mark.

    Raises DatasetError when it cannot be read, gives one name two patients, or holds what Excel left of a long number.
    """
    rows = _rows(path)
    name_at, patient_at, start = _columns(path.name, [cells for _, cells in rows]) if rows else (0, 1, 0)
    guessed = rows[0][1][patient_at].strip() if start else ""
    guessed = "" if _PATIENT_COLUMN.fullmatch(_heading(guessed)) else guessed
    found: dict[str, Row] = {}
    for number, cells in rows[start:]:
        if len(cells) <= max(name_at, patient_at):
            raise DatasetError(
                f"{path.name}: line {number} has no patient. Each line is: image name, patient id."
            )
        row = Row(number, _cell(cells[name_at]), _cell(cells[patient_at]), guessed)
        if _SHORTENED.fullmatch(row.patient):
            raise DatasetError(
                f"{path.name}: line {number}: its patient is a number that a spreadsheet has shortened, so that others "
                "may look the same. Give that column the format Text, enter the ids again, and save it."
            )
        if found.setdefault(same_name(row.image), row).patient != row.patient:
            raise DatasetError(
                f"{path.name}: line {number} gives {row.image} a second patient. Keep one of them."
            )
    return list(found.values())


def owners_of(rows: Sequence[Row], images: Sequence[Path], table: str) -> Owners:
    """Which of the images each row means; a row that could mean several, or rows that contradict, give none."""
    root = common_folder(images)
    there = [lying(image, root) for image in images]
    asked = [written(row.image) for row in rows]
    found, owners = match(asked, there), Owners()
    for one, other in found.pairs:
        owners.of_image[images[other]] = rows[one].patient
    for one, several in found.ambiguous.items():
        could = _either(there[other].text for other in several)
        for other in several:
            if images[other] not in owners.of_image:
                owners.refused[images[other]] = (
                    f"{table}: line {rows[one].line}: {rows[one].image} could be {could}. Write its folder too."
                )
    for other, claimants in found.contested.items():
        patients = {known_patient(rows[one].patient) for one in claimants}
        if len(patients) == 1 and not set(claimants) & set(found.ambiguous):
            owners.of_image[images[other]] = rows[claimants[0]].patient
            owners.refused.pop(images[other], None)
        else:
            lines = " and ".join(str(rows[one].line) for one in claimants)
            owners.refused.setdefault(
                images[other],
                f"{table}: lines {lines} could all mean {there[other].text}, with different patients. Keep one.",
            )
    owners.strangers = [rows[one].image for one in found.unmatched]
    return owners


def check_alike(
    named: Iterable[tuple[str, str | None]], dataset: Dataset, *, without: str | None = None
) -> None:
    """Raise DatasetError when two patients differ in leading zeros only, or one so from a patient in the dataset.

    ``named`` are places (a file, a line) and the id that stands there. Case, width and blanks never make two
    patients of one, so they need no check. The dataset keeps keyed hashes: ids up to 12 digits are tried.
    ``without`` is a case that does not count: it is about to leave its patient.
    """
    first: dict[str, tuple[str, str]] = {}
    for where, patient in named:
        if (known := known_patient(patient)) is None:
            continue
        other, there = first.setdefault(_bare(known), (known, where))
        if other != known:
            raise DatasetError(f"{there} and {where}: their patients differ in leading zeros only. {_CURE}")
    looks_alike = _Alike(dataset, without)
    for known, where in first.values():
        if looks_alike(known):
            raise DatasetError(
                f"{where}: its patient and one in the dataset differ in leading zeros only. {_CURE}"
            )


def alike_patient(patient: str | None, dataset: Dataset) -> str | None:
    """The id in the dataset from which this one differs in leading zeros only, so that both may be one person's."""
    known = known_patient(patient)
    return None if known is None else _Alike(dataset)(known)


class _Alike:
    """The patient in the dataset that looks like another; the dataset is read once, and only if it has to be."""

    def __init__(self, dataset: Dataset, without: str | None = None) -> None:
        self._dataset, self._without = dataset, without

    def __call__(self, known: str) -> str | None:
        if not _NUMBER.search(known) or not self._keys:
            return None
        site_key = self._dataset.site_key()
        if patient_key(site_key, known) in self._keys:
            return None  # nobody is split by another frame of a patient who is there
        there = (one for one in _variants(known) if patient_key(site_key, one) in self._keys)
        return next(there, None)

    @functools.cached_property
    def _keys(self) -> set[str]:
        return _keys(self._dataset, self._without)


def _keys(dataset: Dataset, without: str | None) -> set[str]:
    """The keys of the patients in a dataset; a damaged case must not keep a new frame out."""
    found: set[str] = set()
    for case in filter(lambda case: case != without, dataset.cases()):
        with contextlib.suppress(DatasetError):
            heads = [head for head in dataset.case_heads(case) if head.status != "rejected"]
            found.update(head.patient_key for head in heads if head.patient_key)
    return found


def _bare(known: str) -> str:
    return _ZEROS.sub("", known)


def _variants(known: str) -> Iterator[str]:
    """Other ways to write an id: no leading zeros at all, and any one of its numbers with more or fewer."""
    bare, tried = _bare(known), {known}
    for text in (bare, known):
        for number in _NUMBER.finditer(text):
            digits = number.group().lstrip("0") or "0"
            for width in range(len(digits), max(len(digits), _WIDEST) + 1):
                variant = text[: number.start()] + digits.zfill(width) + text[number.end() :]
                if variant not in tried:
                    tried.add(variant)
                    yield variant


def _either(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:3]) + (f" or {len(found) - 3} more" if len(found) > 3 else "")


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        text = _decoded(read_regular(path, _LARGEST_CSV))
        first = text.partition("\n")[0]
        told = _SEPARATOR.fullmatch(first)
        rows = csv.reader(text.splitlines(), delimiter=told[1] if told else max(",;\t", key=first.count))
        found = [(rows.line_num, row) for row in rows if any(map(str.strip, row))][1 if told else 0 :]
        if "\0" in text:
            raise csv.Error("a NUL byte in it")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f'{path.name}: not UTF-8 text. In Excel choose "CSV UTF-8 (Comma delimited)" when you save it.'
        ) from error
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path.name}: {reason}. Give a CSV of image name, patient id.") from error
    return found


def _decoded(content: bytes) -> str:
    return content.decode("utf-16" if content[:2] in _UTF16_MARKS else "utf-8-sig")


def _cell(written: str) -> str:
    text = written.strip()
    told = _TEXT_FOR_EXCEL.fullmatch(text)
    return (told[1] or told[2] or "").strip() if told else text


def _heading(cell: str) -> str:
    return re.sub(r"[\W_]+", "_", cell.strip().casefold()).strip("_")


def _columns(table: str, rows: list[list[str]]) -> tuple[int, int, int]:
    """Where name and patient stand, and the first row of data.

    Of two columns the one that is not known is the other. Raises DatasetError where more columns could be the patient.
    """
    names = [_heading(cell) for cell in rows[0]]
    name_at = next((names.index(name) for name in _IMAGE_COLUMNS if name in names), None)
    patient_at = next((at for at, name in enumerate(names) if _PATIENT_COLUMN.fullmatch(name)), None)
    if name_at is not None and patient_at is not None:
        return name_at, patient_at, 1
    more = max(at for row in rows for at, cell in enumerate(row) if cell.strip()) > 1
    if more or (name_at is not None and any(map(_NO_PATIENT.fullmatch, names))):
        raise DatasetError(
            f"{table}: line 1 does not say which of its columns are the image and the patient. Call them so: "
            "image, patient."
        )
    if name_at is not None:
        return name_at, 1 - name_at, 1
    return (0, 1, 0) if patient_at is None else (1 - patient_at, patient_at, 1)
