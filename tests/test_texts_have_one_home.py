"""Texts become widgets in one file: elsewhere in the plugin nobody makes a label, a tooltip or a notification."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PLUGIN = Path(__file__).resolve().parent.parent / "napari_lightvessel"
HOME = "_texts.py"
# Widgets whose text Qt takes for HTML if it looks like it, and those whose text has to be escaped or bounded.
MADE = {
    *("QLabel", "QElidingLabel", "QMessageBox", "QErrorMessage", "QInputDialog", "QToolTip", "QWhatsThis"),
    *(
        "QTextEdit",
        "QPlainTextEdit",
        "QTextBrowser",
        "QTextDocument",
        "QGraphicsTextItem",
        "TextItem",
        "LabelItem",
    ),
    *("QProgressDialog", "QSplashScreen", "QSystemTrayIcon", "QPushButton", "QComboBox", "QGroupBox"),
    *("QDockWidget", "QStatusBar"),
}
SET = {
    *("setToolTip", "setWhatsThis", "setStatusTip", "setHtml", "appendHtml", "insertHtml", "setTextFormat"),
    *("setWindowTitle", "setTitle", "setMarkdown", "showMessage", "setInformativeText", "setDetailedText"),
    *("setItemText", "insertItem", "addItems", "insertItems", "setItemData"),
    *("show_info", "show_error", "show_warning", "show_debug", "show_console_notification"),
}
HTML = re.compile(
    r"</?(b|i|a|p|br|hr|img|span|font|div|h\d|ul|li|table|qt|html)\b[^>]*>|&(nbsp|lt|gt|amp);", re.IGNORECASE
)


def guilty(source: str) -> list[str]:
    """What of a file is for the factory alone, with its line."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [found for node in ast.walk(tree) if (found := _of(node, docs))]


def _of(node: ast.AST, docs: set[int]) -> str:
    if isinstance(node, ast.Call) and (name := _name(node.func)) in MADE | SET:
        return f"{node.lineno}: {name}(…)"
    if isinstance(node, ast.Call) and (owner := _name(getattr(node.func, "value", None))) in MADE:
        return f"{node.lineno}: {owner}.{_name(node.func)}(…)"
    if isinstance(node, ast.ClassDef) and (bases := sorted(MADE & {_name(base) for base in node.bases})):
        return f"{node.lineno}: a {bases[0]} of its own"
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    if id(node) not in docs and HTML.search(text):
        return f"{node.lineno}: HTML {text[:30]!r}"
    return ""


def _name(node: ast.AST | None) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


@pytest.mark.parametrize("file", sorted(path.name for path in PLUGIN.glob("**/*.py") if path.name != HOME))
def test_texts_become_widgets_in_one_file_only(file):
    assert guilty((PLUGIN / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "QLabel('x')",
        "QtWidgets.QLabel()",
        "part.setToolTip(x)",
        "QMessageBox.warning(None, 'a', b)",
        "show_error(line)",
        "class Mine(QLabel): pass",
        "x = f'<span style=\"{c}\">a</span>'",
        "x = 'a &nbsp; b'",
    ],
)
def test_what_is_looked_for_is_found(line):
    assert guilty(line)
    assert not guilty("label = Label('x < 3 & y')\ntip(part, line)")
