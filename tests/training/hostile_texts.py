"""Texts that mean harm where they are shown, and what a text that is fit to be shown looks like."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

# The numbers of the product, said once more: a test that took them from it would follow it anywhere.
MOST, MOST_OF_RESULT = 500, 5000
_BLANK = set("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180e\u2800\u3164\ufe0f\uffa0\U000e0101")


def hostile(pipe: Path | str) -> dict[str, str]:
    """By what they try; ``pipe`` is what an image of theirs is to be loaded from."""
    return {
        "image": f'<img src="{pipe}">',
        "image in a sentence": f'the run <img src="{pipe}"> failed',
        "style sheet": f'<style>body{{background:url("{pipe}")}}</style><body>saved</body>',
        "bold": "<b>ACCEPTED</b> by <i>chief</i>",
        "link": '<a href="file://server/share/x">press here</a>',
        "document": "<html><body><h1>saved</h1></body></html>",
        "declaration": '<?xml version="1.0"?><p>saved</p>',
        "entities": "&lt;b&gt;saved&lt;/b&gt; &#8238; A&B &New &amp;",
        "override": "scan\u202egnp.exe and \u202dmore",
        "isolates": "\u2066a\u2067b\u2068c\u2069 \u061c\u200f\u200e",
        "embeddings": "\u202aa\u202bb\u202c",
        "zero width": "sm\u200ball\u200c\u200d\u2060\ufeff\u00ad",
        "blank letters": "a\u3164b\u2800c\u115fd\u1160e\uffa0f\u034fg\ufe0fh\U000e0101",
        "tag letters": "ok\U000e0041\U000e0042",
        "terminal": "\x1b[2J\x1b[31mred\x1b]0;title\x07\x1b]52;c;cm0=\x07",
        "terminal in eight bits": "\x9b2J\x9b31m\x90q\x9c\x9d0;t\x9c",
        "lines": "one\ntwo\r\nthree\u2028four\u2029five\x0b\x0csix\x85seven\rlightvessel: saved",
        "marks": "e" + "\u0301\u0489" * 400,
        "no text": "a\x00b\ud800c\udc80\uffff",
        "patterns": "%s %(name)s {0} {x} $HOME `id` ;",
        "long word": "x" * 100_000,
        "long": "word " * 20_000,
        "many lines": "line\n" * 20_000,
        "many images": f'<img src="{pipe}"> ' * 4_000,
        "many overrides": "\u202e" * 50_000,
    }


def made_texts(pipe: Path, count: int, seed: int) -> Iterator[str]:
    """The hostile ones, then as many mixtures of their pieces with any letters there are."""
    known = list(hostile(pipe).values())
    yield from known
    dice = random.Random(seed)
    for _ in range(count):
        pieces = [text[: dice.choice((20, 200, 2_000))] for text in dice.choices(known, k=dice.randint(1, 4))]
        anything = "".join(chr(dice.randrange(0x110000)) for _ in range(dice.randint(0, 40)))
        yield dice.choice(("", " ", "\n", "A&B ")).join([*pieces, anything]) * dice.choice((1, 1, 1, 50))


def as_file_name(text: str, most: int = 250) -> str:
    """The same, as far as a file can be called so, in at most ``most`` bytes."""
    name = text.replace("/", "∕").replace("\x00", "").encode("utf-8", "replace")
    return name[:most].decode("utf-8", "ignore").strip() or "x"


def unseen(text: str) -> list[str]:
    """Letters of a text (but for the ends of its lines) that are not seen, or do something."""
    return [
        hex(ord(letter))
        for letter in text
        if letter != "\n"
        and (unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or letter in _BLANK)
    ]


def faults_of(text: str, most: int = MOST) -> list[str]:
    """What is wrong with lines that are shown; empty when nothing is."""
    found = [f"unseen letters {unseen(text)[:5]}"] if unseen(text) else []
    longest = max(map(len, text.split("\n")))
    return found + ([f"a line of {longest} letters"] if longest > most else [])
