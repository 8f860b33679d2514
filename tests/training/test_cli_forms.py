"""Promises of settings on the command line: each mistake is one line that names the setting, exit 2."""

from __future__ import annotations

import inspect

import pytest

from src_training.cli import build_app, main
from src_training.cli.forms import settings_from
from src_training.errors import LightVesselError
from src_training.models.card import Architecture
from src_training.training.arcade import read_split
from src_training.training.settings import FinetuneSettings, TrainSettings


def test_a_dot_reaches_inside_what_is_given_and_leaves_the_given_alone():
    given = {"architecture": Architecture(), "augmentation": {}}
    settings = settings_from(TrainSettings, given, ["architecture.base_channels=8", "steps=7"])
    assert settings.architecture.base_channels == 8 and settings.steps == 7
    assert given["architecture"] == Architecture()


BAD = {
    "steps.foo=1": "steps is one value, with nothing inside. Give --set steps=VALUE",
    "steps": "expected FIELD=VALUE",
    "stepz=1": "setting stepz",
    "crop_sizes=[100]": "setting crop_sizes: [100] are no multiples of 32",
    "crop_sizes=[256, 0]": "no multiples of 32",
    "crop_sizes=[]": "no multiples of 32",
}


@pytest.mark.parametrize("kind", [FinetuneSettings, TrainSettings])
@pytest.mark.parametrize("assignment", BAD)
def test_a_setting_that_cannot_be_is_said_in_a_line(kind, assignment):
    with pytest.raises(LightVesselError) as caught:
        settings_from(kind, {"steps": 2}, [assignment])
    assert BAD[assignment] in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("factors", ["[]", "[0]", "[0.5, 1.5]", "[-1]"])
def test_averaging_factors_are_shares_and_there_is_one(factors):
    with pytest.raises(LightVesselError, match="setting average_steps"):
        settings_from(FinetuneSettings, {}, [f"average_steps={factors}"])


def test_shares_that_leave_hardly_a_labelled_frame_are_refused():
    with pytest.raises(
        LightVesselError, match=r"setting drawn_share: with unlabelled_share it is more than 0\.9"
    ):
        settings_from(TrainSettings, {}, ["unlabelled_share=.8", "drawn_share=.8"])
    settings_from(TrainSettings, {}, ["unlabelled_share=.5", "drawn_share=.4"])


NO_RECIPES = {
    "a list": '{"recipe": ["steps"]}',
    "a list inside": '{"recipe": {"train student": [1]}}',
    "only a list": "[1]",
    "only a text": '"steps"',
    "no JSON": "steps",
    "deep": "[" * 9000,
}


@pytest.mark.parametrize("content", NO_RECIPES.values(), ids=NO_RECIPES)
def test_a_recipe_that_is_none_is_said_in_a_line(tmp_path, capsys, content):
    recipe = tmp_path / "recipe.json"
    recipe.write_text(content)
    words = ["--arcade", str(tmp_path), "-o", str(tmp_path / "out"), "--recipe", str(recipe)]
    assert main(["train", "student", *words]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "recipe.json: " in said and "Give a" in said


ODD_INDEXES = {
    "no column": (b"part,image\ntrain,a.png\n", "has no column 'split'"),
    "not text": (b"\x89PNG\r\n\x1a\n\xff\xfe", "cannot be read as a table"),
    "empty": (b"", "names no image and mask for some frame of train"),
    "another split": (b"split,image,mask\nval,a.png,b.png\n", "or none at all"),
    "a short line": (b"split,image,mask\ntrain,a.png\n", "names no image and mask"),
    "a NUL": (b"split,image,mask\ntrain,a\0.png,b.png\n", r"a\x00.png: opening failed"),
    "no such image": (b"split,image,mask\ntrain,a.png,b.png\n", "a.png: there is no such file"),
}


@pytest.mark.parametrize("what", ODD_INDEXES)
def test_an_odd_index_of_arcade_is_said_in_a_line(tmp_path, what):
    content, line = ODD_INDEXES[what]
    (tmp_path / "index.csv").write_bytes(content)
    with pytest.raises(LightVesselError) as caught:
        read_split(tmp_path, "train")
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_an_impossible_set_ends_with_exit_2(tmp_path, capsys):
    words = ["--arcade", str(tmp_path), "-o", str(tmp_path / "out"), "--set", "steps.foo=1", "--steps", "2"]
    assert main(["train", "student", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_help_keeps_the_brackets_of_an_extra(capsys):
    assert main(["train", "teacher", "--help"]) == 0
    assert "napari-lightvessel[teachers]" in capsys.readouterr().out


def test_no_command_lets_the_parser_refuse_a_file_that_may_not_be_read():
    """It would end a batch over one file, with a usage error; the product says it in a line of its own."""
    apps, refusing = [build_app()], []
    while apps:
        app = apps.pop()
        apps += [group.typer_instance for group in app.registered_groups]
        for command in app.registered_commands:
            for one in inspect.signature(command.callback).parameters.values():
                if "Path" in str(one.annotation) and one.default.readable:
                    refusing.append((command.callback.__name__, one.name))
    assert not refusing
