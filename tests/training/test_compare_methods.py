"""Promises of the table of methods: one cell's error is its own, and cells of other data or rulers are not mixed in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from src_training.cli import compare_methods, main
from src_training.distillation.recipe import parse_method
from src_training.errors import Cancelled
from src_training.models import load_model
from src_training.training import method_table
from src_training.training.quick_frames import write_quick_arcade

FIGURES = dict.fromkeys(
    (
        "dice",
        "iou",
        "recall",
        "precision",
        "accuracy",
        "auc",
        "cldice",
        "hd95",
        "stress_dice",
        "drawn_recall",
    ),
    0.5,
) | {"parameters": 450_000, "gflop": 4.5, "milliseconds": 12.0, "frames": {"a": {"dice": 0.5, "cldice": 0.5}}}


@pytest.fixture(scope="module")
def arcade(tmp_path_factory):
    return write_quick_arcade(tmp_path_factory.mktemp("arcade"))


@pytest.fixture
def compare(arcade, tmp_path, monkeypatch):
    """The command on cells that cost nothing: each ends as ``compare.ends[row]`` says, else well."""
    ends: dict[str, BaseException] = {}

    def train(cell, plan, *_):
        (tmp_path / "out" / cell.name).mkdir(parents=True, exist_ok=True)
        if cell.row in ends:
            raise ends[cell.row]
        return tmp_path

    monkeypatch.setattr(method_table, "_trained", train)
    monkeypatch.setattr(method_table, "figures", lambda model, ruler: FIGURES)
    monkeypatch.setattr(compare_methods, "_RULER", (1, 0))

    def run(*more, rows="plain", students="nano"):
        place = ["--arcade", str(arcade), "--teacher", "teacher", "-o", str(tmp_path / "out")]
        return main(["compare-methods", *place, "--rows", rows, "--students", students, *more])

    run.ends = ends
    return run


def test_a_cell_that_fails_in_any_way_leaves_the_others_alone(compare, capsys):
    compare.ends |= {"plain": OSError("the disk is gone"), "at": ValueError("odd"), "ifv": MemoryError()}
    assert compare("--json", rows="plain,at,ifv,cwd") == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"method"' in line]
    assert [record["error"] for record in records] == [None, "the disk is gone", "odd", "MemoryError", None]
    compare.ends.clear()
    assert compare("--json", rows="plain,at,ifv,cwd") == 0


@pytest.mark.parametrize(("end", "code"), [(Cancelled("stop"), 130), (KeyboardInterrupt(), 130)])
def test_who_cancels_ends_the_table(compare, capsys, end, code):
    compare.ends["plain"] = end
    assert compare("--json", rows="plain,at") == code
    out = capsys.readouterr().out
    assert out.count('"method"') == 1 and '"teacher"' in out


def test_the_table_is_the_result(compare, capsys):
    assert compare() == 0
    assert "| nano | plain | 1 |" in capsys.readouterr().out
    assert compare("--json") == 0
    said = capsys.readouterr()
    table = json.loads(said.out.splitlines()[-1])["table"]
    assert "| nano | plain | 1 |" in Path(table).read_text(encoding="utf-8") and said.err == ""


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--seeds", "a"], "--seeds a: not whole numbers from 0"),
        (["--seeds", "0,"], "--seeds 0,: not whole numbers from 0"),
        (["--seeds=-1"], "--seeds -1: not whole numbers from 0"),
        (["--students", "nano,huge"], "'huge' is not a network"),
        (["--plain", "nanno=small"], "--plain nanno: not a student of this table (nano)"),
        (["--plain", "nano=small"], "small: is not the network that is to be trained"),
        (["--set", "devices=2"], "the cells of a table are trained on one device"),
        (["--quick"], "--quick brings its own arcade"),
        (["--set", "seed=3"], "--set seed: every row has its own. Leave it out."),
        (["--rows", "lightvessel+unlabelled", "--set", "drawn_share=0.7"], "setting drawn_share: with"),
        (["-o", __file__], "is a file, not a folder"),
        (["-o", f"{__file__}/out"], "is a file, not a folder"),
    ],
)
def test_a_wrong_call_is_one_line_before_anything_is_judged(compare, capsys, wrong, told):
    assert compare(*wrong) == 2
    said = capsys.readouterr()
    assert told in said.err and said.err.count("\n") == 1 and said.out == ""


def test_cells_of_other_frames_or_of_another_ruler_are_not_mixed_in(
    compare, arcade, tmp_path, monkeypatch, capsys
):
    assert compare() == 0
    fewer = shutil.copytree(arcade, tmp_path / "fewer")
    lines = (fewer / "index.csv").read_text().splitlines()
    (fewer / "index.csv").write_text("\n".join(lines[:1] + lines[2:]))
    capsys.readouterr()
    assert compare("--arcade", str(fewer)) == 2
    said = capsys.readouterr()
    assert "other settings (frames)" in said.err and said.out == ""
    monkeypatch.setattr(compare_methods, "_RULER", (1, 1))
    assert compare() == 2
    assert "other settings (ruler)" in capsys.readouterr().err
    (tmp_path / "out" / "plan.json").write_text("{")
    assert compare() == 2
    assert "plan.json: damaged" in capsys.readouterr().err


def test_rows_whose_method_has_changed_since_are_not_mixed_in(compare, monkeypatch, capsys):
    assert compare(rows="plain,at") == 0
    monkeypatch.setitem(method_table.ROWS, "at", "at:2")
    assert compare(rows="plain,cwd") == 0
    assert compare(rows="at") == 2
    assert "other settings (rows)" in capsys.readouterr().err


def test_the_row_lightvessel_is_the_method_that_made_the_shipped_students():
    made = {
        load_model(student).card.recipe["train student"]["method"] for student in ("small", "small-syntax")
    }
    texts = [
        *made,
        "lightvessel",
        *(method_table.ROWS[row] for row in ("lightvessel", method_table.UNLABELLED)),
    ]
    assert all(parse_method(text) == parse_method("lightvessel") for text in texts)


def test_a_table_grows_on_another_computer(compare):
    assert compare("--set", "device=cpu") == 0
    machine = ["--set", "threads=2", "--set", "loaders=2", "--set", "checkpoint_minutes=9"]
    assert compare(*machine, rows="plain,at") == 0


def test_a_new_student_may_bring_its_own_plain_one(compare, tmp_path, capsys):
    assert compare("--plain", "nano=nano") == 0
    assert compare("--plain", "small=small-syntax", students="small") == 0
    named = json.loads((tmp_path / "out" / "plan.json").read_text())["plain"]
    assert named == {"nano": "nano", "small": "small-syntax"}
    assert compare("--plain", "nano=nano", "--plain", "small=small", students="nano,small") == 2
    assert compare() == 2  # the other rows of nano would start elsewhere
    assert capsys.readouterr().err.count("other settings (plain)") == 2


def test_the_table_holds_what_earlier_calls_finished(compare, tmp_path):
    assert compare("--seeds", "0,1", rows="plain,at") == 0
    assert compare(rows="cwd") == compare("--seeds", "1", students="enet") == 0
    (tmp_path / "out" / "nano.at.s1" / "cell.json").write_text("{")
    assert compare("--json", rows="cwd") == 0
    lines = (tmp_path / "out" / "table.md").read_text().splitlines()[2:]
    rows = [tuple(part.strip() for part in line.split("|")[1:4]) for line in lines if line.startswith("|")]
    assert rows == [
        ("teacher", "teacher", "1"),
        ("nano", "plain", "2"),
        ("nano", "at", "1"),
        ("nano", "cwd", "1"),
        ("enet", "plain", "1"),
    ]
