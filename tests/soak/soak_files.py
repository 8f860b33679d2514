"""Damaged files of every kind: each opens or is refused in one line, in time, and nothing else happens."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from damaged_files import damaged, mask_refusal_of, refusal_of
from damaged_seeds import CINES, MASKS, Seed
from played_decoders import Watch, decoding_with, watching
from soak_decoders import GREEDY_BYTES
from soak_table import Figure, Part, Size, all_of, none_of

from src_training.processes import clean_environment

_MUTATIONS = {"quick": 640, "full": 20_000}
_SHELL = {"quick": 40, "full": 600}
_SEGMENTED = {"quick": 10, "full": 120}
_LONGEST_S = 10.0
_ENOUGH = 5  # broken promises: more of them tell nothing more
_ERROR = "exit code 1"  # how Python ends with an error that nobody caught


@dataclass
class Outcome:
    """What became of the damaged files so far."""

    tried: int = 0
    foreign: int = 0
    late: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def broken(self) -> int:
        """How often a promise was broken."""
        return self.foreign + self.late + self.lost[_ERROR]


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Every kind of file in turn, here and in the shell."""
    outcome = Outcome()
    with watching() as watch:
        for number in range(_MUTATIONS[size]):
            _meet(outcome, number, folder)
            if outcome.broken > _ENOUGH:
                break
    yield from _figures(outcome, watch)
    if not outcome.broken:
        yield from _in_the_shell(size, folder / "angiograms")


def _figures(outcome: Outcome, watch: Watch) -> Iterator[Figure]:
    tried = outcome.tried
    opened = tried - sum(outcome.refused.values()) - outcome.foreign
    yield none_of(
        f"{tried:,} damaged files: other than opened or refused in one line", outcome.foreign, tried
    )
    yield none_of("… waits of more than 10 s", outcome.late, tried)
    yield none_of(
        "… decoding processes that held more than 1.5 GB", watch.greedy(GREEDY_BYTES), len(watch.pids)
    )
    yield none_of("… decoding processes ended by an error in Python", outcome.lost[_ERROR], tried)
    yield Figure("… opened all the same", f"{opened:,} of {tried:,}", "some", 0 < opened < tried)
    yield Figure("… decoding processes lost", _listed(outcome.lost), "-", None)
    yield Figure(
        "… most memory of a decoding process", f"{max(watch.most_bytes.values()) >> 20} MiB", "-", None
    )


def _meet(outcome: Outcome, number: int, folder: Path) -> None:
    """Damage the seed whose turn it is, read it, and remember what came of it."""
    name, seed, read = _turn(number)
    path = folder / f"{number % 50}{seed.ending}"
    path.write_bytes(damaged(seed, np.random.default_rng(number)))
    outcome.tried += 1
    began = time.monotonic()
    try:
        line = read(path)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        outcome.foreign += 1
        print(f"# files: {name}, damage {number}: {error!r}", file=sys.stderr)
    else:
        _remember(outcome, name, number, path.name, line)
    # Opening, two frames: a question each.
    outcome.late += time.monotonic() - began > _LONGEST_S


def _turn(number: int) -> tuple[str, Seed, Callable[[Path], str | None]]:
    """Every fifth file is a mask."""
    table, read = (MASKS, mask_refusal_of) if number % 5 == 0 else (CINES, refusal_of)
    name = list(table)[number // 5 % len(table) if table is MASKS else number % len(table)]
    return name, table[name], read


def _remember(outcome: Outcome, kind: str, number: int, name: str, line: str | None) -> None:
    if line is None:
        return
    outcome.refused[kind] += 1
    if not (line.isprintable() and line.startswith(name)):
        outcome.foreign += 1
        print(f"# files: {kind}, damage {number}: the line {line!r}", file=sys.stderr)
    for ending in re.findall(r"crashed \((.*?)\)|(took longer|takes more memory)", line):
        outcome.lost["".join(ending)] += 1
        print(f"# files: {kind}, damage {number}: {line}", file=sys.stderr)


def _in_the_shell(size: Size, folder: Path) -> Iterator[Figure]:
    """Folders of damaged files through the command line, which ends with 0 or 2 and speaks in lines of its own."""
    for command, count in (("info", _SHELL[size]), ("segment", _SEGMENTED[size])):
        here = folder / command
        here.mkdir(parents=True)
        for number in range(count):
            _, seed, _ = _turn(5 * number + 1)
            (here / f"{number}.dcm").write_bytes(damaged(seed, np.random.default_rng(number)))
        more = ["-o", str(folder / "masks")] if command == "segment" else []
        told, strange = _called(command, str(here), *more)
        yield all_of(
            f"lightvessel {command} of a folder with {count} damaged files: answered for", told, count
        )
        yield none_of(f"lightvessel {command}: lines or exit codes that are not ours", strange, count)


def _called(*arguments: str) -> tuple[int, int]:
    """How many files the answer speaks of, and how many lines no line of ours looks like."""
    done = subprocess.run(
        [sys.executable, "-m", "src_training", *arguments, "--json"],
        capture_output=True,
        text=True,
        env=clean_environment(threads=1),
    )
    told = [line for line in done.stderr.splitlines() if re.match(r"lightvessel: \d+\.dcm: ", line)]
    remarks = (
        r"(lightvessel: )?\d+\.dcm: |vessels (look bright|are neither clearly dark nor bright) in \d+\.dcm"
        r"|\d+ of \d+ segmented$"
    )
    strange = [line for line in done.stderr.splitlines() if not re.match(remarks, line)]
    if done.returncode not in (0, 2):
        strange.append(f"exit code {done.returncode}")
    records = [json.loads(line, parse_constant=strange.append) for line in done.stdout.splitlines()]
    told += [record for record in records if "error" not in record]
    for line in strange:
        print(f"# files: {arguments[0]}: {line}", file=sys.stderr)
    return len(told), len(strange)


def _listed(lost: Counter[str]) -> str:
    return ", ".join(f"{count} {ending}" for ending, count in lost.most_common()) or "none"


_LETS_OUT = """
import contextlib
from src_training.cine import budget, cine, formats
from src_training.decoding import answers
for module in (budget, cine, formats, answers):
    module.readable = lambda *words: contextlib.nullcontext()
"""

PART = Part(run, {"errors of libraries leave the reader": lambda: decoding_with(_LETS_OUT)})
