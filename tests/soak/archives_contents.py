"""Datasets in sound archives whose records, images or JSON are not what a writer of ours makes."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import archive_files as made
from archive_files import zip_of
from archives_packing import packing
from archives_sandbox import MIB, Attempt, Files, Sandbox
from durable_disks import SIZE

#: Numbers that JSON has no word for and Python writes all the same.
NAN, INFINITE = float("nan"), float("inf")
_LETTERS = "a" * 64
_BLOBS = (None, 5, [], "x", {})
_VALUES: dict[str, tuple[Any, ...]] = {
    "schema": (None, 5, "lightvessel-revision/2", "nnunet", []),
    "case": (None, 5, "../../../../canary/aaaaa", "a" * 24, []),
    "seq": (None, 0, 1.5, True, "1", 10**30, []),
    "parent": ("x", 5, [], {}, True, "../../canary"),
    "supersedes": ("x", 5, {}, [5], [[]], [None], ["../x"]),
    "status": (None, "fine", 5, [], {}, "accepted\n"),
    "annotator": (None, 5, [], {}, "jane@example.org", "x" * 65, "a\nb", "\x1b[2J"),
    "model_id": (5, [], {}, "/home/jane/model", "a" * 129),
    "proposal_sha256": (5, "x", [], {}),
    "effort": (5, [], "x", {"seconds": "x"}, {"strokes": [1]}, {"seconds": INFINITE}, {"seconds": NAN}),
    "patient_key": (5, "x", "P1", [], {}, "a" * 63, "A" * 64, "Doe^Jane"),
    "frame_index": ("x", -1, 1.5, [], True, NAN),
    "projection": (None, 5, [], "x", {"primary_deg": "x"}, {"primary_deg": []}, {"secondary_deg": NAN}),
    "calibration": (None, 5, [], {"status": "exact"}, {"status": []}, {"row_mm": "x"}, {"row_mm": INFINITE}),
    "grey": (5, [], "x", {"low": "x"}, {"inverted": 1}, {"padding": [1]}, {"padding": "xx"}, {"slope": None}),
    "vessels_bright": (None, 5, "x", []),
    "created_utc": (None, 5, [], {}),
    "image": _BLOBS,
    "mask": _BLOBS,
    "image.file": ("../../x", "/etc/passwd", "..\\x", "image-x.png", "", 5, None, []),
    "mask.file": ("../../../../../canary/secret.png", "C:\\x", "mask-0.png"),
    "image.sha256": (f"../../../../../{_LETTERS[15:]}", "A" * 64, _LETTERS, "", 5, None, []),
    "image.shape": (
        *([100_000, 100_000], [0, 0], [-1, 5], [15, 15], [4097, 16], [SIZE], [SIZE, SIZE, 1]),
        *("24x24", 5, None, [24.0, 24.0], [True, 24], [INFINITE, 5], [NAN, NAN]),
    ),
    "image.dtype": ("object", "O", "uint8,uint8", "S8", "complex64", "float128", 5, None, []),
    "image.offset": ("x", [], INFINITE, 1 << 70),
    "image.scale": ("x", [], NAN),
    "image.lossless": ("x", 5, None),
    "image.bytes": ("x", -1, []),
    "mask.dtype": ("uint16", "object"),
    "mask.shape": ([100_000, 100_000], [SIZE, SIZE + 1]),
    "mask.pixels_sha256": (None, "x", _LETTERS, 5),
}


def bad_records(box: Sandbox) -> Iterator[Attempt]:
    """One record each that holds what no writer of ours writes, sealed as if it did; its neighbours are sound."""
    for where, values in _VALUES.items():
        for value in values:
            files = made.resealed(box.files, box.target, functools.partial(_put, where=where, value=value))
            yield Attempt(f"{where} = {value!r:.40}", packing(zip_of, files), box.but_target)
        missing = where not in ("supersedes", "effort", "grey", "vessels_bright", "annotator", "model_id")
        if (
            missing
            and where not in ("proposal_sha256", "frame_index", "projection", "calibration")
            and "." not in where
        ):
            files = made.resealed(box.files, box.target, functools.partial(_drop, where=where))
            yield Attempt(f"no {where}", packing(zip_of, files), box.but_target)


def bad_blobs(box: Sandbox) -> Iterator[Attempt]:
    """Images and masks that are not what their record says."""
    files, target, image, sound = box.files, box.target, box.image, box.but_target
    shape = [SIZE, SIZE]
    side = 100_000
    blobs = {
        "PNG of 100,000x100,000": ("image", made.png(side, side, b"x" * 99), {"shape": [side, side]}),
        "PNG of 100,000x100,000, recorded as small": (
            "image",
            made.png(side, side, b"x" * 99),
            {"shape": shape},
        ),
        "PNG of 4,096x4,096 without its pixels": (
            "image",
            made.png(4096, 4096, b"x"),
            {"shape": [4096, 4096]},
        ),
        "PNG that goes on for 20 MB": ("image", made.png(SIZE, SIZE, bytes(20 * MIB)), {"shape": shape}),
        "PNG cut off": ("image", made.png(SIZE, SIZE, bytes(600))[:60], {"shape": shape}),
        "no PNG": ("image", b"GIF89a" * 99, {"shape": shape}),
        "other pixels": ("image", made.png(SIZE, SIZE, bytes((SIZE + 1) * SIZE)), {"shape": shape}),
        "other pixels, as if in steps": (
            "image",
            made.png(SIZE, SIZE, bytes((SIZE + 1) * SIZE)),
            {"lossless": False},
        ),
        "mask of 7": ("mask", made.png(SIZE, SIZE, bytes([0] + [7] * SIZE) * SIZE), {}),
        "mask of other pixels": ("mask", made.png(SIZE, SIZE, bytes((SIZE + 1) * SIZE)), {}),
        "mask of another size": ("mask", made.png(SIZE, SIZE + 1, bytes((SIZE + 2) * SIZE)), {}),
    }
    for kind, (which, data, facts) in blobs.items():
        changed = made.with_blob(files, target, which, data, **facts)
        yield Attempt(kind, packing(zip_of, changed), sound)
    yield Attempt("image missing", packing(zip_of, {k: v for k, v in files.items() if k != image}), sound)
    yield Attempt("image changed", packing(zip_of, {**files, image: files[image][:-20] + bytes(20)}), sound)
    yield Attempt("case of another", packing(zip_of, _moved(files, target, "ab" * 12)), sound)


def bad_json(box: Sandbox) -> Iterator[Attempt]:
    """JSON that is none, and heads of a dataset that lie."""
    files, target, sound = box.files, box.target, box.but_target
    record = json.loads(files[target])
    for name, data in _no_records(record):
        # The last one is refused for what it unpacks to, with all that lies beside it.
        beside = frozenset() if name.startswith("100 MB") else sound
        yield Attempt(f"record: {name}", _replacing(files, target, data), beside)
    yield Attempt("parents in a circle", packing(zip_of, _in_a_circle(files, target)), sound)
    facts = json.loads(files[box.head])
    for name, data in _no_records(facts):
        yield Attempt(f"dataset.json: {name}", _replacing(files, box.head, data))
    lies: dict[str, tuple[Any, ...]] = {
        "site_key_fingerprint": (None, 5, [], "x", "0" * 15, {}, "\x1b[2J" + "0" * 12),
        "labels": (None, {"0": "vessel", "1": "background"}, [], 5),
        "schema": (None, 5, "lightvessel-dataset/2", "lightvessel-revision/1", []),
    }
    for key, values in lies.items():
        for value in values:
            lying = made.resealed_head(files, functools.partial(_put, where=key, value=value))
            yield Attempt(f"dataset.json: {key} = {value!r:.30}", packing(zip_of, lying))
    other = made.resealed_head(files, functools.partial(_put, where="site_key_fingerprint", value="0" * 16))
    yield Attempt("another site key", packing(zip_of, other))


def _put(record: dict[str, Any], where: str, value: Any) -> None:
    outer, _, inner = where.rpartition(".")
    (record[outer] if outer else record)[inner] = value


def _drop(record: dict[str, Any], where: str) -> None:
    record.pop(where)


def _replacing(files: Files, name: str, make: Callable[[], bytes]) -> Callable[[Path], Path]:
    return lambda home: zip_of(home / "archive", *(files | {name: make()}).items())


def _no_records(record: dict[str, Any]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    text = json.dumps(record).encode()
    yield "changed after it was sealed", lambda: json.dumps(record | {"tool_version": "0"}).encode()
    yield "not closed", lambda: text[:-1]
    yield "no text", lambda: os.urandom(900)
    yield "nothing", bytes
    yield "a list", lambda: b"[" + text + b"]"
    yield "nested 400,000 deep", lambda: b"[" * 400_000
    yield "nested 900 deep", lambda: text[:-1] + b', "x": ' + b"[" * 900 + b"]" * 900 + b"}"
    yield "a number too long", lambda: text[:-1] + b', "x": ' + b"9" * 9000 + b"}"
    yield "not a number", lambda: text[:-1] + b', "x": NaN}'
    yield "infinite", lambda: text[:-1] + b', "x": 1e999}'
    yield "50 MB deep", lambda: b'{"a":' * (10 * MIB)
    yield "50 MB of nothing", lambda: b"[" + b"{}," * (17 * MIB) + b"{}]"
    yield "100 MB deep", lambda: b"[" * (100 * MIB)


def _in_a_circle(files: Files, target: str) -> Files:
    folder, record = target.rpartition("/")[0], json.loads(files[target])
    rest = {name: data for name, data in files.items() if name != target}
    for sha, parent, seq in (("a" * 64, "b" * 64, 1), ("b" * 64, "a" * 64, 2)):
        one = record | {"self_sha256": sha, "parent": parent, "seq": seq}
        rest[f"{folder}/r{seq:04d}-{sha[:16]}.json"] = json.dumps(one).encode()
    return rest


def _moved(files: Files, target: str, case: str) -> Files:
    """A whole case under another name, sealed again."""
    changed = made.resealed(files, target, functools.partial(_put, where="case", value=case))
    old = target.split("/")[-2]
    return {name.replace(f"{old[:2]}/{old}", f"{case[:2]}/{case}"): data for name, data in changed.items()}
