"""Hostile plain folders, and datasets of other programs, COCO and nnU-Net, whose labels mean nothing."""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import archive_files as made
from archive_files import zip_of
from archives_contents import INFINITE, NAN
from archives_packing import packing
from archives_sandbox import Attempt, Sandbox
from durable_disks import SIZE


def bad_folders(box: Sandbox) -> Iterator[Attempt]:
    """Plain folders: what no archive may hold can lie there."""

    def planted(path: str, plant: Callable[[Path], object]) -> Callable[[Path], Path]:
        def build(home: Path) -> Path:
            made.write(home, box.files)
            place = home / path
            shutil.rmtree(place) if place.is_dir() else place.unlink()
            plant(place)
            return home / "w"

        return build

    def link(place: Path) -> None:
        place.symlink_to(box.canary / "secret.png")

    for name in (box.image, box.target):
        for kind, plant in (("link", link), ("pipe", os.mkfifo), ("folder", Path.mkdir)):
            yield Attempt(f"{Path(name).suffix} is a {kind}", planted(name, plant), box.but_target)
    away = functools.partial(_link_to_copy, box)
    yield Attempt("case is a link", planted(box.target.rpartition("/")[0], away), box.but_target)
    yield Attempt("dataset.json is a link", planted(box.head, link))
    yield Attempt("dataset.json is a pipe", planted(box.head, os.mkfifo))
    yield Attempt("nothing in it", lambda home: home)


def _link_to_copy(box: Sandbox, place: Path) -> None:
    """A link to the very case, lying elsewhere: what it shows is sound, but nobody gave it."""
    elsewhere = made.write(place.parents[4] / "elsewhere", box.files)
    place.symlink_to(next(elsewhere.rglob(place.name)))


# -- datasets of other programs ------------------------------------------------------------------------------


def bad_others() -> Iterator[Attempt]:
    """COCO and nnU-Net whose one annotation or label means nothing."""
    picture = made.png(SIZE, SIZE, bytes((SIZE + 1) * SIZE))
    sound = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}
    huge = 10**400
    segmentations: tuple[Any, ...] = (
        *(None, 5, "x", [], [None], [[1, 2]], [[1, 2, 3]], [["a"] * 6], [[NAN] * 6], [[huge] * 6], [[[]]]),
        *({}, {"counts": "abc", "size": [SIZE, SIZE]}, {"counts": [huge], "size": [SIZE, SIZE]}),
        *(
            {"counts": [1 << 62] * 4 + [SIZE * SIZE], "size": [SIZE, SIZE]},
            {"counts": [-1], "size": [SIZE, SIZE]},
        ),
        *(
            {"counts": [[1]], "size": [SIZE, SIZE]},
            {"counts": [1], "size": [INFINITE, 1]},
            {"counts": [1], "size": 5},
        ),
    )
    for value in segmentations:
        yield Attempt(
            f"segmentation {value!r:.40}", _coco(picture, annotations=[sound | {"segmentation": value}])
        )
    for key, values in {
        "image_id": (None, "x", INFINITE, [], {}),
        "category_id": ([], {}),
    }.items():
        for value in values:
            yield Attempt(f"annotation {key} = {value!r}", _coco(picture, annotations=[sound | {key: value}]))
    image = {"id": 1, "file_name": "a.png", "height": SIZE, "width": SIZE}
    for key, values in {
        "id": (None, INFINITE, []),
        "file_name": ("../../canary/secret.png", "/etc/passwd", None, 5),
        "height": (None, -1, 0, 1 << 40, INFINITE, "x", 100_000),
    }.items():
        for value in values:
            yield Attempt(
                f"image {key} = {value!r}", _coco(picture, images=[image | {key: value}], annotations=[sound])
            )
    for key, value in (
        ("images", 5),
        ("annotations", [5]),
        ("categories", [{"id": INFINITE, "name": "ignore"}]),
        ("categories", 5),
    ):
        yield Attempt(f"coco {key} = {value!r}", _coco(picture, **{"annotations": [sound], key: value}))
    for text in (b"[" * 400_000, b"{}", b"[]", b"NaN", b"\xff\xfe", b""):
        yield Attempt(
            f"coco {text[:9]!r}", packing(zip_of, {"images/a.png": picture, "annotations/a.json": text})
        )
    for labels in (None, 5, [], {"a": [0, 1]}, {"a": None}, {"a": INFINITE}, {"a": "x"}):
        yield Attempt(f"nnU-Net labels {labels!r}", _nnunet(picture, labels=labels))
    for ending in (None, 5, "", ".nii.gz", "/../x"):
        yield Attempt(f"nnU-Net ending {ending!r}", _nnunet(picture, file_ending=ending))
    for name, image_bytes in (
        ("bomb", made.png(30_000, 30_000, b"x" * 99)),
        ("text", b"x" * 99),
        ("nothing", b""),
    ):
        yield Attempt(
            f"images: {name}", packing(zip_of, {"images/a.png": image_bytes, "masks/a.png": picture})
        )
        yield Attempt(
            f"masks: {name}", packing(zip_of, {"images/a.png": picture, "masks/a.png": image_bytes})
        )


def _coco(picture: bytes, **parts: Any) -> Callable[[Path], Path]:
    record = {
        "images": [{"id": 1, "file_name": "a.png", "height": SIZE, "width": SIZE}],
        "categories": [{"id": 1, "name": "vessel"}],
        **parts,
    }
    return packing(zip_of, {"images/a.png": picture, "annotations/a.json": json.dumps(record).encode()})


def _nnunet(picture: bytes, **parts: Any) -> Callable[[Path], Path]:
    record = {"labels": {"background": 0, "vessel": 2}, "file_ending": ".png", **parts}
    label = made.png(SIZE, SIZE, bytes([0] + [3] * SIZE) * SIZE)
    files = {
        "imagesTr/a_0000.png": picture,
        "labelsTr/a.png": label,
        "dataset.json": json.dumps(record).encode(),
    }
    return packing(zip_of, files)
