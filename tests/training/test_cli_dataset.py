"""Promises of ``lightvessel dataset``: one line per durable frame, bad pairs told, exit codes scripts can rely on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import typer
from cine_files import write_dicom

import src_training.cli
from src_training.cli import dataset as dataset_commands
from src_training.dataset.folders import match_pairs
from src_training.dataset.patient_table import owners_of, read_patients
from src_training.workspace import Workspace

REPOSITORY = Path(__file__).parents[2]
SIDE = 32


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


@pytest.fixture
def workspace(tmp_path, lightvessel):
    assert lightvessel("init", tmp_path / "w")[0] == 0
    return tmp_path / "w"


def picture(seed, side=SIDE):
    return np.random.default_rng(seed).integers(0, 255, (side, side)).astype(np.uint8)


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(imagecodecs.png_encode(values))
    return path


def drawn(seed, side=SIDE):
    return (picture(seed, side) > 200).astype(np.uint8) * 255


@pytest.fixture
def pairs(tmp_path):
    """Four images; three masks of the same name, one called <stem>_mask."""
    for number in range(4):
        write(tmp_path / "images" / f"f{number}.png", picture(number))
        write(tmp_path / "masks" / f"f{number}{'_mask' if number == 3 else ''}.png", drawn(number))
    return tmp_path / "images", tmp_path / "masks"


def import_(lightvessel, workspace, pairs, *more):
    return lightvessel("import", workspace, "--images", pairs[0], "--masks", pairs[1], *more)


# -- append --------------------------------------------------------------------------------------------------


def test_append_prints_saved_case_and_revision(lightvessel, workspace, pairs):
    code, out, _ = lightvessel(
        "append", workspace, "--image", pairs[0] / "f1.png", "--mask", pairs[1] / "f1.png", "--patient", "P1"
    )
    head = Workspace.open(workspace).dataset.heads()[0]
    assert (code, out) == (0, [f"saved {head.case} {head.name}"])
    np.testing.assert_array_equal(head.image(), picture(1))
    np.testing.assert_array_equal(head.mask(), drawn(1) // 255)
    assert head.patient_key is not None


def test_append_takes_one_frame_of_a_cine_and_its_page_of_the_masks(lightvessel, workspace, tmp_path):
    stack = np.stack([picture(n) for n in range(5)])
    masks = np.stack([drawn(n) // 255 for n in range(5)])
    tifffile.imwrite(tmp_path / "run.tif", stack, photometric="minisblack")
    tifffile.imwrite(tmp_path / "run-masks.tif", masks, photometric="minisblack")
    files = ["--image", tmp_path / "run.tif", "--mask", tmp_path / "run-masks.tif", "--patient", "P1"]
    code, _, err = lightvessel("append", workspace, *files)
    assert code == 2 and "5 frames; which one has the mask? Choose it with --frame" in err
    assert lightvessel("append", workspace, *files, "--frame", 9)[0] == 2
    assert lightvessel("append", workspace, *files, "--frame", 3)[0] == 0
    head = Workspace.open(workspace).dataset.heads()[0]
    np.testing.assert_array_equal(head.image(), stack[3])
    np.testing.assert_array_equal(head.mask(), masks[3])
    assert head.frame_index == 3


def test_append_says_when_the_patient_is_unknown(lightvessel, workspace, pairs):
    code, _, err = lightvessel(
        "append",
        workspace,
        "--image",
        pairs[0] / "f1.png",
        "--mask",
        pairs[1] / "f1.png",
        "--patient",
        "ANON",
    )
    assert code == 0 and "patient unknown, so for training only" in err
    assert Workspace.open(workspace).dataset.heads()[0].bucket == "train"


def test_append_keeps_a_status_and_a_threshold(lightvessel, workspace, pairs, tmp_path):
    soft = write(tmp_path / "soft.png", picture(1))
    files = ["append", workspace, "--image", pairs[0] / "f1.png", "--mask", soft, "--patient", "P1"]
    assert lightvessel(*files)[0] == 2
    assert lightvessel(*files, "--threshold", 200, "--status", "uncertain", "--annotator", "r2")[0] == 0
    head = Workspace.open(workspace).dataset.heads()[0]
    assert (head.status, head.annotator) == ("uncertain", "r2")
    np.testing.assert_array_equal(head.mask(), picture(1) >= 200)


BAD_APPENDS = {
    "a folder": (
        {"--image": "images/."},
        "images: a folder, whose files are separate acquisitions. Give one",
    ),
    "no image": ({"--image": "nowhere.png"}, "nowhere.png"),
    "no mask": ({"--mask": "nowhere.png"}, "nowhere.png"),
    "another size": ({"--mask": "small.png"}, "small.png is 8x8, but f1.png is 32x32"),
    "no vessel, but a mask": ({"--status": "no_vessel"}, "called no_vessel, but its mask marks"),
    "an unknown status": ({"--status": "good"}, "status 'good' is not known"),
}


@pytest.mark.parametrize("what", BAD_APPENDS)
def test_what_append_cannot_take_is_one_line_and_exit_2(lightvessel, workspace, pairs, tmp_path, what):
    write(tmp_path / "small.png", drawn(1, 8))
    changes, line = BAD_APPENDS[what]
    options = {"--image": pairs[0] / "f1.png", "--mask": pairs[1] / "f1.png", "--patient": "P1"}
    options |= {name: tmp_path / value if "." in value else value for name, value in changes.items()}
    code, out, err = lightvessel("append", workspace, *(word for pair in options.items() for word in pair))
    assert (code, out) == (2, []) and line in err and len(err.splitlines()) == 1


def test_a_conflict_is_settled_from_the_shell(lightvessel, workspace, pairs):
    from src_training.dataset import Origin

    append = ["append", workspace, "--image", pairs[0] / "f1.png", "--mask", pairs[1] / "f1.png"]
    lightvessel(*append)
    dataset = Workspace.open(workspace).dataset
    first = dataset.heads()[0]
    for seed in (5, 6):
        dataset.revise(first, Origin(), drawn(seed) // 255)
    assert "CONFLICT" in lightvessel("list", workspace)[1][0]
    assert lightvessel(*append, "--resolve")[0] == 0
    assert "CONFLICT" not in lightvessel("list", workspace)[1][0]


# -- import --------------------------------------------------------------------------------------------------


def test_import_saves_every_pair_in_natural_order(lightvessel, workspace, pairs):
    code, out, _ = import_(lightvessel, workspace, pairs)
    assert code == 0 and len(out) == 4
    dataset = Workspace.open(workspace).dataset
    for number, line in enumerate(out):
        word, case, revision = line.split()
        head = dataset.head(case)
        assert (word, head.name) == ("saved", revision)
        np.testing.assert_array_equal(head.image(), picture(number))


def test_importing_again_adds_nothing(lightvessel, workspace, pairs):
    first = import_(lightvessel, workspace, pairs)
    before = sorted((workspace / "dataset").rglob("*"))
    assert import_(lightvessel, workspace, pairs)[1] == first[1]
    assert sorted((workspace / "dataset").rglob("*")) == before


def test_a_bad_pair_is_told_and_the_others_are_saved(lightvessel, workspace, pairs):
    write(pairs[1] / "f0.png", drawn(0, 16))
    (pairs[0] / "f1.png").write_bytes(b"not a picture")
    write(pairs[1] / "f2.png", picture(2))
    code, out, err = import_(lightvessel, workspace, pairs)
    assert code == 2 and len(out) == 1
    for line in ("f0.png is 16x16, but f0.png is 32x32", "f1.png: ", "f2.png: holds the values"):
        assert line in err
    assert "1 of 4 saved" in err


def test_files_without_a_partner_are_named(lightvessel, workspace, pairs):
    write(pairs[0] / "unlabelled.png", picture(9))
    (pairs[0] / "notes.txt").write_text("left out quietly")
    code, out, err = import_(lightvessel, workspace, pairs)
    assert (code, len(out)) == (0, 4), "an image nobody labelled is no error"
    assert "unlabelled.png: no mask of this name" in err and "notes.txt" not in err
    write(pairs[1] / "misnamed.png", drawn(9))
    code, out, err = import_(lightvessel, workspace, pairs)
    assert (code, len(out)) == (2, 4), "a mask somebody drew was not imported"
    assert "misnamed.png: no image of this name" in err


def test_a_pair_that_could_be_two_is_not_guessed(lightvessel, workspace, pairs):
    write(pairs[1] / "f0_mask.png", drawn(8))
    tifffile.imwrite(pairs[0] / "f1.tif", picture(7), photometric="minisblack")
    code, out, err = import_(lightvessel, workspace, pairs)
    assert code == 2 and "f0.png: several masks (f0.png, f0_mask.png)" in err
    assert "f1.png: could be the mask of several images (f1.png, f1.tif)" in err and len(out) == 2


def test_images_and_masks_may_share_a_folder(lightvessel, workspace, tmp_path):
    for number in range(3):
        write(tmp_path / "both" / f"f{number}.png", picture(number))
        write(tmp_path / "both" / f"f{number}_mask.png", drawn(number))
    code, out, _ = import_(lightvessel, workspace, (tmp_path / "both", tmp_path / "both"))
    assert (code, len(out)) == (0, 3)


def test_nothing_to_import_is_an_error(lightvessel, workspace, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert import_(lightvessel, workspace, (tmp_path / "a", tmp_path / "b"))[0] == 2
    assert import_(lightvessel, workspace, (tmp_path / "nowhere", tmp_path / "b"))[0] == 2


CSVS = {
    "plain": "f0.png,P0x\nf1,P1\nf2.png,P1\nf3.png,P2\n",
    "header": "Patient ID,sex,image\nP0x,f,f0.png\nP1,m,f1.png\nP1,m,f2.png\nP2,f,f3.png\n",
    "semicolons, paths, BOM": "﻿file;patient\nimages/f0.png;P0x\nC:\\x\\f1.png;P1\nf2;P1\nf3;P2\n",
}


@pytest.mark.parametrize("what", CSVS)
def test_a_csv_tells_the_patients(lightvessel, workspace, pairs, tmp_path, what):
    (tmp_path / "patients.csv").write_text(CSVS[what], encoding="utf-8")
    code, out, err = import_(lightvessel, workspace, pairs, "--patients", tmp_path / "patients.csv")
    assert code == 0 and "unknown" not in err
    dataset = Workspace.open(workspace).dataset
    keys = [dataset.head(line.split()[1]).patient_key for line in out]
    assert keys[1] == keys[2] and len(set(keys)) == 3


BAD_CSVS = {
    "f0.png\n": "line 1 has no patient",
    "f0,P1\nf0,P2\n": "second patient",
    "image,patient\nf0," + "x" * 200_000: "patients.csv: field larger than field limit",
    "f0,P\0\n": "patients.csv: a NUL byte in it",
}


@pytest.mark.parametrize("content", BAD_CSVS, ids=BAD_CSVS.values())
def test_a_csv_that_cannot_be_understood_is_refused_before_anything_is_saved(
    lightvessel, workspace, pairs, tmp_path, content
):
    (tmp_path / "patients.csv").write_text(content)
    code, out, err = import_(lightvessel, workspace, pairs, "--patients", tmp_path / "patients.csv")
    assert (code, out) == (2, []) and BAD_CSVS[content] in err and err.count("\n") == 1


def test_a_picture_that_is_there_under_another_patient_is_told_until_one_is_rejected(
    lightvessel, workspace, pairs, tmp_path
):
    (tmp_path / "patients.csv").write_text("f0,P1\nf1,P1\nf2,P2\nf3,P3\n")
    _, first, err = import_(lightvessel, workspace, pairs)
    assert "same picture" not in err
    _, again, err = import_(lightvessel, workspace, pairs, "--patients", tmp_path / "patients.csv")
    (line,) = [line for line in err.splitlines() if "same picture" in line]
    assert line.startswith("4 of 4: ") and f"{again[0].split()[1]} as {first[0].split()[1]}" in line
    code, out, err = lightvessel("verify", workspace, "--json")
    report = json.loads(out[0])
    assert (code, report["sound"]) == (0, True)
    assert [one["code"] for one in report["findings"]] == ["N05"] * 4 and "rejected" in report["findings"][0][
        "cure"
    ]
    one = ["append", workspace, "--image", pairs[0] / "f0.png", "--mask", pairs[1] / "f0.png"]
    assert "1 of 1: the same picture" in lightvessel(*one, "--patient", "P9")[2]
    for patient in ([], ["--patient", "P9"]):
        assert "same picture" not in lightvessel(*one, *patient, "--status", "rejected")[2]
    assert "same picture" not in lightvessel(*one, "--patient", "P1")[2]
    assert len(json.loads(lightvessel("verify", workspace, "--json")[1][0])["findings"]) == 3


def test_a_name_in_the_csv_that_is_no_image_is_named(lightvessel, workspace, pairs, tmp_path):
    (tmp_path / "patients.csv").write_text("f0.png,P0x\ntypo.png,P1\n")
    _, _, err = import_(lightvessel, workspace, pairs, "--patients", tmp_path / "patients.csv")
    assert "typo.png: named in the CSV, but not in images" in err
    assert "3 of 4: patient unknown" in err


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_what_import_said_is_there_even_if_it_is_killed_right_then(workspace, tmp_path):
    for number in range(30):
        write(tmp_path / "images" / f"f{number}.png", picture(number))
        write(tmp_path / "masks" / f"f{number}.png", drawn(number))
    code = (
        "import sys, typer; from src_training.cli import dataset; app = typer.Typer();"
        "app.callback()(lambda: None); dataset.register(app); app()"
    )
    words = ["dataset", "import", workspace, "--images", tmp_path / "images", "--masks", tmp_path / "masks"]
    child = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    said = [child.stdout.readline().split() for _ in range(5)]
    child.send_signal(signal.SIGKILL)
    said += [
        line.split() for line in child.communicate(timeout=60)[0].splitlines(keepends=True) if "\n" in line
    ]
    dataset = Workspace.open(workspace).dataset
    assert dataset.verify(deep=True).problems == []
    assert len(said) >= 5
    assert all(dataset.head(case).name == revision for _, case, revision in said)


# -- verify, list, keys --------------------------------------------------------------------------------------


def test_verify_exits_0_only_when_all_is_sound(lightvessel, workspace, pairs):
    import_(lightvessel, workspace, pairs)
    assert lightvessel("verify", workspace)[:2] == (0, ["sound: 4 cases, 4 revisions"])
    image = next((workspace / "dataset" / "cases").rglob("image-*"))
    data = bytearray(image.read_bytes())
    data[-20] ^= 1
    image.write_bytes(data)
    assert lightvessel("verify", workspace)[0] == 0
    code, out, _ = lightvessel("verify", workspace, "--deep")
    assert code == 1 and image.name in out[0] and out[1].startswith("1 problem")
    code, out, _ = lightvessel("verify", workspace, "--deep", "--json")
    report = json.loads(out[0])
    assert (code, report["sound"], len(report["problems"])) == (1, False, 1)


def test_verify_of_a_dataset_without_its_head_file_is_unsound_and_of_another_folder_an_error(
    lightvessel, workspace, tmp_path
):
    (workspace / "dataset" / "dataset.json").unlink()
    assert lightvessel("verify", workspace)[0] == 1
    (tmp_path / "other").mkdir()
    code, _, err = lightvessel("verify", tmp_path / "other")
    assert code == 2 and "not a workspace" in err


def test_list_names_cases_revisions_statuses_and_splits(lightvessel, workspace, pairs):
    saved = [line.split()[1:] for line in import_(lightvessel, workspace, pairs)[1]]
    code, out, _ = lightvessel("list", workspace, "--json")
    assert code == 0 and len(out) == 1
    listed = {case["case"]: case for case in json.loads(out[0])["cases"]}
    for case, revision in saved:
        assert (listed[case]["revision"], listed[case]["status"]) == (revision, "accepted")
        assert listed[case]["split"] == "train" and listed[case]["patient_key"] is None
        assert [one["revision"] for one in listed[case]["revisions"]] == [revision]
    assert len(lightvessel("list", workspace)[1]) == 4


def test_a_key_is_exported_and_imported(lightvessel, workspace, pairs, tmp_path, monkeypatch):
    assert lightvessel("key", "export", workspace, tmp_path / "site.key")[0] == 0
    assert lightvessel("key", "export", workspace, workspace / "site.key")[0] == 2
    monkeypatch.setenv("LIGHTVESSEL_CONFIG_DIR", str(tmp_path / "elsewhere"))
    code, out, err = import_(lightvessel, workspace, pairs)
    assert (code, out) == (2, []) and "lightvessel dataset key import" in err
    (tmp_path / "wrong.key").write_text("ab" * 32)
    assert lightvessel("key", "import", workspace, tmp_path / "wrong.key")[0] == 2
    assert lightvessel("key", "import", workspace, tmp_path / "site.key")[0] == 0
    assert import_(lightvessel, workspace, pairs)[0] == 0


def test_init_takes_salt_and_key_so_that_two_workspaces_split_alike(lightvessel, tmp_path, pairs):
    (tmp_path / "key").write_text("ab" * 32)
    (tmp_path / "patients.csv").write_text("".join(f"f{n},P{n}x\n" for n in range(4)))
    splits = []
    for name in ("a", "b"):
        options = ["--split-salt", "00ff" * 4, "--site-key", tmp_path / "key"]
        assert lightvessel("init", tmp_path / name, *options)[0] == 0
        import_(lightvessel, tmp_path / name, pairs, "--patients", tmp_path / "patients.csv")
        listed = json.loads(lightvessel("list", tmp_path / name, "--json")[1][0])["cases"]
        splits.append([(case["case"], case["patient_key"], case["split"]) for case in listed])
    assert splits[0] == splits[1]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--split-salt", "xyz"), "not hex"),
        (("--split-salt", "00ff"), "'00ff' has 4 hex digits, and at least 16 are needed"),
        (("--site-key", "nowhere"), "nowhere: No such file"),
        (("--site-key", "frame.png"), "frame.png: not a site key"),
        (("--site-key", "readme.txt"), "readme.txt: not a site key"),
        (("--site-key", "word"), "at least 16 bytes"),
    ],
)
def test_init_refuses_what_it_cannot_use_and_makes_nothing(lightvessel, tmp_path, monkeypatch, more, line):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "frame.png", picture(0))
    (tmp_path / "readme.txt").write_text("a text of\nseveral lines\n")
    (tmp_path / "word").write_text("word\n")
    code, _, err = lightvessel("init", tmp_path / "w", *more)
    assert code == 2 and line in err and len(err.splitlines()) == 1
    assert not (tmp_path / "w" / "dataset" / "dataset.json").exists()
    assert lightvessel("init", tmp_path / "w")[0] == 0
    assert lightvessel("init", tmp_path / "w")[0] == 2


def test_real_angiograms_and_masks_are_imported_as_they_are(lightvessel, workspace, shared_data, tmp_path):
    import shutil

    from src_training.cine import read_cine

    chosen = sorted((shared_data / "arcade" / "val" / "images").iterdir())[:3]
    for image in chosen:
        mask = next((shared_data / "arcade" / "val" / "masks").glob(f"{image.stem}.*"))
        for source, folder in ((image, "images"), (mask, "masks")):
            (tmp_path / folder).mkdir(exist_ok=True)
            shutil.copy(source, tmp_path / folder)
    code, out, _ = import_(lightvessel, workspace, (tmp_path / "images", tmp_path / "masks"))
    assert (code, len(out)) == (0, 3)
    for line, image in zip(out, sorted(chosen, key=lambda file: int(file.stem)), strict=True):
        head = Workspace.open(workspace).dataset.head(line.split()[1])
        np.testing.assert_array_equal(head.frame(), read_cine(image).frame(0))
        assert 0 < head.vessel_px() < 512 * 512 / 4


def test_a_real_cine_keeps_its_facts_and_nothing_else(lightvessel, workspace, shared_data, tmp_path):
    from src_training.cine import read_cine

    source = sorted((shared_data / "dicom" / "phantom").rglob("*.dcm"))[0]
    cine = read_cine(source)
    drawn_on = write(tmp_path / "mask.png", np.eye(*cine.shape[1:], dtype=np.uint8))
    code, out, _ = lightvessel(
        "append",
        workspace,
        "--image",
        source,
        "--mask",
        drawn_on,
        "--frame",
        2,
        "--patient",
        "Phantom-7",
        "--accept-implausible",
    )
    assert code == 0
    head = Workspace.open(workspace).dataset.head(out[0].split()[1])
    np.testing.assert_array_equal(head.frame(), cine.frame(2))
    assert (head.projection, head.calibration) == (cine.projection, cine.calibration)
    content = b"".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file())
    for word in (b"1.2.840", b"phantom", source.stem.encode()):
        assert word not in content.lower()


def test_what_an_import_says_of_any_name_is_one_printable_line(lightvessel, workspace, tmp_path):
    names = ["a\x1b[31m\nsaved 1 r0001.png", "b\x1b]0;x\x07.png", "ok.png"]
    for part in ("images", "masks"):
        for name in names:
            write(
                tmp_path / "in" / part / name,
                picture(1) if part == "images" else np.eye(SIDE, dtype=np.uint8),
            )
    (tmp_path / "in" / "images" / names[0]).write_bytes(b"no picture")
    (tmp_path / "in" / "masks" / names[1]).write_bytes(b"no picture")
    code, out, err = lightvessel("import", workspace, tmp_path / "in")
    assert (code, len(out)) == (2, 1) and "1 of 3 saved" in err
    lines = err.splitlines()
    assert len(lines) == 5 and all(line.isprintable() for line in lines)
    assert lines[0].startswith(
        r"lightvessel: a\x1b[31m\nsaved 1 r0001.png: not an image"
    )  # named once, not twice
    assert (
        lines[1].startswith(r"lightvessel: b\x1b]0;x\x07.png: cannot be read as a mask")
        and str(tmp_path) not in err
    )


def test_images_that_are_links_to_nothing_are_told_of_by_an_import(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "images" / "alone.png").symlink_to(tmp_path / "nowhere.png")
    matched = match_pairs(tmp_path / "images", tmp_path / "masks")
    assert [image.name for image, _ in matched.pairs] == ["gone.png"]
    assert matched.remarks == ["alone.png: no mask of this name; left out"]


def test_names_that_look_alike_are_alike(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "zoë") for form in ("NFC", "NFD"))
    for folder, name in (("images", composed), ("masks", decomposed)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.png").write_bytes(imagecodecs.png_encode(np.eye(32, dtype=np.uint8)))
    matched = match_pairs(tmp_path / "images", tmp_path / "masks")
    assert len(matched.pairs) == 1 and not matched.failures
    (tmp_path / "p.csv").write_text(f"{decomposed}.png,4711\n", encoding="utf-8")
    image = tmp_path / "images" / f"{composed}.png"
    owners = owners_of(read_patients(tmp_path / "p.csv"), [image], "p.csv")
    assert owners.of_image == {image: "4711"} and not owners.strangers


def test_what_was_read_otherwise_than_the_file_says_is_told_when_it_is_saved(
    workspace, tmp_path, lightvessel
):
    path = Path(__file__).parents[1] / "fixtures" / "field" / "number-of-frames" / "nof_native_3.dcm"
    mask = np.zeros((48, 64), np.uint8)
    mask[20:23, 5:60] = 1
    np.save(tmp_path / "m.npy", mask)
    code, out, err = lightvessel(
        "append", workspace, "--image", path, "--mask", tmp_path / "m.npy", "--frame", 4
    )
    assert code == 0 and out[0].startswith("saved ")
    assert "nof_native_3.dcm: NumberOfFrames is 3, but the pixel data holds 5 frames: all 5 are read." in err


def test_a_patient_given_for_a_file_of_another_one_is_taken_and_told(workspace, tmp_path, lightvessel):
    frame, mask = picture(2, 96), tmp_path / "m.npy"
    np.save(mask, (frame < frame.mean()).astype(np.uint8))
    for given, stated, told in (("p-7", "4711", True), ("p-7", "P-7", False), ("p-7", "ANON", False)):
        image = write_dicom(tmp_path / f"{stated}.dcm", frame[None].astype(np.uint8), PatientID=stated)
        words = ("--image", image, "--mask", mask, "--patient", given, "--accept-implausible")
        code, _, err = lightvessel("append", workspace, *words)
        assert (
            code == 0
            and ("its own PatientID is another" in err) is told
            and "4711" not in err.replace(image.name, "")
        )
