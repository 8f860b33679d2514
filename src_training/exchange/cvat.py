"""CVAT's XML 1.1 on its way in: outlines and masks of a task of images, or the tracks of a video."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from src_training.dataset.folders import Matched, check_size, files_below
from src_training.dataset.frame import VESSEL
from src_training.errors import BadMask, DatasetError, printable
from src_training.exchange.classes import Classes
from src_training.exchange.shapes import Canvas, size_of, unreadable_shape
from src_training.naming import lying, match, written
from src_training.regular import read_regular

_LARGEST = 64 << 20  # bytes; as objects it is some ten times as much
_MOST_SHAPES = 1 << 20
_SHAPES = ("polygon", "mask", "box", "ellipse", "polyline", "points", "cuboid", "skeleton", "tag")
_WITHOUT_AREA = ("polyline", "points", "cuboid", "skeleton", "tag")
Shape = dict[str, str]


@dataclass
class Annotated:
    """What an XML holds: ``images`` by name with their size and shapes, or ``tracks``, the shapes by frame."""

    images: list[tuple[str, tuple[int, int], list[Shape]]] = field(default_factory=list)
    tracks: defaultdict[int | None, list[Shape]] = field(default_factory=lambda: defaultdict(list))
    size: tuple[int, int] | None = None
    source: str = ""

    @property
    def labels(self) -> set[str]:
        """Of all shapes."""
        shapes = [*self.tracks.values(), *(shapes for *_, shapes in self.images)]
        return {shape["label"] for group in shapes for shape in group}


@dataclass(frozen=True)
class CvatMask:
    """The shapes of one picture, or of a cine by frame; ``values`` is what each label is (0, 1, 255)."""

    name: str
    size: tuple[int, int] | None
    shapes: Mapping[int | None, list[Shape]]
    values: dict[str, int]

    def frames(self, cine: tuple[int, int, int]) -> Sequence[int]:
        """Which frames of a cine are annotated; none for a single picture."""
        return sorted(t for t in self.shapes if t is not None)

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255; what lies on top in CVAT is drawn last."""
        if self.size is not None:
            check_size(self.name, self.size, "its picture", cine[1:])
        shapes = self.shapes.get(None) if None in self.shapes else self.shapes.get(t)
        if shapes is None:
            raise BadMask(f"{self.name}: nothing is annotated on frame {t}. Choose another one.")
        canvas = Canvas(self.name, cine[1:])
        try:
            for shape in sorted(shapes, key=lambda shape: int(shape.get("z_order") or 0)):
                self._draw(canvas, shape)
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise unreadable_shape(self.name, error) from error
        return canvas.mask

    def _draw(self, canvas: Canvas, shape: Shape) -> None:
        kind, value = shape["kind"], self.values[shape["label"]]
        if kind in _WITHOUT_AREA:
            if value == VESSEL and kind != "tag":
                raise BadMask(f"{self.name}: a {kind} has no area, so it is no mask of a vessel. Outline it.")
        elif kind == "box":
            if value == VESSEL:
                raise BadMask(f"{self.name}: a box is no outline of a vessel. Draw a polygon or a mask.")
            x0, y0, x1, y1 = (float(shape[side]) for side in ("xtl", "ytl", "xbr", "ybr"))
            corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
            middle = corners.mean(0)
            canvas.polygon((corners - middle) @ _turn(shape) + middle, value)
        elif kind == "ellipse":
            centre = float(shape["cx"]), float(shape["cy"])
            canvas.ellipse(centre, (float(shape["rx"]), float(shape["ry"])), value, _turn(shape))
        elif kind == "polygon":
            canvas.polygon(
                [list(map(float, point.split(","))) for point in shape["points"].split(";")], value
            )
        else:
            canvas.patch(_unpacked(shape, canvas.mask.shape), int(shape["top"]), int(shape["left"]), value)


