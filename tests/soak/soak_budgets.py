"""Cards, checkpoints, settings and records that were made to take a computer's memory or its day: each has an end."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from hostile_events import EVENTS, many_runs, run_folder, settings_of
from model_folders import rehash, stage_tiny
from safetensors.numpy import save_file
from soak_table import Figure, Part, Size, all_of, measured, none_of

from src_training import Workspace
from src_training.errors import LightVesselError
from src_training.models import bounds, loading
from src_training.models.card import Architecture
from src_training.models.loading import CARD_FILE, WEIGHTS_FILE, open_model
from src_training.networks import weight_shapes
from src_training.networks.reckoning import reckoned

_COUNT = {  # cards, models that are just small enough and run, settings, runs in one list
    "quick": (60, 1, 40, 100),
    "full": (3_000, 12, 1_000, 10_000),
}
_EVENT_BYTES = {"quick": 6 << 20, "full": 50 << 20}
_MOST_BYTES = 3 << 29  # 1.5 GiB
_HANGS_S = 60  # on a busy computer; ten on a free one
_MOST_PARSED = 4 << 20  # bytes of events for a look at one run


@dataclass
class Tally:
    """What became of the hostile things of one kind."""

    of: int = 0
    taken: list[str] = field(default_factory=list)
    unforeseen: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    largest: int = 0
    longest: float = 0.0

    def figures(self, what: str) -> Iterator[Figure]:
        """The promises about them."""
        yield none_of(f"{self.of:,} {what}: tracebacks", len(self.unforeseen), self.of)
        yield none_of(f"{self.of:,} {what}: given up after {_HANGS_S} s", len(self.hung), self.of)
        small = self.largest < _MOST_BYTES
        yield Figure(
            f"{what}: largest process", f"{self.largest >> 20:,} MiB", "< 1,536 MiB", small and self.of > 0
        )
        yield measured(f"{what}: longest", self.longest, "< 10 s on a free computer")


def run(size: Size, folder: Path) -> Iterator[Figure]:
    """Kind after kind, in processes of their own whose memory is measured."""
    cards, runnable, settings, runs = _COUNT[size]
    yield from _cards(cards, folder / "cards")
    yield from _just_small_enough(runnable, folder / "models")
    yield from _checkpoints(folder / "checkpoints", _QUICK_CHECKPOINTS if size == "quick" else None)
    yield from _settings(settings, folder / "settings")
    yield from _events(size, runs, folder / "events")


# -- models --------------------------------------------------------------------------------------------------


def _cards(count: int, folder: Path) -> Iterator[Figure]:
    tally, taken = _watched({f"{count} cards": partial(_open_cards, count, folder)}), folder / "taken"
    tally.of = count
    yield from tally.figures("hostile cards")
    yield none_of("of these, taken though absurd or too large", len(taken.read_text().splitlines()), count)


def _open_cards(count: int, folder: Path) -> None:
    rng, taken = random.Random(0), []
    stage_tiny(folder / "tiny")
    card = json.loads((folder / "tiny" / CARD_FILE).read_text())
    for number in range(count):
        changes, absurd = _absurd(rng)
        (folder / "tiny" / CARD_FILE).write_text(json.dumps(card | changes))
        try:
            open_model(folder / "tiny")
        except LightVesselError as error:
            # Of a network that is affordable the weights are not its own; the tiny one's fit no other.
            if absurd and "does not fit its card" in str(error):
                taken.append(str(number))
            if "\n" in str(error) or len(str(error)) > 2000:
                raise ValueError("not a line") from error
        else:  # of other families the weights are looked at when a network takes them
            taken += [str(number)] * absurd
    (folder / "taken").write_text("\n".join(taken))


def _absurd(rng: random.Random) -> tuple[dict, bool]:
    """Changes of a card, and whether they alone must be refused."""
    if rng.random() < 0.5:
        name, low, high = rng.choice(
            (("threshold", 0, 1), ("min_component_px", 0, 10**5), ("input_size", 64, 2048), ("clip", 0, 100))
        )
        value = rng.choice(
            (float("nan"), float("inf"), -1, low - 1, high * 10, 10**9, 10**400, "1e", [1], None)
        )
        return ({"normalisation": {name: value}} if name == "clip" else {name: value}), True
    spec = _spec(rng)
    side = rng.choice((64, 512, 1024, 2048))
    cost = reckoned(Architecture(**spec), side)
    # By what a person would say, not by the bounds of the product: gigabytes, or a minute a frame.
    return {"architecture": spec, "input_size": side}, cost.frame_bytes > 4 << 30 or cost.gflop > 4_000


def _spec(rng: random.Random) -> dict:
    family = rng.choice(
        ("s2d-repunet", "sk-unet", "res-unet", "erfnet", "enet", "lite2-unet", "mobilenetv2-unet")
    )
    numbers = {
        "base_channels": rng.choice((4, 16, 64, 256)),
        "depth": rng.randint(1, 5),
        "blocks": rng.randint(1, 4),
    }
    return {"family": family, **numbers, "stem_factor": rng.choice((1, 2, 4 if numbers["depth"] < 5 else 2))}


def _just_small_enough(count: int, folder: Path) -> Iterator[Figure]:
    """Models a little within the bounds are loaded, made into an OpenVINO network, and segment a frame."""
    rng, ways = random.Random(1), {}
    while len(ways) < count:
        spec = _spec(rng) | {"family": "s2d-repunet", "base_channels": rng.randint(4, 96)}
        side = rng.choice((512, 1024, 2048))
        cost = reckoned(Architecture(**spec), side)
        takes = (cost.frame_bytes + cost.weight_bytes) / bounds.MODEL_BYTES
        if 0.6 < max(takes, cost.gflop / bounds.FRAME_GFLOP) <= 1 and takes <= 1 and cost.values < 3e7:
            ways[f"{spec} at {side}"] = partial(_segment, folder / str(len(ways)), Architecture(**spec), side)
    yield from _watched(ways).figures("models just within the bounds, a frame segmented")


def _segment(folder: Path, architecture: Architecture, side: int) -> None:
    from src_training import Predictor

    stage_tiny(folder)
    rng = np.random.default_rng(0)
    tensors = {
        name: (np.ones(shape) if "norm" in name or "var" in name else rng.normal(0, 0.01, shape)).astype(
            np.float16
        )
        for name, shape in (weight_shapes(architecture) or {}).items()
    }
    save_file(tensors, folder / WEIGHTS_FILE)
    card = json.loads((folder / CARD_FILE).read_text())
    changes = {"architecture": architecture.model_dump(), "input_size": side, "golden": []}
    (folder / CARD_FILE).write_text(json.dumps(card | changes))
    rehash(folder)
    Predictor.load(folder).probability(rng.integers(0, 255, (512, 512)))


# -- checkpoints and settings --------------------------------------------------------------------------------


#: One of each kind; the planted bug takes the last two.
_QUICK_CHECKPOINTS = ("much of nothing", "nested without end", "optimiser's settings deep", "packed")


def _checkpoints(folder: Path, names: Sequence[str] | None) -> Iterator[Figure]:
    """Those of these names, else all."""
    from hostile_checkpoints import HOSTILE

    names = names or sorted(HOSTILE)
    tally = _watched({name: partial(_load, name, folder / str(place)) for place, name in enumerate(names)})
    yield from tally.figures("hostile checkpoints")
    yield none_of("of these, taken", len(tally.taken), tally.of)


def _load(name: str, folder: Path) -> str:
    from hostile_checkpoints import HOSTILE, fresh

    from src_training.training.checkpoint import LAST, load_checkpoint

    folder.mkdir(parents=True)
    (folder / LAST).write_bytes(HOSTILE[name]())
    try:
        load_checkpoint(folder, fresh())
    except LightVesselError:
        return ""
    return "taken"


def _settings(count: int, folder: Path) -> Iterator[Figure]:
    """Resumed; nothing may be started, so that nothing is started here."""
    tally = _watched({f"{count} runs": partial(_resume, count, folder)})
    tally.of = count
    yield from tally.figures("received runs with absurd settings, resumed")
    yield none_of("of these, started", len((folder / "started").read_text().splitlines()), count)


def _resume(count: int, folder: Path) -> None:
    from src_training.runs import run as run_module

    workspace, rng, started = Workspace.create(folder / "place"), random.Random(0), []
    with mock.patch.object(run_module, "spawn", lambda folder, **more: started.append(folder.name)):
        for number in range(count):
            run = run_folder(workspace.path, number, settings_of(rng))
            with contextlib.suppress(LightVesselError):
                run.resume()
            for path in run.folder.iterdir():
                path.unlink()
            run.folder.rmdir()
    (folder / "started").write_text("\n".join(started))


# -- events and lists ----------------------------------------------------------------------------------------


def _events(form: Size, runs: int, folder: Path) -> Iterator[Figure]:
    size, names = _EVENT_BYTES[form], list(EVENTS)[:: 4 if form == "quick" else 1]
    tally = _watched({name: partial(_list, name, size, folder / name) for name in names})
    yield from tally.figures(f"events of {size >> 20} MiB, listed and followed")
    yield all_of("of these, looks that parsed 4 MiB at most", tally.of - len(tally.taken), tally.of)
    many = _watched({f"{runs} runs": partial(_list_many, runs, folder / "many")})
    yield from many.figures(f"lists of {runs:,} runs")


def _list(name: str, size: int, folder: Path) -> str:
    from src_training.runs import events, reading

    workspace = Workspace.create(folder)
    run = run_folder(workspace.path, 0, {})
    EVENTS[name](run.folder / "events.jsonl", size)
    parsed = [0]

    def counting(line: bytes) -> object:
        parsed[0] += len(line)
        return reading.parse_record(line)

    with mock.patch.object(events, "parse_record", counting):
        _shell("runs", "list", str(folder))
        run.status()
    return "" if parsed[0] <= 2 * _MOST_PARSED else "taken"


def _list_many(count: int, folder: Path) -> None:
    workspace = Workspace.create(folder)
    many_runs(workspace.path, count)
    _shell("runs", "list", str(folder))
    workspace.runs.newest().status()


def _shell(*words: str) -> None:
    from src_training.cli import main

    with contextlib.redirect_stdout(io.StringIO()):
        if main(list(words)) not in (0, 2):
            raise ValueError("no foreseen end")


# -- processes -----------------------------------------------------------------------------------------------


def _watched(ways: dict[str, Callable[[], object]]) -> Tally:
    """Each in a fork: what it says in the end, what it took."""
    tally = Tally(of=len(ways))
    for name, act in ways.items():
        began = time.monotonic()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _be_watched(act, writing)
        os.close(writing)
        with os.fdopen(reading) as said:
            found = said.read()
        _, status, usage = os.wait4(child, 0)
        tally.longest = max(tally.longest, time.monotonic() - began)
        tally.largest = max(tally.largest, usage.ru_maxrss * 1024)
        if os.WIFSIGNALED(status):
            (tally.hung if os.WTERMSIG(status) == signal.SIGALRM else tally.unforeseen).append(name)
        elif found == "taken":
            tally.taken.append(name)
        elif found:
            tally.unforeseen.append(f"{name}: {found}")
    return tally


def _be_watched(act: Callable[[], object], writing: int) -> None:
    """Do it and end; an alarm that nobody can miss ends what hangs."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_HANGS_S)
    try:
        said = act()
        os.write(writing, said.encode() if isinstance(said, str) else b"")
    except BaseException:  # noqa: BLE001 - what is counted here; nothing may leave this frame
        os.write(writing, traceback.format_exc()[-1000:].encode())
    finally:
        os._exit(0)


# -- planted bugs --------------------------------------------------------------------------------------------


def _not_reckoned() -> contextlib.AbstractContextManager[object]:
    return mock.patch.object(loading, "check_model", lambda card, called: reckoned(card.architecture, 512))


def _settings_believed() -> contextlib.AbstractContextManager[object]:
    return mock.patch("src_training.runs.run.check_settings")


def _unpickled() -> contextlib.AbstractContextManager[object]:
    import torch

    from src_training.training import checkpoint

    return mock.patch.multiple(
        checkpoint,
        read_saved=lambda path, most: torch.load(path, weights_only=True),
        check_optimiser=mock.DEFAULT,
        told_progress=lambda record: checkpoint.Progress(**record),
    )


def _read_in_full() -> contextlib.AbstractContextManager[object]:
    return mock.patch("src_training.runs.run.passed_over", lambda path, since_byte: since_byte)


PART = Part(
    run,
    {
        "a model not reckoned": _not_reckoned,
        "settings of a run believed": _settings_believed,
        "checkpoints unpickled": _unpickled,
        "events read in full": _read_in_full,
    },
)
