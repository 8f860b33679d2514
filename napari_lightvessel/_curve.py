"""The live curve of a run: training loss on the left axis, validation Dice on the right."""

from __future__ import annotations

from collections.abc import Sequence

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_lightvessel._parts import row
from napari_lightvessel._style import Colours
from napari_lightvessel._texts import Label

Points = Sequence[tuple[float, float]]


class Curve(QWidget):
    """Redrawn by its owner's timer, never once per event."""

    def __init__(self, colours: Colours) -> None:
        super().__init__()
        self._plot = pg.PlotWidget()
        self._plot.setMouseEnabled(False, False)
        self._plot.setMenuEnabled(False)
        self._plot.hideButtons()
        self._right = pg.ViewBox()
        item = self._plot.getPlotItem()
        item.showAxis("right")
        item.scene().addItem(self._right)
        item.getAxis("right").linkToView(self._right)
        self._right.setXLink(item)
        self._right.setMouseEnabled(False, False)
        self._right.setYRange(0, 1)
        item.vb.sigResized.connect(self._fit)
        self._loss = item.plot()
        self._dice = pg.PlotDataItem(symbol="o", symbolSize=5)
        self._right.addItem(self._dice)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._legends = Label("— training loss"), Label("● validation Dice")
        column.addWidget(row(*self._legends, None))
        column.addWidget(self._plot)
        self.setFixedHeight(132)
        self.paint_in(colours)

    def show_points(self, loss: Points, dice: Points) -> None:
        """Draw (step, loss) and (step, Dice)."""
        self._loss.setData([step for step, _ in loss], [value for _, value in loss])
        self._dice.setData([step for step, _ in dice], [value for _, value in dice])
        self._right.setYRange(0, 1)  # else the range of the last run, whose curve this was
        if dice:
            values = [value for _, value in dice]
            spare = max(0.02, 0.25 * (max(values) - min(values)))
            self._right.setYRange(max(0, min(values) - spare), min(1, max(values) + spare), padding=0)

    def paint_in(self, colours: Colours) -> None:
        """Take the theme's colours."""
        for label, colour in zip(self._legends, (colours.faint, colours.good), strict=True):
            label.setStyleSheet(f"color: {colour.name()}")
        self._plot.setBackground(colours.background)
        item = self._plot.getPlotItem()
        for side, colour in (("left", colours.faint), ("right", colours.good)):
            axis = item.getAxis(side)
            axis.setPen(colours.border)
            axis.setTextPen(colour)
            axis.setWidth(34)
        item.getAxis("bottom").setPen(colours.border)
        item.getAxis("bottom").setTextPen(colours.faint)
        item.getAxis("bottom").setHeight(18)
        self._loss.setPen(pg.mkPen(colours.faint, width=1.5))
        self._dice.setPen(pg.mkPen(colours.good, width=2, style=Qt.PenStyle.SolidLine))
        self._dice.setSymbolBrush(colours.good)
        self._dice.setSymbolPen(None)

    def _fit(self) -> None:
        self._right.setGeometry(self._plot.getPlotItem().vb.sceneBoundingRect())
