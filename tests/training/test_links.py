"""A workspace from elsewhere in which something is a link or has a second name: the user's files stay as they are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from durable_disks import frame, mask
from hostile_workspaces import SECRET, everything, link_to, make_sound, own_files, second_name
from user_folders import user_folders

from src_training import Workspace
from src_training.cli import main
from src_training.errors import LightVesselError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


@pytest.fixture(scope="module", autouse=True)
def private_user_folders(tmp_path_factory):
    """In place of every test's own: the workspace of this file keeps its site key."""
    with user_folders(tmp_path_factory.mktemp("user")):
        yield


@pytest.fixture(scope="module")
def sound(tmp_path_factory, private_user_folders) -> Path:
    """Read only."""
    return make_sound(tmp_path_factory.mktemp("sound") / "ws")


@pytest.fixture
def received(sound, tmp_path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "ws"))


@pytest.fixture
def home(tmp_path) -> Path:
    return own_files(tmp_path)


def run_of(workspace: Path) -> Path:
    (folder,) = (workspace / "runs").iterdir()
    return folder


def candidate_of(workspace: Path) -> str:
    return next(m.id for m in Workspace.open(workspace).models.list() if m.card.name == "candidate")


def refused(words: list[str], capsys) -> str:
    """The one line of a command that ends with 2 or 1."""
    capsys.readouterr()
    assert main(words) in (1, 2)
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    "file", ["log.txt", "events.jsonl", "process.json", "launch.json", "reserve", "cancel"]
)
@pytest.mark.parametrize("plant", [link_to(".bashrc"), second_name], ids=["a link", "a second name"])
def test_a_run_that_is_resumed_or_cancelled_writes_into_its_own_folder_only(
    received, home, capsys, file, plant
):
    run = run_of(received)
    (run / file).touch()
    plant(run / file, home)
    before = everything(home)
    for command in ("resume", "cancel", "watch"):
        main(["runs", command, str(received), run.name])
        if command == "resume":
            Workspace.open(received).runs.get(run.name).cancel()
            Workspace.open(received).runs.get(run.name).wait(timeout=60)
    after = everything(home)
    assert {name: facts[2] for name, facts in after.items()} == {
        name: facts[2] for name, facts in before.items()
    }


@pytest.mark.parametrize("file", ["log.txt", "events.jsonl"])
def test_a_resume_that_would_write_elsewhere_is_refused_in_a_line(received, home, capsys, file):
    run = run_of(received)
    link_to(".bashrc")(run / file, home)
    said = refused(["runs", "resume", str(received), run.name], capsys)
    assert f"{file} is a link, and none is followed here" in said and said.count("\n") == 1


@pytest.mark.parametrize("plant", [link_to(".bashrc"), second_name], ids=["a link", "a second name"])
@pytest.mark.parametrize("name", ["decisions.jsonl", "current.json", "decisions/00000009/decision.json"])
def test_a_decision_is_written_into_no_file_of_the_users(received, home, capsys, plant, name):
    place = received / "models" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    plant(place, home)
    assert main(["models", "keep", str(received), candidate_of(received), "--reason", "x"]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err
    assert (home / ".bashrc").read_bytes() == SECRET


@pytest.mark.parametrize("name", ["decisions", "decisions/00000002", "comparisons"])
def test_a_decision_is_written_into_no_folder_of_the_users(received, home, capsys, name):
    before = everything(home)
    candidate = candidate_of(received)
    place = received / "models" / name
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(home)
    for words in (["keep", "--reason", "x"], ["promote", "--override", "x"], ["rollback"]):
        which = [] if words[0] == "rollback" else [candidate]
        assert main(["models", words[0], str(received), *which, *words[1:]]) in (0, 2, 3)
    assert "Traceback" not in capsys.readouterr().err
    assert everything(home) == before


def test_a_kind_of_run_is_a_name(received, capsys):
    run = run_of(received)
    config = run / "config.json"
    config.write_text(config.read_text().replace('"selftest"', '"selftest; touch /tmp/ran"'))
    assert "config.json is missing or damaged" in refused(["runs", "resume", str(received), run.name], capsys)


def test_a_repair_moves_nothing_of_the_users(received, home, capsys):
    link_to("papers")(received / "dataset" / "snapshots", home)
    before = everything(home)
    assert main(["doctor", str(received), "--repair"]) == 1  # it is told, and not "all is well"
    told = capsys.readouterr()
    assert "snapshots is a link, and none is followed here" in told.out and "all is well" not in told.err
    assert everything(home) == before and (received / "dataset" / "snapshots").is_symlink()


@pytest.mark.parametrize("place", ["dataset", "dataset/cases", "shelf", "case"])
def test_no_picture_is_stored_outside(received, home, place):
    case = next((received / "dataset" / "cases").glob("*/*"))
    path = {"shelf": case.parent, "case": case}.get(place, received / place)
    target = home / "drive"
    os.rename(path, target)
    path.symlink_to(target, target_is_directory=True)
    before, said = everything(home), []
    for seed in (1, 2):  # one of them lies behind it
        try:
            Workspace.open(received).dataset.append(frame(seed), mask(7))
        except LightVesselError as error:
            said.append(str(error))
    assert any("is a link, and none is followed here" in line for line in said)
    assert everything(home) == before


@pytest.mark.parametrize("place", ["models", "runs", "dataset", "dataset/cases", "dataset/snapshots"])
def test_doctor_names_every_link(received, home, capsys, place):
    path = received / place
    os.rename(path, home / "drive")
    path.symlink_to(home / "drive", target_is_directory=True)
    main(["doctor", str(received), "--json"])
    told = capsys.readouterr()
    assert f"{place.removeprefix('dataset/')} is a link" in told.out + told.err


def test_a_workspace_behind_a_link_is_as_any(received, tmp_path, capsys):
    """The way to it is the user's own: a drive that is mounted elsewhere, a favourite."""
    (tmp_path / "favourite").symlink_to(received, target_is_directory=True)
    assert main(["doctor", str(tmp_path / "favourite")]) == 0
    assert Workspace.open(tmp_path / "favourite").dataset.append(frame(1), mask(9)).status == "accepted"


def test_a_run_takes_no_model_from_a_folder_that_its_records_name(received, home):
    from model_folders import stage_tiny

    from src_training.models.library import stored_model

    workspace = Workspace.open(received)
    folder = stage_tiny(home / "evil", "evil")
    for named in (str(folder), f"../../{home.name}/evil", "evil", 3, None, ["small"]):
        with pytest.raises(LightVesselError, match="no such model"):
            stored_model(named, workspace)
    assert stored_model("small", workspace).builtin
