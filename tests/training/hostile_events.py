"""Run folders whose records have no end: events, settings, and very many of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from src_training.runs import Run


def run_folder(workspace: Path, number: int, settings: dict[str, Any]) -> Run:
    """A run that came with a workspace; it was cancelled once."""
    folder = workspace / "runs" / f"20260101T{number:06d}Z-finetune-abcdef"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"kind": "finetune", "settings": settings}))
    (folder / "events.jsonl").write_text('{"event":"cancelled"}\n')
    return Run(folder)


def many_runs(workspace: Path, count: int) -> None:
    """Of all ends."""
    for number in range(count):
        run = run_folder(workspace, number, {})
        lines = [_progress(step) for step in range(20)] + [b'{"event":"finished","model_id":"m-1"}']
        (run.folder / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def settings_of(rng: random.Random) -> dict[str, Any]:
    """Settings of which at least one is absurd."""
    field, values = rng.choice(sorted(_ABSURD.items()))
    return {"steps": 5, field: rng.choice(values)}


_ABSURD: dict[str, tuple[Any, ...]] = {
    "crop_sizes": ([32 * 10**6], [2048], [256] * 1000, [10**400], "all", [[[]]]),
    "batch_pixels": (10**9, 10**400, -1, 1e300, "many"),
    "loaders": (65, 10**9, -1, 1.5),
    "threads": (257, 10**9, 0),
    "devices": (65, 10**9, 0),
    "steps": (10**9, 10**400, 0),
    "learning_rate": (float("nan"), float("inf"), 1e9, -1),
    "gradient_clip": (float("inf"), 1e300, 0),
    "checkpoint_minutes": (1e9, float("nan"), 0),
    "validate_every": (10**12, 0),
    "seed": (10**30, -1),
    "average_steps": ([0.5] * 10_000, [2.0], [float("nan")]),
    "augmentation": ({"scale": [1e-9, 1e9]}, {"noise": float("nan")}, {"none": 1}),
    "base_model": ("x" * 10**6, 5),
    "teacher": ("x" * 10**6, ["a"]),
    "method": ("x" * 10**6, "+" * 10_000),
    "unknown": (1,),
}


def _progress(step: int) -> bytes:
    return b'{"event":"progress","step":%d,"steps":1000000,"loss":0.5}' % step


def _repeated(*lines: bytes) -> Callable[[Path, int], None]:
    def write(path: Path, size: int) -> None:
        block = b"\n".join(lines) + b"\n"
        path.write_bytes(block * (size // len(block) + 1))

    return write


def _sound(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.writelines(_progress(step) + b"\n" for step in range(size // 65))


def _back_and_forth(path: Path, size: int) -> None:
    """Half of it up, and then for ever one step back: each would copy all points."""
    up = size // 130
    with path.open("wb") as file:
        file.writelines(_progress(step) + b"\n" for step in range(up))
        file.writelines(_progress(up - 1 - step % 2) + b"\n" for step in range(up))


def _validated_back_and_forth(path: Path, size: int) -> None:
    line, up = b'{"event":"validated","step":%d,"metrics":{"dice":0.5}}\n', size // 110
    with path.open("wb") as file:
        file.writelines(line % step for step in range(up))
        file.writelines(line % (up - 1 - step % 2) for step in range(up))


#: What is written, of so many bytes.
EVENTS: dict[str, Callable[[Path, int], None]] = {
    "sound": _sound,
    "back and forth": _back_and_forth,
    "validated back and forth": _validated_back_and_forth,
    "no lines": _repeated(b""),
    "shortest events": _repeated(b'{"event":"x"}'),
    "deep": _repeated(b'{"event":"log","message":' + b"[" * 900 + b"]" * 900 + b"}"),
    "deeper": _repeated(b'{"event":"log","message":' + b"[" * 500_000 + b"]" * 500_000 + b"}"),
    "one line": lambda path, size: _repeated(b'{"event":"log","message":"' + b"x" * size + b'"}')(path, 1),
    "many lists": _repeated(b'{"event":"compared","decision":[' + b"[]," * 300_000 + b"[]]}"),
    "numbers without end": _repeated(
        b'{"event":"progress","step":1' + b"0" * 4000 + b',"loss":1' + b"0" * 4000 + b"}"
    ),
    "numbers beyond": _repeated(b'{"event":"progress","step":1' + b"0" * 9000 + b"}"),
    "no text": _repeated(b"\xff\xfe\x00" * 50),
    "long messages": _repeated(b'{"event":"log","message":"' + b"\\u202e" * 100_000 + b'"}'),
}
