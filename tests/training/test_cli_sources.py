"""Promises of ``dataset list``, ``label``, ``withdraw`` and ``move``: who knows where a case comes from."""

from __future__ import annotations

import json

import imagecodecs
import numpy as np
import pytest
import typer

import src_training.cli
from src_training.cli import dataset as dataset_commands
from src_training.dataset.keyring import user_config_dir
from src_training.dataset.sources import Source, Sources
from src_training.workspace import Workspace


@pytest.fixture
def lightvessel(monkeypatch, capsys):
    """Run a command of this group: (exit code, lines of stdout, stderr)."""

    def only_this_group():
        app = typer.Typer(pretty_exceptions_enable=False)
        app.callback()(lambda: None)
        dataset_commands.register(app)
        return app

    monkeypatch.setattr(src_training.cli, "build_app", only_this_group)

    def run(*words):
        code = src_training.cli.main(["dataset", *map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err, err
        return code, out.splitlines(), err

    return run


def write(path, seed, mask=False):
    values = np.random.default_rng(seed).integers(0, 255, (32, 32)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(imagecodecs.png_encode((values > 200).astype(np.uint8) * 255 if mask else values))
    return path


@pytest.fixture
def workspace(tmp_path, lightvessel):
    """One frame with a typed patient, one without; the cases."""
    assert lightvessel("init", tmp_path / "w")[0] == 0
    for name, words in (("Meier_RCA", ["--patient", "heart-17"]), ("IM2", [])):
        image, mask = write(tmp_path / f"{name}.png", len(name)), write(tmp_path / f"{name}_m.png", 9, True)
        code, *_ = lightvessel("append", tmp_path / "w", "--image", image, "--mask", mask, *words)
        assert code == 0
    return tmp_path / "w"


def case_of(lightvessel, workspace, source):
    (row,) = [row for row in lightvessel("list", workspace)[1] if source in row]
    return row.split()[0]


def test_list_says_which_file_and_patient_a_case_is(workspace, lightvessel):
    code, rows, said = lightvessel("list", workspace)
    assert code == 0 and said.split() == ["CASE", "REVISION", "STATUS", "SPLIT", "SOURCE", "FRAME", "PATIENT"]
    told = {row.split()[4]: row.split()[5:] for row in rows}
    assert told == {"Meier_RCA.png": ["-", "heart-17"], "IM2.png": ["-", "unknown"]}
    cases = {
        case["source"]: case for case in json.loads(lightvessel("list", workspace, "--json")[1][0])["cases"]
    }
    assert cases["Meier_RCA.png"]["patient"] == "heart-17" and cases["IM2.png"]["frame"] is None


def test_nothing_of_it_lies_in_the_workspace(workspace, lightvessel):
    lightvessel("label", workspace, case_of(lightvessel, workspace, "IM2"), "Mrs Planted before stent")
    held = [path.read_bytes() for path in workspace.rglob("*") if path.is_file()]
    names = [str(path) for path in workspace.rglob("*")]
    for word in ("Meier", "IM2", "heart-17", "Planted"):
        assert not any(word.encode() in content for content in held) and not any(
            word in name for name in names
        )
    (file,) = (user_config_dir() / "sources").iterdir()
    assert file.stat().st_mode & 0o077 == 0, "others on this computer may not read it"


def test_another_computer_and_a_lost_note_only_mean_unknown_here(
    workspace, lightvessel, monkeypatch, tmp_path
):
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "another computer"))
    code, rows, _ = lightvessel("list", workspace)
    assert code == 0 and len(rows) == 2 and all(row.count("unknown here") >= 1 for row in rows)


@pytest.mark.parametrize(
    "damage", [b"\xff\xfe nonsense\n", b'{"case": 3}\n[1]\n{"case": "x", "label": [1]}\n']
)
def test_a_damaged_note_costs_its_line_only(workspace, lightvessel, damage):
    (file,) = (user_config_dir() / "sources").iterdir()
    file.write_bytes(damage + file.read_bytes() + b'{"case": "torn')
    code, rows, _ = lightvessel("list", workspace)
    assert code == 0 and "Meier_RCA.png" in "".join(rows) and "IM2.png" in "".join(rows)


def test_a_label_of_ones_own_comes_before_the_files_name_and_stays(workspace, lightvessel):
    case = case_of(lightvessel, workspace, "IM2")
    assert lightvessel("label", workspace, case[:6], "patient 4, before the stent")[0] == 0
    dataset = Workspace.open(workspace).dataset
    Sources(dataset).remember(case, Source("IM2.png", None, "later"))
    (row,) = [row for row in lightvessel("list", workspace)[1] if row.startswith(case)]
    assert "patient 4, before the stent" in row and "IM2" not in row
    lightvessel("label", workspace, case, "")
    assert "IM2.png" in "".join(lightvessel("list", workspace)[1])


def test_withdraw_takes_a_case_back_by_its_first_digits(workspace, lightvessel):
    case = case_of(lightvessel, workspace, "IM2")
    code, rows, _ = lightvessel("withdraw", workspace, case[:8], "--annotator", "reader-2")
    assert code == 0 and rows[0].startswith(f"withdrawn {case} r0002-")
    head = Workspace.open(workspace).dataset.head(case)
    assert (head.status, head.annotator) == ("rejected", "reader-2")


@pytest.mark.parametrize("command", [["withdraw"], ["label"], ["move", "--patient", "heart-18"]])
@pytest.mark.parametrize("digits", range(4))
def test_the_number_of_a_row_or_frame_is_not_taken_for_a_case(workspace, lightvessel, command, digits):
    case = case_of(lightvessel, workspace, "IM2")
    before = lightvessel("list", workspace)
    name, *more = command
    code, rows, err = lightvessel(name, workspace, case[:digits], *(["text"] if name == "label" else more))
    assert (code, rows) == (2, []) and "4 digits of a case or more name it" in err
    assert lightvessel("list", workspace) == before


def test_move_gives_a_case_to_its_patient_and_list_follows(workspace, lightvessel):
    case = case_of(lightvessel, workspace, "IM2")
    code, rows, _ = lightvessel("move", workspace, case, "--patient", "heart-18", "--json")
    told = json.loads(rows[0])
    assert code == 0 and told["moved_from"] == case
    listed = {row.split()[0]: row for row in lightvessel("list", workspace)[1]}
    assert "rejected" in listed[case]
    assert "accepted" in listed[told["case"]] and listed[told["case"]].split()[4:] == [
        "IM2.png",
        "-",
        "heart-18",
    ]
    again = lightvessel("move", workspace, case, "--patient", "heart-18", "--json")
    assert json.loads(again[1][0]) == told, "a second time changes nothing"


def test_move_does_not_split_a_patient_by_leading_zeros(workspace, lightvessel):
    case = case_of(lightvessel, workspace, "IM2")
    code, rows, said = lightvessel("move", workspace, case, "--patient", "heart-017")
    assert (
        (code, rows) == (2, []) and "differ in leading zeros only" in said and "--distinct-patients" in said
    )
    assert lightvessel("move", workspace, case, "--patient", "heart-017", "--distinct-patients")[0] == 0


def test_move_corrects_leading_zeros_of_a_patient_who_has_no_other_frame(workspace, lightvessel):
    case = case_of(lightvessel, workspace, "Meier")
    assert lightvessel("move", workspace, case, "--patient", "heart-017")[0] == 0
    case = case_of(lightvessel, workspace, "IM2")
    code, _, said = lightvessel("move", workspace, case, "--patient", "heart-17")
    assert code == 2 and "differ in leading zeros only" in said


@pytest.mark.parametrize("case", ["0123456789abcdef01234567", "", "zz", "../../etc"])
@pytest.mark.parametrize("command", [("withdraw",), ("move", "--patient", "x1"), ("label", "t")])
def test_a_case_that_is_not_there_is_one_line(workspace, lightvessel, command, case):
    name, *more = command
    code, rows, said = lightvessel(name, workspace, case, *more)
    assert (
        code != 0 and rows == [] and said.count("\n") == 1 and "lightvessel dataset list names them" in said
    )


def test_the_annotator_of_the_settings_is_the_shells_too(workspace, lightvessel):
    folder = user_config_dir()
    (folder / "plugin.json").write_text(json.dumps({"annotator": "reader-9"}), encoding="utf-8")
    case = case_of(lightvessel, workspace, "IM2")
    lightvessel("withdraw", workspace, case)
    assert Workspace.open(workspace).dataset.head(case).annotator == "reader-9"
    lightvessel("withdraw", workspace, case_of(lightvessel, workspace, "Meier"), "--annotator", "guest")
    cases = json.loads(lightvessel("list", workspace, "--json")[1][0])["cases"]
    assert {one["annotator"] for one in cases} == {"reader-9", "guest"}
