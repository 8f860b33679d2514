"""labelme, both ways: a JSON of shapes beside each picture, in pixels from its upper left corner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_training import decoding
from src_training.dataset.folders import check_size
from src_training.dataset.frame import IGNORE, VESSEL
from src_training.decoding.process import Lost
from src_training.errors import BadMask, DatasetError, printable
from src_training.exchange.classes import Classes
from src_training.exchange.files import write_json, write_png
from src_training.exchange.frames import ExportFrame
from src_training.exchange.polygons import polygons_of
from src_training.exchange.records import read_record
from src_training.exchange.shapes import Canvas, size_of, unreadable_shape

WRITTEN = ((VESSEL, "vessel"), (IGNORE, "ignore"))
_EXPECTED = "a JSON of labelme (shapes, imageHeight, imageWidth)"
_LONGEST_PNG = 8 << 20  # characters
_BOXES = ("rectangle", "oriented_rectangle")
_WITHOUT_AREA = ("line", "linestrip", "point", "points")


@dataclass(frozen=True)
class LabelmeMask:
    """The shapes of one picture, drawn in their order, as labelme does."""

    path: Path
    classes: Classes = field(default_factory=Classes)

    @property
    def name(self) -> str:
        return self.path.name

    def names(self) -> set[str]:
        """The labels in use; none where the file cannot be read, which reading tells."""
        try:
            return {_label(shape) for shape in self._record()["shapes"]}
        except (BadMask, KeyError, TypeError):
            return set()

    def picture(self) -> str:
        """The picture that it names, as it stands there; empty where it cannot be read or names none."""
        try:
            return str(self._record().get("imagePath") or "")
        except BadMask:
            return ""

    def read(self, t: int, cine: tuple[int, int, int]) -> NDArray[np.uint8]:
        """(Y, X) of 0, 1, 255."""
        record = self._record()
        try:
            size = size_of(record["imageHeight"], record["imageWidth"])
            shapes = [(_label(shape), shape) for shape in record["shapes"]]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BadMask(printable(f"{self.name}: not {_EXPECTED} ({error}).")) from error
        check_size(self.name, size, "its picture", cine[1:])
        try:
            values = self.classes.values({label: label for label, _ in shapes}, self.name, "labels")
        except DatasetError as error:
            raise BadMask(str(error)) from error
        canvas = Canvas(self.name, size)
        for label, shape in shapes:
            self._draw(canvas, shape, values[label])
        return canvas.mask

    def _record(self) -> dict[str, Any]:
        try:
            return read_record(self.path, _EXPECTED)
        except DatasetError as error:
            raise BadMask(str(error)) from error

    def _draw(self, canvas: Canvas, shape: dict[str, Any], value: int) -> None:
        kind = shape.get("shape_type") or "polygon"
        try:
            if kind in _WITHOUT_AREA:
                if value == VESSEL:
                    raise BadMask(
                        f"{self.name}: a {kind} has no area, so it is no mask of a vessel. Outline it as a polygon."
                    )
            elif kind in _BOXES and value == VESSEL:
                raise BadMask(f"{self.name}: a {kind} is no outline of a vessel. Draw a polygon or a mask.")
            elif kind in ("polygon", "oriented_rectangle"):
                canvas.polygon(shape["points"], value)
            elif kind == "rectangle":
                (x0, y0), (x1, y1) = shape["points"]
                canvas.polygon([x0, y0, x1, y0, x1, y1, x0, y1], value)
            elif kind == "circle":
                centre, (x, y) = shape["points"]
                radius = float(np.hypot(x - centre[0], y - centre[1]))
                canvas.ellipse(centre, (radius, radius), value)
            elif kind == "mask":
                left, top = (round(number) for number in shape["points"][0])
                canvas.patch(self._embedded(shape["mask"]), top, left, value)
            else:
                raise ValueError(f"a shape of the kind {kind}")
        except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
            raise unreadable_shape(self.name, error) from error

    def _embedded(self, text: Any) -> NDArray[np.bool_]:
        if not isinstance(text, str) or len(text) > _LONGEST_PNG:
            raise ValueError("a mask that is no PNG, or a very large one")
        try:
            found = decoding.ask({"ask": "embedded", "name": self.name, "data": text}).array
        except Lost as lost:
            raise BadMask(f"{self.name}: an embedded mask cannot be read ({lost}). Save it again.") from lost
        assert found is not None
        return found != 0


def write_labelme(folder: Path, frames: Iterable[ExportFrame]) -> None:
    """``images/<case>.png`` with ``<case>.json`` beside it; a frame without vessels has no shape."""
    for frame in frames:
        write_png(folder / "images" / f"{frame.name}.png", frame.picture)
        height, width = frame.mask.shape
        shapes = [
            {
                "label": label,
                "points": polygon.tolist(),
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }
            for value, label in WRITTEN
            for polygon in polygons_of(frame.mask == value)
        ]
        record = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": f"{frame.name}.png",
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        write_json(folder / "images" / f"{frame.name}.json", record)


def _label(shape: dict[str, Any]) -> str:
    label = shape["label"]
    if not isinstance(label, str):
        raise TypeError("a label that is no text")
    return label
