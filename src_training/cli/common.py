"""What every command shares: results on stdout, progress on stderr, one line for each foreseeable error."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from src_training import durable
from src_training.errors import LightVesselError
from src_training.texts import MOST_OF_RESULT, json_text, line

if TYPE_CHECKING:
    from src_training.cine import Polarity


class Vessels(StrEnum):
    """How vessels look beside what surrounds them."""

    AUTO = "auto"
    BRIGHT = "bright"
    DARK = "dark"


VesselsOption = typer.Option(
    Vessels.AUTO, "--vessels", help="How vessels look in the pictures; auto looks and says what it found."
)
BrightAlias = typer.Option(
    False, "--invert", "--vessels-bright", hidden=True, help="Former names of --vessels bright."
)
JsonFlag = typer.Option(False, "--json", help="Results for machines: one JSON object a line on stdout.")


_TELL_EVERY_S = 3.0
_quiet = False


def be_quiet(quiet: bool) -> None:
    """Tell no progress from here on, or tell it again."""
    global _quiet
    _quiet = quiet


def say(text: str) -> None:
    """A remark or a summary, for the person watching (stderr): one line, whatever the names in it are made of."""
    print(line(text), file=sys.stderr, flush=True)


def progress(text: str) -> None:
    """How far the work is: said on a terminal where somebody watches, unless ``--quiet``; never into a log."""
    if not _quiet and sys.stderr.isatty():
        say(text)


def failure(source: object, error: object, as_json: bool) -> None:
    """Something bad that a command goes on past: a line, and for machines a record with ``error`` among the results.

    What ends a command is raised instead: a line and an exit code then, with ``--json`` as well.
    """
    say(f"lightvessel: {error}")
    if as_json:
        result("", {"input": str(source), "error": line(error)}, True)


def counting(of: int, doing: str) -> Callable[[], None]:
    """What is called before each of ``of`` steps, from any thread: now and then it tells how far the work is."""
    lock, told, done = threading.Lock(), time.monotonic(), 0

    def one_more() -> None:
        nonlocal told, done
        with lock:
            if time.monotonic() - told > _TELL_EVERY_S:
                told = time.monotonic()
                progress(f"{doing}: {done} of {of}")
            done += 1

    return one_more


def result(text: str | list[str], record: dict[str, Any] | None = None, as_json: bool = False) -> None:
    """A result on stdout: a line or lines for people, ``record`` as one JSON line for machines; flushed at once."""
    if not as_json:
        lines = [text] if isinstance(text, str) else text
        _print("\n".join(line(one, MOST_OF_RESULT) for one in lines))
    elif record is not None:
        _print(json_line(record))


class Unread(LightVesselError):
    """Nobody takes the results any more: whoever read them has gone, or their disk is full."""


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError as error:
        raise Unread("nobody reads the results any more, so the work stops here") from error
    except OSError as error:
        raise Unread(f"the results cannot be written: {durable.cure_for(error)}") from error


def json_line(record: dict[str, Any]) -> str:
    """A record as one line of strict JSON: what is not finite is null, what is not to be seen is escaped."""
    from src_training.runs.writing import plain

    text = json_text(plain(record))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a console that is not UTF-8
        return json.dumps(plain(record), allow_nan=False)
    return text


def check_folder(output: Path) -> None:
    """Raise LightVesselError when ``-o`` cannot be a folder because a file is in its place."""
    for place in (output, *output.parents):
        if os.path.exists(place) and not os.path.isdir(place):
            raise LightVesselError(f"{place.name}: is a file, not a folder. Choose another folder with -o.")


def told_polarity(vessels: Vessels, bright: bool) -> bool | None:
    """What ``--vessels`` or its older forms say: bright, dark, or None where the picture is to be looked at."""
    if bright and vessels is Vessels.DARK:
        raise LightVesselError("--vessels dark and --invert contradict each other. Give one of them.")
    return None if vessels is Vessels.AUTO and not bright else bright or vessels is Vessels.BRIGHT


def say_polarity(found: Iterable[tuple[str, Polarity]]) -> None:
    """Say of which files the vessels were found bright, and of which it is in doubt."""
    by_finding: dict[tuple[bool, str], list[str]] = {}
    for name, polarity in found:
        by_finding.setdefault((polarity.bright, polarity.source), []).append(name)
    if names := by_finding.get((True, "detected")):
        say(f"vessels look bright in {listed(names)} and are taken so; if they are dark: --vessels dark")
    if names := by_finding.get((False, "assumed")):
        say(
            f"vessels are neither clearly dark nor bright in {listed(names)}: taken as dark; else: --vessels bright"
        )


def listed(names: list[str], most: int = 5) -> str:
    """Names for a line of text; of many only the first."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def say_remarks(remarks: Iterable[str], most: int = 20) -> None:
    """Say what a person should know about how files were read (`Cine.remarks`), each line once."""
    found = list(dict.fromkeys(remarks))
    for remark in found[:most]:
        say(remark)
    if len(found) > most:
        say(f"and {len(found) - most} more remarks like these; lightvessel info FILE shows those of a file")


def say_left_out(paths: Iterable[Path]) -> None:
    """Say how many files of the folders among ``paths`` are passed over because they are no images."""
    from src_training.cine.read import left_out

    names = [file.name for file in left_out(paths)]
    if names:
        say(f"{len(names)} file(s) left out, which are no images: {listed(names)}")


def say_left_out_folders(paths: Iterable[Path], output: Path) -> None:
    """Say which folders in those among ``paths`` are not looked into; what is or holds ``output`` is not meant."""
    from src_training.cine.read import folders_left_out

    place = output.resolve()
    folders = [one for one in folders_left_out(paths) if not place.is_relative_to(one.resolve())]
    if names := [folder.name for folder in folders]:
        say(f"{len(names)} folder(s) in it not looked into: {listed(names)}. Give them, too.")


def say_left_out_masks(paths: Iterable[Path]) -> None:
    """Say how many files of the folders among ``paths`` are passed over because they are masks of others there."""
    from src_training.cine.read import left_out_masks

    if names := [file.name for file in left_out_masks(paths)]:
        say(f"{len(names)} mask(s) beside their images left out: {listed(names)}")
