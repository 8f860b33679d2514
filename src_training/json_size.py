"""What a JSON text from elsewhere becomes in memory, reckoned before it is parsed."""

from __future__ import annotations

# Sizes of CPython 3.11 and later, each with its place in what holds it: a number; what a text takes beyond that, for
# each of its quotation marks; a list; an object; a key, in its object and in the parser's own table, which grow ahead.
_NUMBER, _QUOTE, _LIST, _OBJECT, _KEY = 40, 12, 128, 200, 200
# Copies of the text: as bytes, as read, in its parts; one letter may make all of it wider.
_COPIES, _WIDE_COPIES = 3, 9


def parsing_bytes(text: bytes) -> int:
    """The most bytes that a text takes while it is parsed; no less for one that is no JSON."""
    parts = ((b",", _NUMBER), (b'"', _QUOTE), (b"[", _LIST), (b"{", _OBJECT), (b":", _KEY))
    copies = _COPIES if text.isascii() else _WIDE_COPIES
    return copies * len(text) + sum(size * text.count(mark) for mark, size in parts)