def match_cvat(annotations: Path, images: Path, classes: Classes | None = None) -> Matched:
    """The pictures that ``annotations`` (CVAT for images or for video, 1.1) names, in the folder ``images``.

    Raises DatasetError for another file, and for labels that may be vessel or not.
    """
    classes = classes or Classes()
    found = read_cvat(annotations)
    values = classes.values({label: label for label in found.labels}, annotations.name, "labels")
    there = files_below(images)
    matched = Matched(images.name, there)
    if remark := classes.remark(found.labels, annotations.name):
        matched.remarks.append(remark)
    asked = [name for name, *_ in found.images] or ([found.source] if found.tracks else [])
    matching = match([written(name) for name in asked], [lying(file, images) for file in there])
    for at, place in matching.pairs:
        if found.tracks:
            source = CvatMask(asked[at], found.size, found.tracks, values)
            matched.pairs.append((there[place], source))
        else:
            _name, size, shapes = found.images[at]
            if shapes:
                matched.pairs.append((there[place], CvatMask(asked[at], size, {None: shapes}, values)))
            else:
                matched.remarks.append(
                    f"{asked[at]}: no annotation, which may mean no vessel or nobody looked; left out"
                )
    ambiguous = {*matching.ambiguous, *(at for several in matching.contested.values() for at in several)}
    matched.failures += [
        f"{asked[at]}: could mean several images, or one that several mean." for at in ambiguous
    ]
    matched.failures += [
        f"{asked[at] or 'its video'}: named in {annotations.name}, but not in {images.name}."
        for at in matching.unmatched
    ]
    return matched


def read_cvat(path: Path) -> Annotated:
    """What a file holds, without entities and within limits; DatasetError for anything else."""
    collector = _Collector()
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = collector.start, collector.end
    parser.CharacterDataHandler = collector.text
    parser.StartDoctypeDeclHandler = collector.refuse
    try:
        parser.Parse(read_regular(path, _LARGEST), True)
    except (OSError, expat.ExpatError, KeyError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)[:120]
        raise DatasetError(
            printable(f"{path.name}: not annotations of CVAT ({reason}). Export it as CVAT for images 1.1.")
        ) from error
    return collector.found


class _Collector:
    """Takes images, tracks and their shapes from the elements of a file, in passing."""

    def __init__(self) -> None:
        self.found = Annotated()
        self._path: list[str] = []
        self._shapes: list[Shape] | None = None
        self._track = ""
        self._count = 0
        self._size: dict[str, str] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if not self._path and tag != "annotations":
            raise ValueError(f"it begins with {tag[:40]}")
        self._path.append(tag)
        if tag == "image":
            self._shapes = []
            size = size_of(attributes["height"], attributes["width"])
            self.found.images.append((attributes["name"], size, self._shapes))
        elif tag == "track":
            self._track = attributes["label"]
        elif tag in _SHAPES:
            self._add(tag, attributes)

    def end(self, tag: str) -> None:
        """An element ends."""
        self._path.pop()
        if tag == "image":
            self._shapes = None
        elif tag == "track":
            self._track = ""
        elif tag == "original_size":
            self.found.size = size_of(self._size["height"], self._size["width"])

    def text(self, data: str) -> None:
        """Text inside an element."""
        if self._path[-2:] == ["task", "source"] or self._path[-2:] == ["meta", "source"]:
            self.found.source += data.strip()
        elif len(self._path) > 1 and self._path[-2] == "original_size" and data.strip():
            self._size[self._path[-1]] = self._size.get(self._path[-1], "") + data.strip()

    def refuse(self, *_: Any) -> None:
        """Annotations declare nothing; entities could grow without end, or name other files."""
        raise ValueError("it declares a document type")

    def _add(self, kind: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MOST_SHAPES:
            raise ValueError("more shapes than any angiogram needs")
        label = self._track or attributes.get("label", "")
        shape = {**attributes, "kind": kind, "label": label}
        if self._shapes is not None:
            self._shapes.append(shape)
        elif self._track:
            shapes = self.found.tracks[int(attributes["frame"])]
            if attributes.get("outside") != "1":
                shapes.append(shape)


def _turn(shape: Shape) -> NDArray[np.float64]:
    """What turns points (N, 2) of x, y about their middle by the shape's angle: in degrees, clockwise on the screen."""
    angle = np.deg2rad(float(shape.get("rotation") or 0))
    if not np.isfinite(angle):
        raise ValueError("a rotation that is no angle")
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _unpacked(shape: Shape, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask of CVAT: run lengths row by row inside a box, background first."""
    rows, columns = size_of(shape["height"], shape["width"])
    if rows > size[0] or columns > size[1]:
        raise ValueError("a mask larger than its picture")
    runs = [int(run) for run in shape["rle"].split(",")]
    if min(runs) < 0 or sum(runs) != rows * columns:
        raise ValueError("run lengths that do not fill their box")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(rows, columns)
