"""The one dock widget: header, Segment, Correct, Train, read top to bottom; it owns the Session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.qt import QtViewer
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QHideEvent, QKeyEvent, QShowEvent
from qtpy.QtWidgets import QMainWindow, QVBoxLayout, QWidget

from napari_lightvessel import _layers
from napari_lightvessel._accepting import Accepter
from napari_lightvessel._closing import AskBeforeClosing
from napari_lightvessel._correct_panel import CorrectPanel
from napari_lightvessel._following import Follower
from napari_lightvessel._header import Header
from napari_lightvessel._journalling import Journalist
from napari_lightvessel._keys import KeysOfNapari, ViewerKeys
from napari_lightvessel._last_workspace import LastWorkspace
from napari_lightvessel._losing import LosingViewer
from napari_lightvessel._moved_bar import MovedBar
from napari_lightvessel._one_dock import AlreadyOpen, dock_of, enter
from napari_lightvessel._parts import FollowingScroll
from napari_lightvessel._posting import Postman
from napari_lightvessel._recalling import Recaller
from napari_lightvessel._recovery import Recoverer
from napari_lightvessel._recovery_bar import RecoveryBar
from napari_lightvessel._segment_panel import SegmentPanel
from napari_lightvessel._segmenting import Segmenter
from napari_lightvessel._session import Session
from napari_lightvessel._style import SPACING, Colours, sheet
from napari_lightvessel._texts import Label, PlainDialogs, make_plain
from napari_lightvessel._train_panel import TrainPanel
from napari_lightvessel._training import Trainer
from src_training import decoding

if TYPE_CHECKING:
    import napari.viewer

_WIDTH = 372


class LightVesselWidget(QWidget):
    """LightVessel's dock; ``header``, ``segment``, ``correct`` and ``train`` are its parts."""

    def __new__(cls, napari_viewer: napari.viewer.Viewer) -> LightVesselWidget:
        """A second one in a window is none: what stands in for it shows the first."""
        first = dock_of(_layers.unwrapped(napari_viewer))
        return super().__new__(cls) if first is None else AlreadyOpen(first)  # type: ignore[return-value]

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        napari_viewer = self.viewer = _layers.unwrapped(napari_viewer)
        self.setObjectName("lv-dock")
        self.colours = Colours.of(napari_viewer.theme)
        self.session = Session(napari_viewer)
        self.segmenter = Segmenter(self.session, self)
        self.accepter = Accepter(self.session)
        self.last_workspace = LastWorkspace(self.session)
        self.postman = Postman(self.session, self.accepter)
        self.recaller = Recaller(self.session)
        self.follower = Follower(self.session, self.recaller)
        self.journalist = Journalist(self.session)
        self.recoverer = Recoverer(self.session, self.journalist)
        self.recovery_bar = RecoveryBar(self.recoverer)
        self.moved_bar = MovedBar(self.postman)
        self.header = Header(self.session)
        self.segment = SegmentPanel(self.session, self.segmenter, self.colours)
        self.correct = CorrectPanel(self.session, self.accepter, self.recaller, self.colours)
        self.trainer = Trainer(self.session, self)
        self.losing = LosingViewer(self.session)
        self.train = TrainPanel(self.session, self.trainer, self.losing, self.colours)
        self.keys = ViewerKeys(
            self.session,
            accept=self.accepter.accept_by_key,
            go_next=self.correct.go_next,
            step=self.correct.step,
            tell=lambda line: self.correct.line.tell(line, "bad"),
        )
        self.journalist.trouble.connect(self.correct.show_trouble)
        self.postman.published.connect(lambda line: self.correct.line.tell(line, "good"))
        self.postman.failed.connect(lambda line: self.correct.line.tell(line, "bad"))
        self._lay_out()
        self._follow_theme()
        napari_viewer.events.theme.connect(self._follow_theme)
        parts = self._parts()
        self.destroyed.connect(lambda: _close(*parts))  # not of self, which is gone by then
        self._closing: AskBeforeClosing | None = None
        self._reasons: set[str] = set()
        self._keys_of_napari: KeysOfNapari | None = None
        self.session.frame_changed.connect(self._forget_solved)
        self.session.workspace_changed.connect(self._forget_solved)
        self.session.areas_changed.connect(self._forget_solved)
        decoding.warm_up()  # the first file then opens at once
        self.last_workspace.open()
        enter(self)

    @property
    def was_shown(self) -> bool:
        """Whether it is, or was, in a window."""
        return self._closing is not None

    def sizeHint(self) -> QSize:  # Qt's name
        """Wide enough for every row, narrow enough for a 1366-pixel screen."""
        return QSize(_WIDTH, 620)

    def minimumSizeHint(self) -> QSize:  # Qt's name
        """As wide as its column needs; a minimum that is set would let it be made narrower than that."""
        needed = super().minimumSizeHint()
        return QSize(max(_WIDTH - 12, needed.width()), needed.height())

    def showEvent(self, event: QShowEvent | None) -> None:  # Qt's name
        """Once in a window, watch over its closing."""
        super().showEvent(event)
        self.session.in_sight = True
        window = self.window()
        if self._closing is None and window is not None and window is not self:
            self._closing = AskBeforeClosing(self.session, window)
            self._keys_of_napari = KeysOfNapari(window)
            if isinstance(window, QMainWindow) and (bar := window.statusBar()) is not None:
                make_plain(bar)  # napari says there which file a layer is of
            PlainDialogs(window, *window.findChildren(QtViewer))

    def keyReleaseEvent(self, event: QKeyEvent | None) -> None:  # Qt's name
        """A key that was typed into a field was none of napari's: on its release it would take a tool back."""
        super().keyReleaseEvent(event)
        napari = self._keys_of_napari
        if event is not None and napari is not None and not napari.holds(event.key()):
            event.accept()

    def hideEvent(self, event: QHideEvent | None) -> None:  # Qt's name
        """Know that the dock was closed, or put behind another one."""
        super().hideEvent(event)
        self.session.in_sight = event is None or event.spontaneous()  # a minimised window keeps its keys

    def _lay_out(self) -> None:
        body = QWidget()
        body.setObjectName("lv-body")
        column = QVBoxLayout(body)
        column.setContentsMargins(6, 2, 6, 6)
        column.setSpacing(SPACING)
        for section in (self.segment, self.correct, self.train):
            column.addWidget(section)
        column.addStretch(1)
        scroll = self.scroll_area = FollowingScroll(body)
        scroll.setObjectName("lv-scroll")
        self.train.start_button.clicked.connect(scroll.follow)  # progress, curve and verdict open below it
        research = Label("Research use only. Not for diagnosis.")
        research.setProperty("lv", "research")
        research.setAlignment(Qt.AlignmentFlag.AlignCenter)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.header)
        outer.addWidget(self.recovery_bar)
        outer.addWidget(self.moved_bar)
        outer.addWidget(scroll, 1)
        outer.addWidget(research)

    def _forget_solved(self, _event: object = None) -> None:
        """Why something was refused is said no more once that is not so."""
        accepter, session = self.accepter, self.session
        reasons = {accepter.blocked(), session.blocked(), session.unseen_mask(), accepter.unfit()}
        for line in (self.segment.line, self.correct.line):
            if line.text() in self._reasons - reasons:
                line.solved()
        self._reasons = reasons

    def _follow_theme(self, _event: object = None) -> None:
        if not self.session.is_open:
            return
        colours = Colours.of(self.viewer.theme)
        self.setStyleSheet(sheet(colours))
        for part in (self.segment.spark, self.correct.frames.painter):
            part.colours = colours
        self.segment.spark.update()
        self.train.follow_theme(colours)
        self.correct.frames.repaint_rows()

    def close_session(self) -> None:
        """Stop listening and working; what is being saved is still saved, runs go on."""
        _close(*self._parts())

    def _parts(self) -> tuple[Any, ...]:
        """What works or listens, in the order in which it is closed."""
        return (
            self.last_workspace,
            self.header.received.errands,
            self.recoverer,
            self.losing,
            self.segmenter,
            self.accepter,
            self.correct.take_back,
            self.postman,
            self.follower,
            self.recaller,
            self.journalist,
            self.trainer,
            self.keys,
            self.session,
        )


def _close(*parts: Any) -> None:
    for part in parts:
        part.close()
