"""Promises of training on a folder: recipes, teachers, drawn and unlabelled frames, and the table of methods."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
import torch
from durable_disks import RefusingDisk
from model_folders import stage_tiny

from src_training import Workspace, durable, synthetic_cine
from src_training.cli import main
from src_training.cli.train import starting_point
from src_training.dataset import Frame
from src_training.errors import DatasetError, ModelError
from src_training.models import load_model
from src_training.models.card import Architecture
from src_training.training import train_student
from src_training.training.arcade import read_split
from src_training.training.drawn_samples import drawn_samples
from src_training.training.material import gather
from src_training.training.method_report import difference, method_table
from src_training.training.method_table import FEW_ROWS, ROWS, cells_of
from src_training.training.progress import Watcher
from src_training.training.quick_frames import write_quick_arcade
from src_training.training.settings import TrainSettings
from src_training.training.weights import load_network

QUICK = [
    *("--steps", "3"),
    *("--set", "batch_pixels=32768", "--set", "crop_sizes=[128]"),
    *("--set", "holdout=2", "--set", "validate_every=3", "--set", "projector_steps=3"),
]


@pytest.fixture(scope="module")
def arcade(tmp_path_factory):
    return write_quick_arcade(tmp_path_factory.mktemp("arcade"))


@pytest.fixture(scope="module")
def teacher(arcade, tmp_path_factory):
    """A compact teacher that has hardly learnt."""
    folder = tmp_path_factory.mktemp("teacher")
    command = [
        "train",
        "teacher",
        "--network",
        "lite0-unet",
        "--scratch",
        "--arcade",
        str(arcade),
        "-o",
        str(folder),
    ]
    assert main([*command, *QUICK, "--set", "label_protocol=syntax"]) == 0
    return folder / "model"


def results(capsys) -> list[dict]:
    """What a comparison found for its cells, without the events of their trainings."""
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return [line for line in lines if "method" in line]


def test_a_teacher_is_a_model_like_any_other(teacher, arcade):
    card = load_model(teacher).card
    assert card.architecture.family == "lite0-unet" and card.parameters > 3e6
    images, masks = arcade / "val" / "images", arcade / "val" / "masks"
    assert main(["evaluate", "--images", str(images), "--masks", str(masks), "--model", str(teacher)]) == 0
    assert main(["models", "describe", str(teacher)]) == 0


def test_a_student_is_distilled_and_its_card_names_teacher_and_method(teacher, arcade, tmp_path, capsys):
    output = tmp_path / "out"
    command = [
        "distill",
        "--arcade",
        str(arcade),
        "-o",
        str(output),
        "--teacher",
        str(teacher),
        "--student",
        "new:nano",
    ]
    assert main([*command, *QUICK, "--set", "unlabelled_share=0.25", "--json"]) == 0
    card = load_model(output / "model").card
    assert card.teacher == load_model(teacher).id
    assert str(arcade.parent) not in card.to_json()
    assert card.recipe["train student"]["method"] == "lightvessel"
    said = capsys.readouterr().out
    for term in ("fsd-map", "asd-window", "soft-kd"):
        assert f"{term} x" in said  # the weights that balancing found


def test_a_student_is_a_model_to_go_on_from_or_a_network_to_start(teacher, capsys):
    assert starting_point("small")["start_from"] == "small"
    assert starting_point(str(teacher))["start_from"] == str(teacher)
    for fresh in ("new:small", "enet", "new:enet"):
        assert "start_from" not in starting_point(fresh)
    assert starting_point("new:small")["architecture"] == starting_point("small")["architecture"]
    assert "goes on from small" in (said := capsys.readouterr().err) and "a new enet" in said
    with pytest.raises(ModelError, match="'huge' is not a network"):
        starting_point("new:huge")


def test_as_published_runs_the_papers_stages_in_one_command(teacher, arcade, tmp_path, capsys):
    output = tmp_path / "out"
    command = ["distill", "--arcade", str(arcade), "-o", str(output), "--teacher", str(teacher)]
    command += ["--student", "enet", "--method", "as-published"]
    assert main([*command, *QUICK]) == 0
    said = capsys.readouterr().err
    alone, projector, together = (output / "plain" / "last.pt"), "projector: reconstruction", "fsd-paper x 1"
    assert alone.is_file() and said.index(projector) < said.index(together)
    recipe = load_model(output / "model").card.recipe["train student"]
    assert (recipe["balance"], recipe["ramp"], recipe["plain_steps"]) == (0.0, 0.0, 3)


def test_a_workspace_is_distilled_in_a_run_of_its_own(teacher, tmp_path, capsys):
    workspace = Workspace.create(tmp_path / "coronary")
    made = synthetic_cine(seed=2, n_frames=6, shape=(192, 192))
    frame = Frame(np.asarray(made.cine.frame(3), np.uint8), patient="p-1")
    workspace.dataset.append(frame, made.masks[3])
    command = [
        "distill",
        str(workspace.path),
        "--teacher",
        str(teacher),
        "--student",
        "small-syntax",
        "--json",
    ]
    quick = ["--steps", "2", "--set", "batch_pixels=131072", "--set", "validate_every=2"]
    assert main([*command, *quick]) == 0
    model = workspace.models.get(json.loads(capsys.readouterr().out.splitlines()[-1])["model_id"])
    assert (model.card.parent, model.card.name) == ("small-syntax", "small-syntax-kd")
    assert model.card.teacher == load_model(teacher).id and str(teacher) not in model.card.to_json()
    assert main(["distill", "--teacher", str(teacher)]) == 2
    assert "give a WORKSPACE" in capsys.readouterr().err


def test_a_finished_training_is_not_repeated_and_an_unknown_teacher_is_one_line(arcade, tmp_path, capsys):
    command = ["distill", "--arcade", str(arcade), "-o", str(tmp_path), "--teacher", "professor", *QUICK]
    assert main(command) == 2
    assert "professor: no such model" in capsys.readouterr().err


def student_command(arcade, output, *more):
    words = ["train", "student", "--network", "nano", "--arcade", str(arcade), "-o", str(output), *QUICK]
    return [*words, *more]


def test_a_folder_begun_with_other_settings_is_left_as_it_is(arcade, tmp_path, capsys):
    assert main(student_command(arcade, tmp_path, "--steps", "2")) == 0
    card = (tmp_path / "model" / "card.json").read_bytes()
    wrong = ["--steps", "2", "--set", "seed=1", "--set", "learning_rate=0.01"]
    assert main(student_command(arcade, tmp_path, *wrong)) == 2
    assert "begun with other settings (learning_rate, seed). Give another" in capsys.readouterr().err
    other_frames = write_quick_arcade(tmp_path / "other", train=9)
    assert main(student_command(other_frames, tmp_path, "--steps", "2")) == 2
    assert "other settings (arcade)" in capsys.readouterr().err
    assert (tmp_path / "model" / "card.json").read_bytes() == card
    of_the_computer = ["--steps", "2", "--set", "threads=2", "--set", "device=cpu"]
    assert main(student_command(arcade, tmp_path, *of_the_computer)) == 0


def test_a_folder_of_an_older_version_goes_on_and_says_so(arcade, tmp_path, capsys):
    assert main(student_command(arcade, tmp_path)) == 0
    (tmp_path / "settings.json").unlink()
    assert main(student_command(arcade, tmp_path)) == 0
    assert "say nothing of their settings; they go on with these" in capsys.readouterr().err
    assert main(student_command(arcade, tmp_path, "--set", "seed=1")) == 2


def test_settings_under_which_nothing_was_learnt_may_be_changed(arcade, tmp_path, capsys):
    assert main(student_command(arcade, tmp_path, "--set", "holdout=10")) == 2
    assert "Lower holdout" in capsys.readouterr().err
    assert main(student_command(arcade, tmp_path)) == 0


def no_frames(*_given):
    raise AssertionError("frames were prepared before the output was looked at")


@pytest.mark.parametrize(
    ("where", "named"), [("file", "file"), ("file/below", "file"), ("read-only", "read-only")]
)
def test_an_output_that_cannot_be_written_to_is_a_line_before_any_frame_is_prepared(
    arcade, tmp_path, monkeypatch, capsys, where, named
):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(train_student, "gather", no_frames)
    monkeypatch.setattr(durable, "disk", RefusingDisk(tmp_path / "read-only", errno.EROFS))
    assert main(student_command(arcade, tmp_path / where)) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and f"{named}: " in said[0]


def test_drawn_trees_are_the_same_for_the_same_seed_and_have_full_labels(arcade):
    frames = read_split(arcade, "train")
    one, again = (drawn_samples(frames, 4, 7, 16) for _ in range(2))
    assert all(
        np.array_equal(a.image, b.image) and np.array_equal(a.label, b.label)
        for a, b in zip(one, again, strict=True)
    )
    assert all((sample.label == 1).any() for sample in one)
    assert not np.array_equal(one[0].label, drawn_samples(frames, 4, 8, 16)[0].label)


def test_sources_are_what_the_settings_ask_for(arcade):
    settings = TrainSettings(holdout=2, drawn_share=0.25, drawn_count=3, unlabelled_share=0.25)
    material = gather(settings, arcade, Watcher())
    assert [len(source.samples) for source in material.sources] == [8, 4, 3]
    assert [source.labelled for source in material.sources] == [True, False, True]
    assert all((sample.label == 255).all() for sample in material.sources[1].samples)


def test_a_second_round_settles_some_of_what_was_ignored_and_takes_no_vessel_back(arcade):
    settings = TrainSettings(holdout=2)
    first = gather(settings, arcade, Watcher()).sources[0].samples
    second = (
        gather(settings.model_copy(update={"settle_with": "small"}), arcade, Watcher()).sources[0].samples
    )
    ignored = [sum(int((s.label == 255).sum()) for s in samples) for samples in (first, second)]
    assert 0 < ignored[1] < ignored[0]
    for before, after in zip(first, second, strict=True):
        assert ((before.label == 1) & (after.label != 1)).mean() < 1e-3
        assert ((after.label == 255) & (before.label != 255)).mean() < 1e-3  # the resampling's rims


def test_a_student_that_gets_context_blocks_begins_where_it_was(tmp_path):
    before = stage_tiny(tmp_path / "before")
    had = load_model(str(before)).card.architecture
    wider = had.model_copy(update={"context": 2})
    grown = train_student.start_network(TrainSettings(start_from=str(before), architecture=wider))
    frame = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.allclose(grown.eval()(frame).logits, load_network(before, had)(frame).logits, atol=1e-5)
    assert len(grown.context) == 2 and all(p.requires_grad for p in grown.parameters())


def test_a_network_without_context_is_written_as_older_versions_read_it():
    assert "context" not in Architecture().model_dump()
    assert Architecture(**Architecture(context=2).model_dump()).context == 2


def test_complete_trees_do_not_go_with_partial_labels(arcade):
    with pytest.raises(DatasetError, match="synthetic trees are complete"):
        gather(TrainSettings(holdout=2, drawn_share=0.25, label_protocol="syntax"), arcade, Watcher())


@pytest.mark.timeout(600)
def test_every_row_of_the_comparison_runs_and_finished_cells_are_skipped(tmp_path, capsys):
    command = ["compare-methods", "--quick", "-o", str(tmp_path), "--students", "nano", "--json"]
    assert main(command) == 0
    records = results(capsys)
    assert [record["method"] for record in records] == ["teacher", *ROWS]
    for record in records:
        assert {"method", "student", "seed", "dice", "cldice", "error"} <= set(record)
        assert record["error"] is None and 0 <= record["dice"] <= 1
    assert (tmp_path / "table.md").read_text().count("\n| nano |") == len(ROWS)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/cell.json")}
    assert len(kept) == len(ROWS)
    kept[tmp_path / "teacher.json"] = (tmp_path / "teacher.json").stat().st_mtime_ns
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    damaged = tmp_path / "nano.at.s0" / "cell.json"
    damaged.write_bytes(damaged.read_bytes()[:100])
    capsys.readouterr()
    assert main(command) == 1
    failed = [line for line in results(capsys) if line["error"]]
    assert [line["method"] for line in failed] == ["at"] and "Delete this file" in failed[0]["error"]


def test_cells_of_another_plan_are_not_mixed_in(tmp_path, capsys):
    command = ["compare-methods", "--quick", "-o", str(tmp_path), "--students", "nano", "--rows", "plain"]
    assert main(command) == 0
    assert main([*command, "--set", "learning_rate=0.01"]) == 2
    assert "other settings (learning_rate)" in capsys.readouterr().err


def test_rows_go_on_from_a_plain_student_of_before(tmp_path, capsys):
    command = [
        "compare-methods",
        "--quick",
        "-o",
        str(tmp_path / "a"),
        "--students",
        "nano",
        "--rows",
        "plain",
    ]
    assert main(command) == 0
    before = tmp_path / "a" / "nano.plain.s0" / "model"
    command[3] = str(tmp_path / "b")
    assert main([*command, "--plain", f"nano={before}"]) == 0
    assert not (tmp_path / "b" / "nano.alone.s0").exists()
    recipe = load_model(str(tmp_path / "b" / "nano.plain.s0" / "model")).card.recipe
    assert recipe["train student"]["start_from"] == load_model(str(before)).id
    assert main([*command, "--plain", "nano"]) == 2
    assert "name the student and its model" in capsys.readouterr().err


def test_a_teacher_of_another_protocol_is_refused(teacher, arcade, tmp_path, capsys):
    command = ["distill", "--arcade", str(arcade), "-o", str(tmp_path), "--teacher", str(teacher), *QUICK]
    assert main([*command, "--set", "label_protocol=full-tree"]) == 2
    assert "labels syntax, the student full-tree" in capsys.readouterr().err


def test_other_students_have_the_main_rows_only():
    cells = cells_of(["small", "enet"], list(ROWS), [0, 1])
    assert len([c for c in cells if c.student == "small"]) == 2 * len(ROWS)
    assert [c.row for c in cells if c.student == "enet" and c.seed == 0] == list(FEW_ROWS)


def record(method, seed, dice):
    frames = {str(i): {"dice": d, "cldice": d} for i, d in enumerate(dice)}
    figures = dict.fromkeys(
        ("dice", "iou", "recall", "precision", "accuracy", "auc", "cldice"), float(np.mean(dice))
    )
    cost = {
        "hd95": 10.0,
        "stress_dice": 0.6,
        "drawn_recall": 0.5,
        "parameters": 450_000,
        "gflop": 4.5,
        "milliseconds": 12.0,
    }
    return {
        "student": "small",
        "method": method,
        "seed": seed,
        "frames": frames,
        "error": None,
        **figures,
        **cost,
    }


def test_a_difference_counts_only_when_its_interval_excludes_zero():
    rng = np.random.default_rng(0)
    plain = rng.uniform(0.6, 0.8, 50)
    better, same = plain + rng.normal(0.02, 0.01, 50), plain + rng.normal(0, 0.02, 50)
    mean, low, high = difference([record("a", 0, better)], [record("plain", 0, plain)])
    assert 0 < low < mean < high
    cells = [("plain", plain), ("a", better), ("b", same)]
    one_seed = method_table([record(name, 0, dice) for name, dice in cells])
    assert "**" not in one_seed  # a gain of one seed may be luck
    table = method_table([record(name, seed, dice) for name, dice in cells for seed in (0, 1)])
    rows = {line.split("|")[2].strip(): line for line in table.splitlines() if line.startswith("| small")}
    assert "**+0.02" in rows["a"] and "**" not in rows["b"]
    unpaired = [record("plain", 0, plain), record("a", 0, better), record("a", 1, better)]
    assert "**" not in method_table(unpaired)  # two seeds, but one has nothing to be compared with
