"""Promises of `doctor WORKSPACE`: a repair only moves files, and left-overs are no damage (finding: tests/soak)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dataset_damage import CASES, DAMAGE, KEY, flipped, left_in, make_pristine, records
from durable_disks import frame, mask

from src_training import Workspace
from src_training.cli import main
from src_training.dataset.findings import CURES
from src_training.dataset.verify import verify_folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    """Read only."""
    place = tmp_path_factory.mktemp("pristine")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LIGHTVESSEL_CONFIG_DIR", str(place / "config"))
        return make_pristine(place / "ws")


@pytest.fixture
def workspace(pristine, tmp_path) -> Path:
    copy = Path(shutil.copytree(pristine, tmp_path / "ws"))
    Workspace.open(copy).dataset.import_key(KEY)
    return copy


def told(capsys, level: str) -> list[dict[str, str]]:
    """The findings of this level that `doctor --json` printed."""
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [one for one in found if one["level"] == level]


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
    """Content by name; what is neither file nor folder counts as empty."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    return {name: path.read_bytes() if path.is_file() else b"" for name, path in found.items()}


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
    assert len(DAMAGE) >= 35
