"""Hostile texts through every place where the product says something: plain, bounded, seen, and at once."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from hostile_texts import MOST, MOST_OF_RESULT, faults_of, made_texts, unseen
from soak_table import Figure, Part, Size, all_of, measured, none_of

from src_training import cli, texts
from src_training.cli import common
from src_training.cli.describing import description
from src_training.errors import LightVesselError
from src_training.models import load_model
from src_training.runs import RunState
from src_training.runs.log import tail
from src_training.runs.telling import event_text

_TEXTS = {"quick": 20, "full": 3_000}
_TEXTS_OF_THE_WINDOW = {"quick": 0, "full": 400}  # beside those by hand
_PATIENCE_S = {"quick": 120, "full": 1_500}
_WHOLE = 10_000  # letters of a text, where no bound is promised
_ENOUGH = 20  # faults: more of them would say the same
_CHILD = Path(__file__).resolve().parent.parent / "plugin" / "texts_child.py"
_BUG = "LIGHTVESSEL_SOAK_BUG"


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """The core in this process, the window in one of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    yield from _core(list(made_texts(folder / "pipe", _TEXTS[size], seed=1)), folder)
    yield from _window(size, folder)


# -- the core ------------------------------------------------------------------------------------------------------


def _core(hostiles: list[str], folder: Path) -> Iterator[Figure]:
    places = _places(folder)
    wrong, longest = dict.fromkeys(("unseen", "long", "changed"), 0), 0.0
    for text in hostiles:
        if sum(wrong.values()) > _ENOUGH:
            break
        for name, (say, most) in places.items():
            began = time.monotonic()
            said = say(text)
            longest = max(longest, time.monotonic() - began)
            found = faults_of(said, most)
            wrong["unseen"] += bool(unseen(said))
            wrong["long"] += len(found) > bool(unseen(said))
            wrong["changed"] += name.startswith("JSON") and json.loads(said)["text"] != _as_json(
                text[:_WHOLE]
            )
            if found:
                print(f"# texts: {name}: {found} in {said[:120]!r}", file=sys.stderr)
    of = len(hostiles) * len(places)
    words = f"{len(hostiles):,} hostile texts in {len(places)} places of the core"
    yield none_of(f"{words}: with a letter that is not seen", wrong["unseen"], of)
    yield none_of(f"{words}: with a line over its bound", wrong["long"], of)
    yield none_of("JSON that says something else", wrong["changed"], len(hostiles))
    yield measured("the longest that one of them took", longest, "10 s")


def _as_json(text: str) -> str:
    return json.loads(json.dumps(text))


def _places(folder: Path) -> dict[str, tuple[Callable[[str], str], int]]:
    """What is said of a text, and how long a line of it may be."""
    model, log = load_model("small"), folder / "log.txt"

    def card(text: str) -> str:
        told = {
            "trained_on": text,
            "intended_use": text,
            "parent": text,
            "metrics": {"m": {text: {text: 0.5}}},
        }
        object.__setattr__(model, "card", load_model_card.model_copy(update=told))
        return _printed(lambda: common.result(description(model)))

    load_model_card = model.card

    def logged(text: str) -> str:
        log.write_text(text, encoding="utf-8", errors="replace")
        return tail(log, 40)

    return {
        "an error": (lambda text: str(LightVesselError(f"{text}: no. Mend it.")), MOST),
        "a remark": (lambda text: _printed(lambda: common.say(text)), MOST),
        "a result": (lambda text: _printed(lambda: common.result(text)), MOST_OF_RESULT),
        "JSON": (lambda text: _printed(lambda: common.result("", {"text": text[:_WHOLE]}, True)), 10**9),
        "a failure": (lambda text: _printed(lambda: common.failure(text, text, False)), MOST),
        "the end of a command": (lambda text: _printed(lambda: cli._end(text, 2)), MOST),
        "an event": (lambda text: event_text({"event": "log", "message": text}), MOST),
        "a run": (lambda text: RunState().fold([{"event": "failed", "message": text}]).message, MOST),
        "a log": (logged, MOST),
        "a card": (card, MOST_OF_RESULT),
        "a logger": (_by_a_logger, MOST),
        "a library": (_by_a_library, 10**9),
    }


def _printed(act: Callable[[], object]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        act()
    return out.getvalue().removesuffix("\n")


def _by_a_logger(text: str) -> str:
    record = logging.LogRecord("lightvessel", logging.WARNING, __file__, 1, "%s", (text,), None)
    for one in texts.logger("lightvessel.soak").filters:
        one.filter(record)
    return record.getMessage()


def _by_a_library(text: str) -> str:
    out = io.StringIO()
    print(text[:_WHOLE], file=cli._harmless(out))
    return out.getvalue().removesuffix("\n")


# -- the window ----------------------------------------------------------------------------------------------------


def _window(size: Size, folder: Path) -> Iterator[Figure]:
    """The real dock, drawn and with its tooltips shown; a pipe stands for what an image would be loaded from."""
    pipe = folder / "pipe"
    if not hasattr(os, "mkfifo"):
        return
    os.mkfifo(pipe)
    words = [sys.executable, str(_CHILD), str(pipe), str(_TEXTS_OF_THE_WINDOW[size])]
    try:
        done = subprocess.run(words, capture_output=True, timeout=_PATIENCE_S[size], env=dict(os.environ))
        lines = done.stdout.decode().splitlines()
        told = json.loads(lines[-1]) if lines else {}
        if not told or told["faults"]:
            print(done.stderr.decode()[-2000:], file=sys.stderr)
    except subprocess.TimeoutExpired:
        told = {}
    yield all_of("the real dock, with a pipe in its texts: came to its end", int(bool(told)), 1)
    if told:
        looks = f"{told['texts']:,} hostile texts in {told['places']} places of the real dock"
        yield none_of(
            f"{looks}: widgets rich, unseen, too long or too wide", told["faults"], told["looked_at"]
        )
        yield measured("the longest that one text took in all places", told["longest"], "10 s")


def _in_the_window(bug: str) -> Callable[[], contextlib.AbstractContextManager[object]]:
    @contextlib.contextmanager
    def planted() -> Iterator[None]:
        with mock.patch.dict(os.environ, {_BUG: bug}), mock.patch.dict(_TEXTS, quick=1):
            yield

    return planted


PART = Part(
    run,
    {
        "letters go as they come": lambda: mock.patch.object(texts, "is_unseen", return_value=False),
        "no bound": lambda: mock.patch.object(texts, "_without_middle", lambda text, *_rest: text),
        "JSON as it comes": lambda: mock.patch.object(
            common, "json_text", lambda record: json.dumps(record, ensure_ascii=False)
        ),
        "Qt guesses": _in_the_window("guesses"),
        "tooltips as they come": _in_the_window("tips"),
    },
    windows=True,
)
