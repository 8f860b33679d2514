"""At a run's verdict: a button that shows the frames which got worse, and a way through them."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_lightvessel._beside import MISSED_COLOUR, TOO_MUCH_COLOUR
from napari_lightvessel._layers import VESSEL_COLOUR
from napari_lightvessel._losing import LosingViewer
from napari_lightvessel._marks import count_words
from napari_lightvessel._parts import TellLine, allow, button, call, legend, row, wide
from napari_lightvessel._style import SPACING
from src_training.errors import ModelError
from src_training.evaluation import Comparison

_LEGEND = ((VESSEL_COLOUR, "TP"), (MISSED_COLOUR, "FN"), (TOO_MUCH_COLOUR, "FP"))


class LosingBar(QWidget):
    """Offers the losing frames of a comparison; hidden when there are none."""

    def __init__(self, losing: LosingViewer) -> None:
        super().__init__()
        self.losing = losing
        self._comparison: Comparison | None = None
        self.show_button = button(
            "", self._show_frames, "Accepted mask, active model and candidate, side by side"
        )
        self.before = button("‹", lambda: losing.step(-1), "The frame before")
        self.after = button("›", lambda: losing.step(1), "The frame after")
        call(self.before, "The frame before")
        call(self.after, "The frame after")
        self.done = button("Close", losing.close_frames, "Back to the cine")
        self.where = TellLine()
        self.legend, self.way = legend(_LEGEND, "■"), row(self.before, self.after, None, self.done)
        self.line = TellLine()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(SPACING)
        for part in (wide(self.show_button), self.where, self.legend, self.way, self.line):
            rows.addWidget(part)
        losing.changed.connect(self._follow)
        losing.told.connect(self._tell)
        self.offer(None)

    def offer(self, compared: dict[str, Any] | None) -> None:
        """Offer the losing frames of a comparison as a run told it; None: there is none."""
        damage = ""
        try:
            comparison = (
                Comparison.from_dict(compared) if compared and compared.get("losing_frames") else None
            )
        except ModelError as error:  # the run's events are a file, which others can write, too
            comparison, damage = None, str(error)
        if comparison is not None and comparison == self._comparison:
            return
        self._comparison = comparison
        self.losing.close_frames()
        self.line.tell(damage, "bad")
        self._follow()

    def _show_frames(self) -> None:
        if self._comparison is not None:
            self.losing.show(self._comparison)

    def _tell(self, text: str, kind: str) -> None:
        self.line.tell(text, kind)
        self._follow()

    def _follow(self) -> None:
        sheet, here = self.losing.sheet, self.losing.here
        losing = self._comparison.losing_frames if self._comparison else ()
        self.setVisible(bool(losing) or bool(self.line.text()))
        self.show_button.setVisible(bool(losing) and sheet is None)
        self.show_button.setText(f"Show the {count_words(len(losing))} that got worse")
        allow(self.show_button, "They are being segmented." if self.losing.busy else "")
        for part in (self.legend, self.way):
            part.setVisible(sheet is not None)
        if sheet is None or here is None:
            self.where.tell("")
            return
        case, frame = sheet.names[here].split(" ", 1)
        live, candidate = sheet.dice[here]
        place = f"{here + 1} of {len(sheet.names)} · case {case[:4]}… {frame}"
        self.where.tell(f"{place} · Dice {live:.3f} → {candidate:.3f}")
