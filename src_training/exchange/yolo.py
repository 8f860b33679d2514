"""YOLO polygons, both ways: a text file for each picture, a line for each outline, in parts of width and height."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.frame import IGNORE, VESSEL
from src_training.errors import BadMask, DatasetError, printable
from src_training.exchange.classes import Classes
from src_training.exchange.files import write_png
from src_training.exchange.frames import ExportFrame
from src_training.exchange.polygons import polygons_of
from src_training.exchange.shapes import Canvas, unreadable_shape
from src_training.regular import read_regular

DATA_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_LISTS = ("classes.txt", "obj.names", "labels.txt")
_LARGEST = 64 << 20
_BOX = 5  # numbers of a line that is a box: class, centre, width, height
_DIGITS = 9  # of a written coordinate: far below a pixel
_WRITTEN = ((0, "vessel", VESSEL), (1, "ignore", IGNORE))
_QUOTES = "\"' \t"
_CLOSING = {"[": "]", "{": "}"}


@dataclass(frozen=True)
class YoloMask:
    """The outlines of one picture; ``called`` names its classes by number."""

    path: Path
    called: Mapping[int, str] = field(default_factory=dict)
    classes: Classes = field(default_factory=Classes)

    @property
    def name(self) -> str:
        return self.path.name

    def names(self) -> set[str]:
        """The classes in use; none where the file cannot be read, which reading tells."""
        try:
            return {self._called(number) for number, _ in self._outlines()}
        except BadMask:
            return set()

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255: vessels over what is ignored."""
        outlines = self._outlines()
        try:
            in_use = {number: self._called(number) for number, _ in outlines}
            values = self.classes.values(in_use, self.name)
        except DatasetError as error:
            raise BadMask(str(error)) from error
        canvas = Canvas(self.name, cine[1:])
        for wanted in (IGNORE, VESSEL):
            for number, points in outlines:
                if values[number] == wanted:
                    try:
                        canvas.polygon(points * cine[:0:-1], wanted)
                    except ValueError as error:
                        raise unreadable_shape(self.name, error) from error
        return canvas.mask

    def _called(self, number: int) -> str:
        # Where others have names, one without is no lone class that simply never got any.
        unnamed = f"unnamed class {number}" if self.called else f"class {number}"
        return self.called.get(number, unnamed)

    def _outlines(self) -> list[tuple[int, NDArray[np.float64]]]:
        try:
            lines = read_regular(self.path, _LARGEST).decode("utf-8-sig").splitlines()
            return [_outline(line.split()) for line in lines if line.strip()]
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or (
                "not text" if isinstance(error, UnicodeDecodeError) else str(error)[:120]
            )
            raise BadMask(
                printable(f"{self.name}: not polygons of YOLO ({reason}). Export them as segments.")
            ) from error


def class_names(folder: Path) -> dict[int, str]:
    """What the classes of label files in this folder are called: a list beside them, or data.yaml above them."""
    for place in (folder, *list(folder.parents)[:2]):
        for name in _LISTS:
            if (lines := _lines(place / name)) is not None:
                return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
        for name in DATA_FILES:
            if (lines := _lines(place / name)) is not None and (found := _names_of(lines)):
                return found
    return {}


def write_yolo(folder: Path, frames: Iterable[ExportFrame]) -> None:
    """``images/<split>`` and ``labels/<split>``, for Ultralytics; without vessels a file is empty."""
    for frame in frames:
        write_png(folder / "images" / frame.split / f"{frame.name}.png", frame.picture)
        size = np.array(frame.mask.shape[::-1])
        lines = [
            " ".join([str(number), *(f"{part:.{_DIGITS}g}" for part in (polygon / size).ravel().tolist())])
            for number, _name, value in _WRITTEN
            for polygon in polygons_of(frame.mask == value)
        ]
        labels = folder / "labels" / frame.split / f"{frame.name}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    splits = [f"{part}: images/{part}" for part in ("train", "val", "test")]
    names = ["names:", *(f"  {number}: {name}" for number, name, _ in _WRITTEN)]
    text = ["# Research use only. Not a medical device, not for diagnosis.", "path: .", *splits, *names]
    (folder / DATA_FILES[0]).write_text("\n".join(text) + "\n", encoding="utf-8")


def _outline(parts: list[str]) -> tuple[int, NDArray[np.float64]]:
    if len(parts) == _BOX:
        raise ValueError("a box, no outline")
    points = np.array(parts[1:], np.float64)
    if len(points) % 2 or len(points) < 6:
        raise ValueError("a line that is no class with three or more points")
    if not np.isfinite(points).all() or np.abs(points).max() > 2:
        raise ValueError("coordinates that are no parts of width and height")
    number = int(parts[0])
    if number < 0:
        raise ValueError("a class below 0")
    return number, points.reshape(-1, 2)


def _lines(path: Path) -> list[str] | None:
    try:
        return read_regular(path, 1 << 20).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return None


def _names_of(lines: list[str]) -> dict[int, str]:
    """``names`` of a data.yaml: a list in brackets, or a block of entries with or without their numbers."""
    found: dict[int, str] = {}
    inside = False
    plain = [re.sub(r"(^|\s)#.*$", "", line).rstrip() for line in lines]
    for at, line in enumerate(plain):
        if line.startswith("names:"):
            listed = line.removeprefix("names:").strip()
            if not listed:  # brackets may open on a line of their own
                listed = next((more.strip() for more in plain[at + 1 :] if more), "")
            if listed[:1] in ("[", "{"):
                flow = " ".join(plain[at:]).partition(listed[0])[2]
                entries = [entry.strip() for entry in flow.partition(_CLOSING[listed[0]])[0].split(",")]
                return dict(_entry(entry, number) for number, entry in enumerate(entries) if entry)
            inside = True
        elif inside and (entry := re.fullmatch(r"\s*-\s+(.+)|\s+(['\"]?\d+['\"]?\s*:.+)", line)):
            number, name = _entry(entry[1] or entry[2], len(found))
            found[number] = name
        elif inside and line.strip():
            break
    return found


def _entry(text: str, number: int) -> tuple[int, str]:
    numbered = re.fullmatch(r"['\"]?(\d+)['\"]?\s*:\s*(.+)", text)
    return (int(numbered[1]), numbered[2].strip(_QUOTES)) if numbered else (number, text.strip(_QUOTES))
