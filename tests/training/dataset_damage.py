"""Damage to plant in a workspace, each kind with the code that a look over it must tell; and clean datasets."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
from durable_disks import frame, mask

from src_training import Frame, Origin, Workspace
from src_training.cli import main
from src_training.dataset import Dataset
from src_training.dataset.blobs import mask_hash
from src_training.dataset.record import record_name, sealed, to_bytes

CASES = 12
KEY = bytes(range(32))
OTHER = "0" * 64


def make_pristine(path: Path) -> Path:
    """Twelve cases, the first three corrected once, and a snapshot of all."""
    made = Workspace.create(path, site_key=KEY)
    for seed in range(CASES):
        made.dataset.append(frame(seed), mask(seed))
    for seed in range(3):
        made.dataset.append(frame(seed), mask(seed + 100))
    made.dataset.snapshot("gate", made.dataset.heads())
    return made.path


def make_clean(folder: Path, cases: int) -> Dataset:
    """A sound dataset of every kind of pixels and every status; every seventh case is corrected."""
    made = Dataset.create(folder)
    for number in range(cases):
        rng = np.random.default_rng(number)
        kind = _KINDS[number % len(_KINDS)]
        # Few grey values would make some frames of a patient equal, and one case of two.
        pixels = rng.integers(0, 2 if kind is bool else 200, (24, 24)).astype(kind)
        if number % 11 == 5:
            pixels = (pixels + rng.random((24, 24))).astype(np.float32)  # stored rounded
        status = _STATUSES[number % len(_STATUSES)]
        labels = np.zeros((24, 24), np.uint8) if status == "no_vessel" else mask(number)
        first = made.append(Frame(pixels, f"P{number % 500}"), labels, Origin(status))
        if number % 7 == 0:
            made.revise(first, Origin(), mask(number + 1))
    made.snapshot("all", made.heads())
    return made


_KINDS = (np.uint8, np.uint16, np.int16, np.float64, np.int32, bool)
_STATUSES = ("accepted", "accepted", "no_vessel", "accepted", "not_evaluable", "rejected", "uncertain")


def is_told(workspace: Path, code: str) -> bool:
    """Whether `doctor` exits with 1 and tells this code, each problem in a line that has a cure and names no folder."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        status = main(["doctor", str(workspace), "--json"])
    found = [json.loads(line) for line in said.getvalue().splitlines()]
    problems = [one for one in found if one["level"] == "problem"]
    fit = all(
        one["cure"] and "\n" not in one["text"] and str(workspace) not in one["text"] for one in problems
    )
    return status == 1 and fit and code in {one["code"] for one in problems}


# -- planting --------------------------------------------------------------------------------------------------


def records(workspace: Path, revision: str = "r0001") -> list[Path]:
    return sorted((workspace / "dataset" / "cases").rglob(f"{revision}-*.json"))


def blob(workspace: Path, kind: str) -> Path:
    return next(path for path in sorted(records(workspace, "r0002")[0].parent.glob(f"{kind}-*.png")))


def rewritten(path: Path, **changes) -> None:
    """A record that is sealed again, under the name of its new content, as a clumsy tool would leave it."""
    record = sealed({**json.loads(path.read_bytes()), **changes})
    path.unlink()
    (path.parent / f"{record_name(record)}.json").write_bytes(to_bytes(record))


def masked(workspace: Path, values: np.ndarray, *, honest: bool = False) -> None:
    """Another mask under its right name; ``honest``: its pixels are what the record says, too."""
    path = records(workspace)[5]
    record = json.loads(path.read_bytes())
    png = bytes(imagecodecs.png_encode(values))
    sha = hashlib.sha256(png).hexdigest()
    facts = {**record["mask"], "file": f"mask-{sha[:16]}.png", "sha256": sha, "bytes": len(png)}
    if honest:
        facts["pixels_sha256"] = mask_hash(values)
    (path.parent / facts["file"]).write_bytes(png)
    rewritten(path, mask=facts)


def resized(path: Path, *kinds: str) -> None:
    """As many pixels in another shape."""
    record = json.loads(path.read_bytes())
    rewritten(path, **{kind: {**record[kind], "shape": [12, 48]} for kind in kinds})


def renumbered(path: Path) -> Path:
    return path.with_name(path.name.replace("r0001", "r0007"))


def second_of_a_rounded_frame(workspace: Path) -> Path:
    """A correction of a frame whose values were rounded: its case cannot be reckoned from its pixels."""
    dataset = Workspace.open(workspace).dataset
    rounded = Frame(np.random.default_rng(7).random((24, 24)).astype(np.float32), "P7")
    for seed in (1, 2):
        revision = dataset.append(rounded, mask(seed))
    return revision.folder / f"{revision.name}.json"


def linked_shelf(workspace: Path) -> None:
    """One that a person moved to another disk, as it may be."""
    shelf = records(workspace)[3].parent.parent
    shelf.rename(workspace.parent / f"moved-{workspace.name}")
    shelf.symlink_to(workspace.parent / f"moved-{workspace.name}", target_is_directory=True)


def linked_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def made_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def copied_from(workspace: Path, source: int, target: int, kind: str) -> None:
    """The file of one case, whole, under the name of another's."""
    one, other = (next(records(workspace)[at].parent.glob(f"{kind}-*.png")) for at in (source, target))
    shutil.copy(one, other)


