"""A workspace that somebody sends: sound, but for one thing in it; and the user's own files beside it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from durable_disks import frame, mask
from model_folders import go_live_with_tiny, stage_tiny, told

from src_training import Workspace
from src_training.dataset import Origin
from src_training.dataset.record import sealed, to_bytes

SECRET = b"export PATH=$HOME/bin:$PATH\n"


def make_sound(folder: Path) -> Path:
    """Two frames, one corrected and one withdrawn, a snapshot, a live model, a candidate, and a run that has ended."""
    workspace = Workspace.create(folder)
    dataset = workspace.dataset
    first = dataset.append(frame(1), mask(1))
    dataset.append(frame(1), mask(2))
    dataset.revise(dataset.append(frame(2), mask(2)), Origin("rejected"))
    dataset.snapshot("judged", [first])
    go_live_with_tiny(workspace, folder.parent / "staged-live")
    candidate = workspace.models.add(stage_tiny(folder.parent / "staged", "candidate"))
    live = next(model.id for model in workspace.models.list() if model.card.name == "tiny")
    workspace.models.keep_comparison(told(candidate.id, current=live))
    workspace.models.keep(candidate.id, "seen", by="reader-1")
    run = workspace.runs.launch("selftest", {"steps": 200, "seconds": 60.0})
    run.cancel()
    assert run.wait(timeout=60).status == "cancelled"
    return folder


def own_files(folder: Path) -> Path:
    """What is the user's and nobody else's: a file of each kind that a workspace holds, and a start-up file."""
    home = folder / "home"
    (home / "papers").mkdir(parents=True)
    for name in (".bashrc", "papers/snapshot.json", "papers/.0123456789abcdef.tmp", "papers/r0001-aaaa.json"):
        (home / name).write_bytes(SECRET)
        os.utime(home / name, (1e9, 1e9))
    return home


def everything(folder: Path) -> dict[str, Any]:
    """Every name below with its kind, its time and its content; what is behind links is not looked at."""
    found: dict[str, Any] = {}
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent, name) for name in [*folders, *names]):
            facts = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path.relative_to(folder))] = (facts.st_mode, facts.st_nlink, content)
    return found


def kept(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether all is as it was. A workspace may let go of a name that it had for a file, not give it a new one."""
    return before.keys() == after.keys() and all(
        (was[0], was[2]) == (now[0], now[2]) and now[1] <= was[1]
        for was, now in zip(before.values(), (after[name] for name in before), strict=True)
    )


def entries(workspace: Path) -> list[str]:
    """Every file and folder, as a relative path."""
    return sorted(str(path.relative_to(workspace)) for path in workspace.rglob("*"))


# -- one thing that is not as it should be -------------------------------------------------------------------


def _gone(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def link_to_copy(path: Path, home: Path) -> None:
    """A link to what looks the same, as it came."""
    twin = home / f"twin-of-{path.name}"
    os.rename(path, twin)
    path.symlink_to(twin)


def link_to(place: str) -> Callable[[Path, Path], None]:
    def plant(path: Path, home: Path) -> None:
        _gone(path)
        path.symlink_to(home / place)

    return plant


def second_name(path: Path, home: Path) -> None:
    """A hard link of a file of the user's; folders have none."""
    if path.is_file():
        _gone(path)
        os.link(home / ".bashrc", path)


def pipe(path: Path, home: Path) -> None:
    _gone(path)
    os.mkfifo(path)


def bound_socket(path: Path, home: Path) -> None:
    _gone(path)
    before = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(before)


def other_kind(path: Path, home: Path) -> None:
    """A folder in place of a file, a file in place of a folder."""
    was_folder = path.is_dir()
    _gone(path)
    path.write_bytes(b"x") if was_folder else path.mkdir()


def sparse(path: Path, home: Path) -> None:
    """8 GiB of nothing."""
    if path.is_file():
        os.truncate(path, 8 << 30)


def empty(path: Path, home: Path) -> None:
    if path.is_file():
        path.write_bytes(b"")


def endless_lines(path: Path, home: Path) -> None:
    if path.is_file():
        path.write_bytes(b"[" * 200_000 + b"\n" + b'{"a":' * 100_000 + b"\n" + b"9" * 100_000 + b"\n")


KINDS: dict[str, Callable[[Path, Path], None]] = {
    "a link to what it was": link_to_copy,
    "a link to a start-up file": link_to(".bashrc"),
    "a link to a folder": link_to("papers"),
    "a link to nothing": link_to("not yet"),
    "a link to a device": link_to("/dev/zero"),
    "a second name": second_name,
    "a pipe": pipe,
    "a socket": bound_socket,
    "of the other kind": other_kind,
    "sparse": sparse,
    "empty": empty,
    "endless": endless_lines,
}

#: Values that none of our records hold, in place of any that they do.
VALUES: dict[str, Any] = {
    "climbs": "../../../../home/.bashrc",
    "absolute": "/dev/zero",
    "a command": "$(touch ran); touch ran #",
    "escapes": "a\x1b]0;b\x07\n‮c\u0000",
    "html": "<img src='/dev/zero'>",
    "long": "w" * 300_000,
    "null": None,
    "true": True,
    "huge": 10**30,
    "negative": -1,
    "tiny": 5e-324,
    "a list": [[]],
    "an object": {"a": {"b": "c"}},
    "no text": "",
}


def values_in(record: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a record, itself excluded."""
    inner = (
        record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    )
    for key, value in inner:
        yield (*way, key)
        yield from values_in(value, (*way, key))


def put(record: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The record with another value there."""
    inner: Any = json.loads(json.dumps(record))
    place = inner
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value
    return inner


def records_of(path: Path) -> list[Any]:
    """The JSON objects that a file holds, one or one a line; none where it is no such file."""
    text = path.read_bytes()
    with contextlib.suppress(ValueError):
        return [json.loads(text)]
    with contextlib.suppress(ValueError):
        return [json.loads(line) for line in text.splitlines()]
    return []


def write_records(path: Path, records: list[Any]) -> None:
    """As a forger would: sealed again, and under the name that its content asks for."""
    if path.suffix == ".jsonl":
        path.write_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in records))
        return
    (record,) = records
    if isinstance(record, dict) and "self_sha256" in record:
        with contextlib.suppress(ValueError, TypeError):
            record = sealed(record)
    path.write_bytes(to_bytes(record))
    sha = record.get("self_sha256") if isinstance(record, dict) else None
    if path.name.startswith("r0") and isinstance(sha, str):
        path.rename(path.with_name(f"{path.name[:6]}{sha[:16]}.json"))


def forgeries(workspace: Path) -> list[tuple[str, int, tuple[Any, ...]]]:
    """Every value of every record: the file, which record of it, and the way to the value."""
    found = []
    for name in entries(workspace):
        path = workspace / name
        if path.suffix in (".json", ".jsonl") and path.is_file():
            found += [
                (name, number, way)
                for number, record in enumerate(records_of(path))
                for way in values_in(record)
            ]
    return found


def forge(path: Path, number: int, way: tuple[Any, ...], value: Any) -> None:
    """Put another value into one record of a file."""
    records = records_of(path)
    records[number] = put(records[number], way, value)
    write_records(path, records)
