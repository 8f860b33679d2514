"""Colours and spacing of the dock, taken from napari's theme so that dark and light both read well."""

from __future__ import annotations

from dataclasses import dataclass

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
    return f"""
    QWidget#lv-dock, QWidget#lv-dock QLabel, QScrollArea#lv-scroll, QWidget#lv-body {{ background: {c["background"]}; }}
    QFrame[lv="section"] {{ background: {c["raised"]}; border-radius: 6px; }}
    QFrame[lv="section"] QWidget {{ background: transparent; }}
    QWidget#lv-dock QFrame[lv="section"] QLabel {{ background: transparent; }}
    QToolButton[lv="title"] {{ background: transparent; border: none; font-weight: 600; text-align: left; padding: 2px; }}
    QToolButton[lv="title"]:hover {{ color: {c["accent"]}; }}
    QLabel[lv="name"], QLabel[lv="faint"] {{ color: {c["faint"]}; }}
    QLabel[lv="research"] {{ color: {c["faint"]}; font-weight: 600; padding: 2px; }}
    QLabel[lv="badge"] {{ color: {c["text"]}; border: 1px solid {c["border"]}; border-radius: 7px; padding: 0px 6px; }}
    QWidget#lv-dock QPushButton, QWidget#lv-dock QToolButton[lv="plain"] {{
        background: {c["control"]}; color: {c["text"]}; border: none; border-radius: 4px; padding: 5px 9px;
        min-height: 16px; }}
    QWidget#lv-dock QPushButton:hover, QWidget#lv-dock QToolButton[lv="plain"]:hover {{ background: {c["border"]}; }}
    QWidget#lv-dock QPushButton:checked {{ background: {c["accent"]}; color: {c["on_accent"]}; }}
    QWidget#lv-dock QPushButton:disabled, QWidget#lv-dock QToolButton[lv="plain"]:disabled {{
        background: transparent; color: {c["faint"]}; border: 1px solid {c["control"]}; padding: 4px 8px; }}
    QWidget#lv-dock QPushButton[lv="primary"]:enabled {{
        background: {c["accent"]}; color: {c["on_accent"]}; font-weight: 600; }}
    QWidget#lv-dock QPushButton[lv="primary"]:enabled:hover {{ background: {colours.accent.lighter(112).name()}; }}
    QWidget#lv-dock QPushButton:focus, QWidget#lv-dock QToolButton:focus {{ border: 1px solid {c["accent"]}; padding: 4px 8px; }}
    QFrame[lv="section"] QComboBox, QFrame[lv="section"] QLineEdit, QFrame[lv="section"] QAbstractSpinBox {{
        background: {c["control"]}; border-radius: 4px; }}
    QFrame[lv="section"] QComboBox QAbstractItemView {{ background: {c["control"]}; }}
    QLabel[lv-kind="good"] {{ color: {c["good"]}; }}
    QLabel[lv-kind="bad"] {{ color: {c["bad"]}; }}
    QLabel[lv-kind="warn"] {{ color: {c["warn"]}; }}
    QLabel[lv-kind="info"], QLabel[lv-kind="busy"] {{ color: {c["faint"]}; }}
    QFrame[lv="ask"] {{ border: 1px solid {c["warn"]}; border-radius: 4px; }}
    QProgressBar {{ background: {c["control"]}; border: none; border-radius: 3px; min-height: 6px; max-height: 6px; }}
    QProgressBar::chunk {{ background: {c["accent"]}; border-radius: 3px; }}
    QListWidget[lv="frames"] {{ background: {c["background"]}; border-radius: 4px; }}
    QPlainTextEdit[lv="log"] {{ background: {c["background"]}; color: {c["faint"]}; border-radius: 4px; }}
    """


def _mix(first: QColor, second: QColor, share: float) -> QColor:
    return QColor(
        *(
            round(a * share + b * (1 - share))
            for a, b in zip(first.getRgb()[:3], second.getRgb()[:3], strict=True)
        )
    )