def swapped_masks(workspace: Path) -> None:
    one, other = sorted(records(workspace, "r0002")[0].parent.glob("mask-*.png"))
    before = one.read_bytes()
    shutil.copy(other, one)
    other.write_bytes(before)


def shortened_snapshot(workspace: Path) -> None:
    """A list without one of its frames, sealed again, under the hash of the whole."""
    path = workspace / "dataset" / "snapshots" / "gate.json"
    record = json.loads(path.read_bytes())
    path.write_bytes(to_bytes(sealed({**record, "revisions": record["revisions"][1:]})))


def misnamed(path: Path) -> None:
    path.rename(path.with_name("r0001-0123456789abcdef.json"))


def left_in(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"x")


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "no dataset.json": ("D01", lambda ws: (ws / "dataset" / "dataset.json").unlink()),
    "an empty dataset.json": ("D01", lambda ws: (ws / "dataset" / "dataset.json").write_text("")),
    "another split salt": ("D01", lambda ws: flipped(ws / "dataset" / "dataset.json", 120)),
    "no cases": ("D02", lambda ws: shutil.rmtree(ws / "dataset" / "cases")),
    "an empty record": ("D04", lambda ws: records(ws)[4].write_text("")),
    "a record cut short": ("D04", lambda ws: records(ws)[4].write_bytes(records(ws)[4].read_bytes()[:200])),
    "a record with a flipped bit": ("D04", lambda ws: flipped(records(ws)[4], 90)),
    "a record of zeros": ("D04", lambda ws: records(ws)[4].write_bytes(bytes(900))),
    "a record that is a list": ("D04", lambda ws: records(ws)[4].write_text("[]")),
    "a deep record": ("D04", lambda ws: records(ws)[4].write_text("[" * 100_000)),
    "a record of a newer version": (
        "D04",
        lambda ws: rewritten(records(ws)[4], schema="lightvessel-revision/9"),
    ),
    "a record under another name": (
        "D05",
        lambda ws: misnamed(records(ws)[4]),
    ),
    "a record in another case": ("D05", lambda ws: shutil.move(records(ws)[4], records(ws)[6].parent)),
    "a status nobody knows": ("D05", lambda ws: rewritten(records(ws)[4], status="fine")),
    "a patient's name": ("D05", lambda ws: rewritten(records(ws)[4], patient_key="Doe")),
    "a path as file name": (
        "D05",
        lambda ws: rewritten(
            records(ws)[4], image={"file": "../x.png", "sha256": "0" * 64, "shape": [24, 24]}
        ),
    ),
    "no image": ("D06", lambda ws: blob(ws, "image").unlink()),
    "no mask": ("D06", lambda ws: blob(ws, "mask").unlink()),
    "a mask cut short": ("D07", lambda ws: blob(ws, "mask").write_bytes(blob(ws, "mask").read_bytes()[:-9])),
    "an image with a flipped bit": ("D07", lambda ws: flipped(blob(ws, "image"), 300)),
    "a mask with a flipped bit": ("D07", lambda ws: flipped(blob(ws, "mask"), 60)),
    "an image of zeros": (
        "D07",
        lambda ws: blob(ws, "image").write_bytes(bytes(blob(ws, "image").stat().st_size)),
    ),
    "another mask under its right name": ("D05", lambda ws: masked(ws, np.zeros((24, 24), np.uint8))),
    "sizes that differ": ("D05", lambda ws: resized(records(ws)[4], "mask")),
    "a copy with another number": (
        "D05",
        lambda ws: shutil.copy(records(ws)[4], renumbered(records(ws)[4])),
    ),
    "two patients in one case": (
        "D05",
        lambda ws: rewritten(second_of_a_rounded_frame(ws), patient_key=OTHER),
    ),
    "a shelf that is a link": ("D11", linked_shelf),
    "a link to nowhere": ("D06", lambda ws: linked_to_nowhere(blob(ws, "image"))),
    "a folder in place of an image": ("D07", lambda ws: made_a_folder(blob(ws, "image"))),
    "a pipe in place of an image": ("D07", lambda ws: made_a_pipe(blob(ws, "image"))),
    "a pipe in place of a record": ("D04", lambda ws: made_a_pipe(records(ws)[4])),
    "another case's image": ("D07", lambda ws: copied_from(ws, 7, 5, "image")),
    "a mask for an image": ("D07", lambda ws: shutil.copy(blob(ws, "mask"), blob(ws, "image"))),
    "masks of one case changed for each other": ("D07", swapped_masks),
    "a mask of other values": ("D05", lambda ws: masked(ws, np.full((24, 24), 7, np.uint8), honest=True)),
    "a mask in colour": ("D05", lambda ws: masked(ws, np.zeros((24, 24, 3), np.uint8))),
    "a lying shape": ("D05", lambda ws: resized(records(ws)[4], "image", "mask")),
    "another patient's key": ("D05", lambda ws: rewritten(records(ws)[4], patient_key=OTHER)),
    "a snapshot of another list": ("D09", shortened_snapshot),
    "no parent": ("D08", lambda ws: next(records(ws, "r0002")[0].parent.glob("r0001-*.json")).unlink()),
    "a snapshot with a flipped bit": (
        "D09",
        lambda ws: flipped(ws / "dataset" / "snapshots" / "gate.json", 200),
    ),
    "a snapshot of a lost revision": ("D10", lambda ws: records(ws)[6].unlink()),
}
