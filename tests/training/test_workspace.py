"""Promises of the workspace: one folder with three parts, and a clear word about every other folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from durable_disks import frame, mask

from src_training.errors import DatasetError
from src_training.workspace import Workspace, user_config_dir

REPOSITORY = Path(__file__).parents[2]


def test_a_workspace_holds_a_dataset_models_and_runs(tmp_path):
    made = Workspace.create(tmp_path / "coronary" / "2026")
    assert sorted(entry.name for entry in made.path.iterdir()) == ["dataset", "models", "runs"]
    saved = made.dataset.append(frame(1), mask(1))
    assert Workspace.open(made.path).dataset.heads() == [saved]


def test_an_empty_folder_and_a_creation_cut_short_become_a_workspace(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "half" / "models").mkdir(parents=True)
    (tmp_path / "half" / "dataset").mkdir()
    (tmp_path / "half" / ".DS_Store").write_bytes(b"x")
    for name in ("empty", "half"):
        assert Workspace.create(tmp_path / name).dataset.verify().sound


def make_thesis(path):
    path.mkdir()
    (path / "thesis.docx").write_text("years of work")


CREATE = {
    "a folder with something in it": (make_thesis, "something in it already"),
    "a file": (lambda path: path.write_text("x"), "a file is in the way"),
    "a workspace": (Workspace.create, "a workspace already. Open it"),
}


def test_no_workspace_is_made_inside_another(tmp_path):
    outer = Workspace.create(tmp_path / "outer").path
    for place in (outer / "models" / "inner", outer / "inner", outer / "dataset" / "cases" / "inner"):
        with pytest.raises(DatasetError, match="inner: inside the workspace outer"):
            Workspace.create(place)
        assert not place.exists()


OPEN = {
    "nothing": (lambda path: None, "there is no such folder. Make one"),
    "a file": (lambda path: path.write_text("x"), "a file, not a workspace"),
    "a folder": (make_thesis, "not a workspace (no dataset/dataset.json in it). Make one"),
}


@pytest.mark.parametrize("what", CREATE)
def test_making_one_where_something_is_is_refused(tmp_path, what):
    prepare, line = CREATE[what]
    path = tmp_path / "there"
    prepare(path)
    before = sorted(path.rglob("*"))
    with pytest.raises(DatasetError) as caught:
        Workspace.create(path)
    assert line in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(path.rglob("*")) == before


@pytest.mark.parametrize("what", OPEN)
def test_opening_something_else_says_what_it_is(tmp_path, what):
    prepare, line = OPEN[what]
    prepare(tmp_path / "there")
    with pytest.raises(DatasetError) as caught:
        Workspace.open(tmp_path / "there")
    assert line in str(caught.value) and str(caught.value).startswith("there: ")


@pytest.mark.parametrize("part", ["dataset", "models", "runs"])
def test_opening_a_part_of_a_workspace_names_the_folder_around_it(tmp_path, part):
    made = Workspace.create(tmp_path / "coronary")
    with pytest.raises(DatasetError, match="Give the folder around it: coronary"):
        Workspace.open(made.path / part)


def test_a_damaged_dataset_is_told_when_it_is_opened(tmp_path):
    made = Workspace.create(tmp_path / "coronary")
    (made.path / "dataset" / "dataset.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"dataset/dataset\.json"):
        Workspace.open(made.path)


def test_opening_and_reading_change_nothing(tmp_path):
    made = Workspace.create(tmp_path / "coronary")
    made.dataset.append(frame(1), mask(1))
    before = {path: path.stat().st_mtime_ns for path in made.path.rglob("*")}
    reader = Workspace.open(made.path)
    reader.dataset.heads()[0].image()
    reader.dataset.verify(deep=True)
    assert {path: path.stat().st_mtime_ns for path in made.path.rglob("*")} == before


def test_models_and_runs_open_lazily(tmp_path):
    made = Workspace.create(tmp_path / "coronary")
    assert list(made.models.list()) == [] and list(made.runs.list()) == []
    assert made.models is made.models


def test_the_configuration_can_be_put_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "c"))
    assert user_config_dir() == tmp_path / "c"
    monkeypatch.delenv("LIGHTVESSEL_CONFIG_DIR")
    assert user_config_dir().name == "lightvessel"


def test_the_dataset_needs_neither_torch_nor_a_window():
    code = (
        "import sys, src_training.workspace, src_training.dataset, src_training.dataset.folders;"
        "found = {'torch', 'napari', 'qtpy', 'scipy', 'skimage', 'dask'} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY, timeout=60)
