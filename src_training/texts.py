"""Texts from elsewhere, made fit to be shown: as one line, bounded, with what cannot be seen written out.

File names, tags, cards, events and messages may hold anything: letters that turn the reading direction, that a terminal
obeys, that show nothing, or a hundred thousand of them.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
import unicodedata
from collections.abc import Iterable
from typing import Any

#: Letters of a line that refuses or remarks, of one result, and of a word in it.
MOST, MOST_OF_RESULT, MOST_OF_WORD = 480, 5000, 120
_MOST_LINES, _FIRST_LINES = 200, 40  # of a text of several lines, such as a traceback
_MOST_MARKS = 3  # combining marks on one letter; more of them grow over the lines above and below
_GAP = " … "
# Shown as nothing or as a blank, though Unicode counts them as letters, marks and symbols.
_UNSEEN = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xE0100, 0xE01EF),
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_WORD = re.compile(rf"\S{{{MOST_OF_WORD + 1},}}")


def printable(text: str) -> str:
    r"""One line that quotes what may be anything: what is not to be seen is written as ``\n``, ``\x1b``, ``\u202e``."""
    if text.isascii() and text.isprintable():
        return text
    shown, marks = [], 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in ("Mn", "Me") else 0
        shown.append(_escape(letter) if is_unseen(letter) or marks > _MOST_MARKS else letter)
    return "".join(shown)


def line(text: object, most: int = MOST) -> str:
    """A text as one printable line of at most ``most`` letters; long words, such as file names, give way first."""
    whole = str(text)
    shown = printable(_without_middle(whole, 8 * most))  # nobody waits for a million letters to be looked at
    if len(shown) > most:
        shown = _WORD.sub(lambda word: _without_middle(word.group(), MOST_OF_WORD, "…"), shown)
    return _without_middle(shown, most)


def lines(texts: str | Iterable[object], most: int = MOST) -> list[str]:
    """Several lines (of a text: as it is broken), each printable and bounded; of very many the first and the last."""
    found = texts.split("\n") if isinstance(texts, str) else list(texts)
    if len(found) > _MOST_LINES:
        left_out = len(found) - _MOST_LINES
        last = found[_FIRST_LINES + left_out :]
        found = [*found[:_FIRST_LINES], f"… {left_out} lines left out …", *last]
    return [line(one, most) for one in found]


def is_unseen(letter: str) -> bool:
    """Whether a letter shows nothing, or does something to what is around it."""
    code = ord(letter)
    return not letter.isprintable() or (code > 0x2FF and any(low <= code <= high for low, high in _UNSEEN))


def json_text(record: Any) -> str:
    r"""A record as one line of strict JSON: what is not to be seen is ``\uXXXX``, so that no terminal obeys it."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    if text.isascii() and text.isprintable():
        return text
    return "".join(json.dumps(letter)[1:-1] if is_unseen(letter) else letter for letter in text)


class Harmless(logging.Filter):
    """Lets a logger write what may be anything: its messages and tracebacks are printable and bounded."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; it always passes."""
        record.msg, record.args = line(record.getMessage()), None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = "\n".join(lines("".join(traceback.format_exception(*record.exc_info)).rstrip()))
        return True


def logger(name: str) -> logging.Logger:
    """The logger of a module, made harmless."""
    made = logging.getLogger(name)
    if not any(isinstance(one, Harmless) for one in made.filters):
        made.addFilter(Harmless())
    return made


class HarmlessStream:
    """A text stream that writes only what is seen, and line ends: for warnings and tracebacks of whatever library."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text``, with what is not to be seen written out."""
        self._stream.write("\n".join(map(printable, text.split("\n"))))
        return len(text)

    def writelines(self, texts: Iterable[str]) -> None:
        """Write them one after the other."""
        for text in texts:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _escape(letter: str) -> str:
    code = ord(letter)
    if letter in _SHORT:
        return _SHORT[letter]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _without_middle(text: str, most: int, gap: str = _GAP) -> str:
    if len(text) <= most:
        return text
    first = (most - len(gap)) // 2
    return text[:first] + gap + text[len(text) - (most - len(gap) - first) :]
