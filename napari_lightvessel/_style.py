"""Colours and spacing of the dock, taken from napari's theme so that dark and light both read well."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from napari.utils.theme import get_theme
from qtpy.QtGui import QColor

SPACING = 6
MARGIN = 10


@dataclass(frozen=True)
class Colours:
    """The theme's colours under the names the dock uses."""

    background: QColor
    raised: QColor
    control: QColor
    border: QColor
    text: QColor
    faint: QColor
    accent: QColor
    on_accent: QColor
    good: QColor
    bad: QColor
    warn: QColor

    @classmethod
    def of(cls, theme_name: str) -> Colours:
        """Read a napari theme; good and bad are darkened on light themes for contrast."""
        theme = get_theme(theme_name)
        dark = theme.type == "dark"
        named = {
            key: QColor(*getattr(theme, key).as_rgb_tuple()[:3])
            for key in ("background", "foreground", "primary", "secondary", "text")
        }
        accent = QColor("#5b7cf0") if dark else QColor("#3555c8")
        return cls(
            background=named["background"],
            raised=named["foreground"],
            control=named["primary"],
            border=named["secondary"],
            text=named["text"],
            faint=_mix(named["text"], named["background"], 0.62),
            accent=accent,
            on_accent=QColor("white"),
            good=QColor("#4cc38a") if dark else QColor("#1b7f4b"),
            bad=QColor("#ff7b72") if dark else QColor("#b3261e"),
            warn=QColor("#e3b617") if dark else QColor("#8a6100"),
        )


def sheet(colours: Colours) -> str:
    """The dock's style sheet; everything it does not name stays napari's own."""
    c = {name: value.name() for name, value in vars(colours).items()}
    return _SHEET.substitute(c, lit=colours.accent.lighter(112).name())


def _mix(first: QColor, second: QColor, share: float) -> QColor:
    pairs = zip(_rgb(first), _rgb(second), strict=True)
    return QColor(*(round(a * share + b * (1 - share)) for a, b in pairs))


def _rgb(colour: QColor) -> tuple[int, int, int]:
    return colour.red(), colour.green(), colour.blue()


_SHEET = Template(
    """
    QWidget#lv-dock, QScrollArea#lv-scroll, QWidget#lv-body { background: $background; }
    QWidget#lv-dock QLabel { background: transparent; padding: 2px 0px; }
    QFrame[lv="section"] { background: $raised; border-radius: 6px; }
    QFrame[lv="section"] QWidget { background: transparent; }
    QToolButton[lv="title"] {
        background: transparent; border: none; font-weight: 600; text-align: left; padding: 2px; }
    QToolButton[lv="title"]:hover { color: $accent; }
    QLabel[lv="name"], QLabel[lv="faint"] { color: $faint; }
    QLabel[lv="strong"] { font-weight: 600; }
    QWidget#lv-dock QLabel[lv="research"] { color: $faint; font-weight: 600; padding: 4px; }
    QWidget#lv-dock QLabel[lv="badge"] {
        color: $text; border: 1px solid $border; border-radius: 7px; padding: 0px 6px; }
    QWidget#lv-dock QPushButton, QWidget#lv-dock QToolButton[lv="plain"] {
        background: $control; color: $text; border: none; border-radius: 4px;
        padding: 5px 9px; min-height: 16px; }
    QWidget#lv-dock QPushButton:hover, QWidget#lv-dock QToolButton[lv="plain"]:hover { background: $border; }
    QWidget#lv-dock QPushButton:checked { background: $accent; color: $on_accent; }
    QWidget#lv-dock QPushButton:disabled, QWidget#lv-dock QToolButton[lv="plain"]:disabled {
        background: transparent; color: $faint; border: 1px solid $control; padding: 4px 8px; }
    QWidget#lv-dock QPushButton[lv="primary"]:enabled {
        background: $accent; color: $on_accent; font-weight: 600; }
    QWidget#lv-dock QPushButton[lv="primary"]:enabled:hover { background: $lit; }
    QWidget#lv-dock QPushButton:focus, QWidget#lv-dock QToolButton[lv="plain"]:focus {
        border: 1px solid $accent; padding: 4px 8px; }
    QFrame[lv="section"] QComboBox, QFrame[lv="section"] QLineEdit, QFrame[lv="section"] QAbstractSpinBox {
        background: $control; border-radius: 4px; }
    QFrame[lv="section"] QComboBox QAbstractItemView { background: $control; }
    QLabel[lv-kind="good"] { color: $good; }
    QLabel[lv-kind="bad"] { color: $bad; }
    QLabel[lv-kind="warn"] { color: $warn; }
    QLabel[lv-kind="info"], QLabel[lv-kind="busy"] { color: $faint; }
    QFrame[lv="ask"] { border: 1px solid $warn; border-radius: 4px; }
    QFrame[lv="section"] QProgressBar {
        background: $control; border: none; border-radius: 3px; min-height: 6px; max-height: 6px; }
    QFrame[lv="section"] QProgressBar::chunk { background: $accent; border-radius: 3px; }
    QListWidget[lv="frames"]:focus { border: 1px solid $accent; }
    QListWidget[lv="frames"] { background: $background; border-radius: 4px; }
    QFrame[lv="section"] QPlainTextEdit[lv="log"] { background: $background; color: $faint; border-radius: 4px; }
    """
)
