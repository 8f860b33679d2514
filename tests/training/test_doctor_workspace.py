"""Promises of `doctor WORKSPACE`: every planted damage is found and told with a cure; a repair only moves files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from durable_disks import frame, mask

from src_training import Workspace
from src_training.cli import main
from src_training.dataset.findings import CURES
from src_training.dataset.record import record_name, sealed, to_bytes
from src_training.dataset.verify import verify_folder

CASES = 12
KEY = bytes(range(32))


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    """Twelve cases, the first three corrected once, and a snapshot of all; read only."""
    place = tmp_path_factory.mktemp("pristine")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LIGHTVESSEL_CONFIG_DIR", str(place / "config"))
        made = Workspace.create(place / "ws", site_key=KEY)
        for seed in range(CASES):
            made.dataset.append(frame(seed), mask(seed))
        for seed in range(3):
            made.dataset.append(frame(seed), mask(seed + 100))
        made.dataset.snapshot("gate", made.dataset.heads())
    return made.path


@pytest.fixture
def workspace(pristine, tmp_path) -> Path:
    copy = Path(shutil.copytree(pristine, tmp_path / "ws"))
    Workspace.open(copy).dataset.import_key(KEY)
    return copy


def records(workspace: Path, revision: str = "r0001") -> list[Path]:
    return sorted((workspace / "dataset" / "cases").rglob(f"{revision}-*.json"))


def blob(workspace: Path, kind: str) -> Path:
    return next(path for path in sorted(records(workspace, "r0002")[0].parent.glob(f"{kind}-*.png")))


def rewritten(path: Path, **changes) -> None:
    """A record that is sealed again, under the name of its new content, as a clumsy tool would leave it."""
    record = sealed({**json.loads(path.read_bytes()), **changes})
    path.unlink()
    (path.parent / f"{record_name(record)}.json").write_bytes(to_bytes(record))


def swapped_mask(workspace: Path) -> None:
    """Another mask under its right name: only its pixels tell."""
    path = records(workspace)[5]
    record = json.loads(path.read_bytes())
    png = bytes(imagecodecs.png_encode(np.zeros(record["mask"]["shape"], np.uint8)))
    sha = hashlib.sha256(png).hexdigest()
    facts = {**record["mask"], "file": f"mask-{sha[:16]}.png", "sha256": sha, "bytes": len(png)}
    (path.parent / facts["file"]).write_bytes(png)
    rewritten(path, mask=facts)


def misnamed(path: Path) -> None:
    path.rename(path.with_name("r0001-0123456789abcdef.json"))


def left_in(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"x")


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


ELSEWHERE = {"file": "../x.png", "sha256": "0" * 64, "shape": [24, 24]}
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
    "another mask under its right name": ("D07", swapped_mask),
    "no parent": ("D08", lambda ws: next(records(ws, "r0002")[0].parent.glob("r0001-*.json")).unlink()),
    "a snapshot with a flipped bit": (
        "D09",
        lambda ws: flipped(ws / "dataset" / "snapshots" / "gate.json", 200),
    ),
    "a snapshot of a lost revision": ("D10", lambda ws: records(ws)[6].unlink()),
}


def told(capsys, level: str) -> list[dict[str, str]]:
    """The findings of this level that `doctor --json` printed."""
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [one for one in found if one["level"] == level]


@pytest.mark.parametrize("what", DAMAGE)
def test_planted_damage_is_found_and_told_with_a_cure(workspace, capsys, what):
    code, plant = DAMAGE[what]
    plant(workspace)
    assert main(["doctor", str(workspace), "--json"]) == 1
    problems = told(capsys, "problem")
    assert code in {one["code"] for one in problems}
    assert all(
        one["cure"] and "\n" not in one["text"] and str(workspace) not in one["text"] for one in problems
    )
    assert main(["dataset", "verify", str(workspace), "--deep"]) == 1


def test_a_sound_workspace_raises_no_alarm(workspace, capsys):
    assert main(["doctor", str(workspace)]) == 0
    said = capsys.readouterr()
    assert f"{CASES} cases, {CASES + 3} revisions" in said.out and "all is well" in said.err


LEFT_OVERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a torn save": ("N01", lambda ws: left_in(records(ws)[3].parent, f".{'0' * 16}.tmp")),
    "an image without a record": (
        "N01",
        lambda ws: (records(ws)[3].parent / f"image-{'0' * 16}.png").write_bytes(b"x"),
    ),
    "a stranger": ("N02", lambda ws: left_in(ws / "dataset", "Thumbs.db")),
    "a stranger's folder": ("N02", lambda ws: left_in(ws / "dataset" / "cases" / "mine", "x")),
}


@pytest.mark.parametrize("what", LEFT_OVERS)
def test_a_left_over_is_a_note_and_no_damage(workspace, capsys, what):
    code, plant = LEFT_OVERS[what]
    plant(workspace)
    assert main(["doctor", str(workspace), "--json"]) == 0
    assert [one["code"] for one in told(capsys, "note")] == [code]


def listed(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


MENDED = [what for what, (code, _) in DAMAGE.items() if code in ("D04", "D05", "D07", "D09")]


@pytest.mark.parametrize("what", MENDED)
def test_a_repair_moves_the_damage_away_and_deletes_nothing(workspace, capsys, what):
    DAMAGE[what][1](workspace)
    dataset = workspace / "dataset"
    before = listed(dataset)
    code = main(["doctor", str(workspace), "--repair"])
    after = listed(dataset)
    assert sorted(before.values()) == sorted(after.values())  # moved, not one byte less
    moved = [name for name in before if name not in after]
    assert moved and all(
        any(new.endswith(name) for new in after if new.startswith(".quarantine/")) for name in moved
    )
    said = capsys.readouterr().err
    assert all(name in said for name in moved) and "nothing was deleted" in said
    left = verify_folder(dataset, deep=True)
    lost = {one.code for one in left.findings if one.is_damage}
    # A snapshot may name what was put away, and a correction what lost its name: that is told on.
    assert lost <= {"D08", "D10"} and code == (1 if lost else 0)
    reopened = Workspace.open(workspace).dataset
    assert len(list(reopened.cases())) >= CASES - 1
    assert reopened.append(frame(900), mask(900)).status == "accepted"


def test_after_a_repair_the_frame_shows_the_revision_before(workspace):
    broken = records(workspace, "r0002")[0]
    case = broken.parent.name
    flipped(broken, 90)
    assert main(["doctor", str(workspace), "--repair"]) == 1  # the snapshot named it
    head = Workspace.open(workspace).dataset.head(case)
    assert head.seq == 1 and head.mask().any()


def test_a_child_of_what_was_put_away_is_a_note(workspace, capsys):
    parent = next(records(workspace, "r0002")[0].parent.glob("r0001-*.json"))
    flipped(parent, 90)
    assert main(["doctor", str(workspace), "--repair"]) == 0
    assert "N04" in {one.code for one in verify_folder(workspace / "dataset").findings}


def test_a_save_that_is_under_way_is_not_put_away(workspace):
    young = records(workspace)[3].parent / f".{'0' * 16}.tmp"
    old = records(workspace)[3].parent / f".{'1' * 16}.tmp"
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (1e9, 1e9))
    assert main(["doctor", str(workspace), "--repair"]) == 0
    assert young.exists() and not old.exists()


def test_a_damaged_model_is_told(workspace, capsys):
    folder = workspace / "models" / "mine-0123456789"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text("{}")
    (workspace / "models" / "current.json").write_text("{")
    assert main(["doctor", str(workspace)]) == 1
    said = capsys.readouterr().out
    assert "mine-0123456789" in said and "current.json is damaged" in said


def test_what_is_no_workspace_is_a_line(tmp_path, capsys):
    assert main(["doctor", str(tmp_path)]) == 2
    assert "not a workspace" in capsys.readouterr().err
    assert main(["doctor", "--repair"]) == 2
    assert "--repair needs a workspace" in capsys.readouterr().err


def test_every_code_has_a_cure_and_every_damage_was_planted():
    assert {code for code, _ in DAMAGE.values()} >= {code for code in CURES if code.startswith("D")} - {"D03"}
    assert len(DAMAGE) >= 25
