"""Promises of repeating a recipe and of naming models: what is not given is the recipe's, a model stays findable."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from model_folders import stage_tiny

from src_training import Workspace, synthetic_cine
from src_training.cli import main
from src_training.dataset import Frame
from src_training.models import load_model
from src_training.networks import NETWORKS
from src_training.runs import Run
from src_training.training import train_student
from src_training.training.finetune import beginning
from src_training.training.settings import IMAGENET, FinetuneSettings

PLACES = ["--arcade", "arcade", "-o", "out"]


def card_of(model_id):
    return load_model(model_id).folder / "card.json"


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """The settings of the trainings that were asked for; none is run."""
    monkeypatch.chdir(tmp_path)
    seen = []

    def train(settings, *_):
        seen.append(settings)
        return load_model("small").card

    monkeypatch.setattr(train_student, "train_student", train)
    return seen


@pytest.fixture
def place(tmp_path):
    """A workspace with one accepted frame."""
    workspace = Workspace.create(tmp_path / "place")
    made = synthetic_cine(seed=2, n_frames=2, shape=(96, 96))
    workspace.dataset.append(Frame(np.asarray(made.cine.frame(1), np.uint8), patient="p-1"), made.masks[1])
    return workspace


@pytest.fixture
def launched(monkeypatch, place):
    """The runs that were launched in the workspace; none is started."""
    monkeypatch.setattr(Run, "_start", lambda *_, **__: None)
    monkeypatch.setattr("src_training.runs.store.check_alone", lambda *_: None)
    monkeypatch.setattr("src_training.cli.finetune.follow", lambda run, as_json: 0)
    return place.runs.list


@pytest.mark.parametrize("model_id", ["small", "small-syntax"])
def test_a_recipe_without_the_plain_student_it_went_on_from_is_one_line(asked, capsys, model_id):
    command = ["train", "student", *PLACES, "--recipe", str(card_of(model_id))]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert (
        "went on from a plain student" in said and "--set start_from=MODEL" in said and said.count("\n") == 1
    )
    assert asked == []


def test_a_recipe_goes_on_from_the_plain_student_that_is_given(asked, tmp_path):
    plain = str(stage_tiny(tmp_path / "plain"))
    command = ["train", "student", *PLACES, "--recipe", str(card_of("small"))]
    assert main([*command, "--set", f"start_from={plain}"]) == 0
    recipe = json.loads(card_of("small").read_text())["recipe"]["train student"]
    assert asked[0].model_dump(mode="json") == recipe | {"start_from": plain}


def test_distil_takes_teacher_method_and_devices_from_the_recipe(asked, tmp_path, capsys):
    plain = str(stage_tiny(tmp_path / "plain"))
    recipe = json.loads(card_of("small").read_text())["recipe"]["train student"]
    (tmp_path / "recipe.json").write_text(json.dumps(recipe | {"devices": 2, "method": "soft-kd"}))
    command = ["distill", *PLACES, "--student", plain]
    assert main([*command, "--recipe", "recipe.json"]) == 0
    assert (asked[0].teacher, asked[0].method, asked[0].devices) == ("teacher", "soft-kd", 2)
    assert main([*command, "--recipe", "recipe.json", "--method", "as-published", "--devices", "1"]) == 0
    assert (asked[1].method, asked[1].balance, asked[1].devices) == ("as-published", 0.0, 1)
    assert main([*command, "--recipe", "recipe.json", "--student", "new:nano"]) == 0
    assert (asked[2].architecture, asked[2].start_from) == (NETWORKS["nano"], None)
    assert main(command) == 2
    assert "there is no teacher" in capsys.readouterr().err


def test_as_published_is_literal_by_every_way_to_ask_for_it(asked):
    distil = ["distill", *PLACES, "--teacher", "teacher", "--steps", "7"]
    for command in (
        [*distil, "--method", "as-published"],
        [*distil, "--set", "method=as-published"],
        [
            "train",
            "student",
            *PLACES,
            "--steps",
            "7",
            "--set",
            "teacher=teacher",
            "--set",
            "method=as-published",
        ],
    ):
        assert main(command) == 0
    assert [(s.method, s.balance, s.ramp, s.plain_steps) for s in asked] == [
        ("as-published", 0.0, 0.0, 7)
    ] * 3
    assert main([*distil, "--method", "as-published", "--set", "balance=0.1"]) == 0
    assert (asked[3].balance, asked[3].ramp) == (0.1, 0.0)
    assert (
        FinetuneSettings(method=" as-published ").balance == FinetuneSettings(method="as-published").ramp == 0
    )


def test_another_method_leaves_what_only_the_recipes_called_for(asked, tmp_path):
    distil = ["distill", *PLACES, "--teacher", "teacher"]
    assert main([*distil, "--method", "as-published"]) == 0
    (tmp_path / "recipe.json").write_text(asked[0].model_dump_json())
    for ask in (["--method", "lightvessel"], ["--set", "method=soft-kd"], []):
        assert main([*distil, "--recipe", "recipe.json", *ask]) == 0
    own = [(s.method, s.balance, s.ramp, s.plain_steps > 0) for s in asked[1:]]
    assert own == [
        ("lightvessel", 0.2, 0.05, False),
        ("soft-kd", 0.2, 0.05, False),
        ("as-published", 0, 0, True),
    ]


def test_a_network_that_is_not_named_is_the_starts_or_small(asked):
    distil = ["distill", *PLACES, "--teacher", "teacher"]
    assert main(["train", "student", *PLACES]) == main(distil) == 0
    assert main([*distil, "--set", "start_from=nano"]) == 0
    assert [s.architecture for s in asked] == [NETWORKS["small"]] * 2 + [load_model("nano").card.architecture]


def test_a_start_of_another_network_is_refused_before_frames_are_read(tmp_path, capsys):
    places = ["--arcade", str(tmp_path / "none"), "-o", str(tmp_path / "out")]
    assert main(["train", "student", *places, "--network", "nano", "--set", "start_from=small"]) == 2
    said = capsys.readouterr().err
    assert (
        "small: is not the network that is to be trained (blocks 2, not 1)" in said and said.count("\n") == 1
    )


def test_a_recipe_is_not_settled_with_the_model_that_came_of_it(asked, tmp_path, capsys):
    plain = str(stage_tiny(tmp_path / "plain"))
    command = [
        "train",
        "teacher",
        *PLACES,
        "--recipe",
        str(card_of("teacher")),
        "--set",
        f"start_from={plain}",
    ]
    assert main(command) == 2
    assert "resolved its labels with a model, called teacher then" in capsys.readouterr().err
    assert main([*command, "--set", f"settle_with={plain}"]) == 0


def test_a_teacher_takes_its_network_from_the_recipe(asked, tmp_path):
    architecture = NETWORKS["sk-unet"].model_dump()
    (tmp_path / "recipe.json").write_text(json.dumps({"architecture": architecture, "name": "professor"}))
    for more in ([], ["--recipe", "recipe.json"], ["--network", "sk-unet"], ["--scratch"]):
        assert main(["train", "teacher", *PLACES, *more]) == 0
    assert [(s.architecture.family, s.start_from, s.name) for s in asked] == [
        ("lite0-unet", IMAGENET, "teacher"),
        ("sk-unet", None, "professor"),
        ("sk-unet", None, "teacher"),
        ("lite0-unet", None, "teacher"),
    ]


def test_a_card_of_a_fine_tuning_is_no_recipe_of_a_training(asked, tmp_path, capsys):
    (tmp_path / "card.json").write_text(json.dumps({"recipe": {"finetune": {"steps": 3}}}))
    assert main(["train", "student", *PLACES, "--recipe", "card.json"]) == 2
    assert "was not made so" in capsys.readouterr().err


def test_nobody_is_taught_by_itself(asked, launched, place, capsys):
    wrong = ["--student", "small", "--teacher", "small"]
    assert main(["distill", *PLACES, *wrong]) == main(["distill", str(place.path), *wrong]) == 2
    assert main(["finetune", str(place.path), "--set", "teacher=small"]) == 2  # small is live
    assert capsys.readouterr().err.count("student and teacher are the same model") == 3
    assert asked == launched() == []


def test_models_named_by_their_folders_are_stored_before_a_run_starts(
    launched, place, tmp_path, monkeypatch, capsys
):
    student, teacher = stage_tiny(tmp_path / "student"), stage_tiny(tmp_path / "master", "professor")
    ids = [load_model(folder).id for folder in (student, teacher)]
    monkeypatch.chdir(tmp_path)
    assert main(["distill", str(place.path), "--student", "student", "--teacher", "master"]) == 0
    assert main(["finetune", str(place.path), "--model", str(student)]) == 0
    settings = [FinetuneSettings(**run.config()["settings"]) for run in launched()]
    assert [(one.base_model, one.teacher) for one in settings] == [(ids[0], ids[1]), (ids[0], "")]
    assert place.models.ids() == ids
    shutil.rmtree(student), shutil.rmtree(teacher)
    monkeypatch.chdir("/")
    for run, asked_for in zip(launched(), settings, strict=True):  # as it starts, and as it is resumed
        assert (
            beginning(place, asked_for, run.folder)[0].id
            == beginning(place, asked_for, run.folder)[0].id
            == ids[0]
        )
    assert main(["distill", str(place.path), "--student", "new:nano", "--teacher", "teacher"]) == 2
    assert "too few frames for a new network" in capsys.readouterr().err
